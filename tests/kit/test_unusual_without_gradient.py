"""Components without a gradient that are right in an unusual way: no check raises a false alarm."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from framework import Callback, Data, Field, Findings, option, split_at_random
from tests.kit.passing import failures

RIGHT: list[tuple[str, Any]] = []


def right(kind, **options):
    """Add an instance of the class, as a frozen dataclass."""

    def add(cls):
        made = dataclass(frozen=True)(cls)
        RIGHT.append((kind, made(**options)))
        return made

    return add


def core(a, ctx):
    return tuple(range(len(ctx.replicas) - a.ndim, 0))


@right("optimizer")
class Langevin:
    """w <- w - lr g + sqrt(2 lr T) e: its noise grows with the root of the rate."""

    lr: float = option(0.01, above=0, stackable=True)
    temperature: float = option(1e-4, least=0, stackable=True)

    def init(self, w):
        return {}

    def update(self, w, g, state, lr, ctx):
        w -= lr * g
        w += (2 * lr * ctx.per(self.temperature, w)) ** 0.5 * ctx.normal(w)


@right("optimizer")
class Signs:
    """w <- w - lr sign(g)."""

    elementwise: ClassVar[bool] = True
    lr: float = option(0.01, above=0, stackable=True)

    def init(self, w):
        return {}

    def update(self, w, g, state, lr, ctx):
        w -= lr * ctx.xp.sign(g)


@right("optimizer")
class Normalized:
    """w <- w - lr g / (|g| + eps), with one norm per replica; the weights decay in proportion to the schedule."""

    lr: float = option(0.01, above=0, stackable=True)
    decay: float = option(0.001, least=0, stackable=True)
    limit: float = option(math.inf, above=0)

    def init(self, w):
        return {"t": 0}

    def update(self, w, g, state, lr, ctx):
        state["t"] += 1
        w *= 1 - ctx.per(self.decay, w) * lr / ctx.per(self.lr, w)
        w -= lr * g / (ctx.xp.sqrt((g * g).sum(-1, keepdims=True)) + 1e-8)


@right("optimizer")
class Extragradient:
    """The gradient is taken half a step of the last gradient ahead."""

    lr: float = option(0.05, above=0, stackable=True)
    ahead: Literal["none", "half"] | None = option("half")

    def init(self, w):
        return {"last": w * 0}

    def lookahead(self, w, state, ctx):
        return w - 0.5 * ctx.per(self.lr, w) * state["last"] if self.ahead == "half" else w

    def update(self, w, g, state, lr, ctx):
        state["last"][...] = g
        w -= lr * g


@right("schedule")
class Polynomial:
    """(1 - step / total)^power, 0 after the end."""

    monotone: ClassVar[str] = "falling"
    power: float = option(0.9, above=0, stackable=True)

    def __call__(self, step, total):
        return max(0.0, 1 - step / total) ** self.power


@right("schedule")
class Restarts:
    """A saw tooth that rises and falls, above 1 at times, as np.float64."""

    period: int = option(7, least=1)
    low: float | None = option(None, least=0)

    def __call__(self, step, total):
        return np.float64(1.5 - (step % self.period) / self.period) + (self.low or 0)


@right("schedule")
class Whole:
    """The integer 1, then 0."""

    def __call__(self, step, total):
        return int(step < total)


@right("initializer")
class Identity:
    """W_ij = 1 if i = j: no random number, no fans."""

    def __call__(self, rng, shape, fans=None):
        return np.eye(*shape)


@right("initializer")
class Sparse:
    """k normal numbers in every column, the others 0; k does not depend on the shape."""

    def __call__(self, rng, shape, fans=None):
        W = rng.standard_normal(shape) / math.sqrt((fans or shape)[0])
        return np.where(rng.random(shape) < 0.5, W, 0.0)


@right("initializer")
class Spawned:
    """Numbers of a generator that is seeded from the given one."""

    def __call__(self, rng, shape, fans=None):
        return 0.05 * np.random.default_rng(rng.integers(1 << 30)).standard_normal(shape)


@right("initializer")
class Average:
    """Positive values around 2 / (fan-in + fan-out)."""

    def __call__(self, rng, shape, fans=None):
        return rng.uniform(0.5, 1.5, shape) * 2 / sum(fans or shape)


@right("metric")
class AbsoluteError:
    """The mean of |y - t|, over all columns."""

    raw: ClassVar[bool] = True
    lower_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("real",)

    def count(self, y, t, ctx, mask=None):
        off = abs(y - t).mean(-1)
        weight = ctx.xp.ones_like(off) if mask is None else mask + 0 * off
        off = ctx.xp.where(weight > 0, off, ctx.xp.zeros_like(off))
        return ctx.xp.stack([(off * weight).sum(core(off, ctx)), weight.sum(core(off, ctx))], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@right("metric")
class Confusion:
    """The mean of the recalls of all classes that occur: K^2 counts."""

    targets: ClassVar[tuple[str, ...]] = ("label",)

    def count(self, y, t, ctx, mask=None):
        xp, K = ctx.xp, y.shape[-1]
        pair = (t * K + y.argmax(-1))[..., None] == xp.arange(K * K)
        weight = 1.0 if mask is None else mask[..., None]
        return (pair * weight).sum(tuple(range(len(ctx.replicas) - pair.ndim, -1)))

    def value(self, counts):
        K = round(counts.shape[-1] ** 0.5)
        counts = counts.reshape(*counts.shape[:-1], K, K)
        right, all_of = counts.diagonal(0, -2, -1), counts.sum(-1)
        occurs = all_of > 0
        return (right / (all_of + ~occurs)).sum(-1) / occurs.sum(-1)

    def parts(self, counts):
        return {"all": counts.sum(-1)}


@right("metric")
class MeanEntropy:
    """How undecided predictions are, right or wrong: neither better nor worse."""

    def count(self, y, t, ctx, mask=None):
        xp = ctx.xp
        safe = xp.maximum(y, xp.asarray(1e-12, y.dtype))
        entropy = -(y * xp.log(safe)).sum(-1)
        weight = xp.ones_like(entropy) if mask is None else mask + 0 * entropy
        return xp.stack([(entropy * weight).sum(core(entropy, ctx)), weight.sum(core(entropy, ctx))], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@right("metric")
class MeanOutput:
    """The mean of the first column: it has no direction."""

    raw: ClassVar[bool] = True

    def count(self, y, t, ctx, mask=None):
        first = y[..., 0]
        weight = ctx.xp.ones_like(first) if mask is None else mask + 0 * first
        return ctx.xp.stack([(first * weight).sum(core(first, ctx)), weight.sum(core(first, ctx))], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@right("metric")
class RecallOfOne:
    """The recall of one class only, NaN where it does not occur."""

    expected_failures: ClassVar[dict[str, str]] = {"weights": "an example counts or does not"}
    targets: ClassVar[tuple[str, ...]] = ("label",)
    kind: int = option(2, least=0)

    def count(self, y, t, ctx, mask=None):
        counted = (t == self.kind) if mask is None else (t == self.kind) & (mask > 0)
        right = counted & (y.argmax(-1) == t)
        lead = core(right, ctx)
        return ctx.xp.stack([right.sum(lead), (counted | right).sum(lead) + 0 * right.sum(lead)], -1).astype(y.dtype)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@right("dataset")
class Teacher:
    """Targets of a fixed network whose weights have a seed of their own, without other splits."""

    teacher: int = option(7, least=0)

    def load(self, rng):
        W = np.random.default_rng(self.teacher).standard_normal((3, 2))
        x = rng.standard_normal((30, 3)).astype(np.float32)
        return Data({"train": {"x": x, "y": (x @ W).astype(np.float32)}}, {"x": Field("NF"), "y": Field("NF")})


@right("dataset")
class AllPatterns:
    """The parity of three bits: few patterns, each of them many times in every split."""

    def load(self, rng):
        x = rng.integers(0, 2, (200, 3)).astype(float)
        arrays = {"x": x, "y": x.sum(1).astype(int) % 2}
        names = Field("N", "label", 2, ("even", "odd"))
        return Data(split_at_random(arrays, rng, 0.2, 0.2), {"x": Field("NF"), "y": names})


@right("dataset")
class Letters:
    """Letters of words with a mask that has holes, a weight for each example, and a split of another length."""

    def load(self, rng):
        def split(n, steps):
            x, mask = rng.integers(0, 9, (n, steps, 5)), rng.integers(0, 2, (n, steps)).astype(float)
            mask[:, 0] = 1
            return {"x": x, "y": x[..., 0] % 3, "mask": mask, "weight": rng.uniform(0, 2, n)}

        fields = {"x": Field("NTL", "id", 9), "y": Field("NT", "label", 3), "mask": Field("NT", "mask")}
        return Data({"train": split(12, 6), "test": split(9, 4)}, fields | {"weight": Field("N", "mask")})


@right("augmentation")
class Cutout:
    """A square of 0 somewhere in each image."""

    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    size: int = option(2, least=0, stackable=True)

    def __call__(self, x, rng):
        top, left = rng.integers(0, x.shape[-2], x.shape[0]), rng.integers(0, x.shape[-1], x.shape[0])
        i, j = np.arange(x.shape[-2])[:, None], np.arange(x.shape[-1])
        inside = [(i >= a) & (i < a + self.size) & (j >= b) & (j < b + self.size) for a, b in zip(top, left, strict=True)]
        return np.where(np.array(inside)[:, None], x.dtype.type(0), x)


@right("augmentation")
class OneShift:
    """The whole batch moves in time by one number of steps, drawn by a generator that the given one seeds."""

    axes: ClassVar[tuple[str, ...]] = ("NT", "NTF")
    chosen: tuple[Literal["left", "right"], ...] = option(("left", "right"))

    def __call__(self, x, rng):
        return np.roll(x, np.random.default_rng(rng.integers(1 << 30)).integers(0, 2), 0)


@right("augmentation")
class Nothing:
    """y = x, the array itself."""

    def __call__(self, x, rng):
        return x


@right("probe")
class Largest:
    """The largest weights, as a row, and their number, shared by all replicas."""

    def __call__(self, seen):
        xp = seen.ctx.xp
        row = xp.sort(xp.abs(seen.w), -1)[..., -4:]
        return {"largest/row": row, "largest/count": (seen.w[..., 0] * 0 + seen.w.shape[-1]).reshape(seen.ctx.replicas)}


@right("probe")
class OnlyOf:
    """It measures one kind of layer and says so where there is none."""

    nodes: tuple[str, ...] | None = option(None)

    def __call__(self, seen):
        names = self.nodes or [n for n in seen.network.nodes if n in seen.g and n.startswith("hidden")]
        wrong = [n for n in names if n not in seen.g]
        if wrong or not names:
            raise ValueError(f"probe only_of: no such layer {wrong}")
        return {f"only/{n}": sum((a * a).sum((-2, -1)) for a in seen.g[n].values()) for n in names}


@right("study")
class NoTraining:
    """It looks at the data only, and accepts labels only."""

    lower_is_better: ClassVar[dict[str, bool]] = {"classes/count": False, "classes/lost/*": True}

    def check(self, experiment):
        if experiment.data.fields["y"].kind != "label":
            raise ValueError("study: it needs labels")

    def __call__(self, experiment):
        y = experiment.data.splits["train"]["y"]
        return Findings("classes", series={"classes/count": np.array([[0, np.unique(y).size]])}, arrays={"y": y})


@dataclass(frozen=True)
class Format:
    """How numbers are written."""

    digits: int = option(3, least=0)


@right("callback")
class Diary(Callback):
    """A list of everything, and options in groups."""

    format: Format = option(Format)
    names: Mapping[str, str] = option(dict)
    kept: list = field(default_factory=list, init=False)

    def on_steps(self, member, first, columns, rows):
        self.kept.append((member, first, rows.round(self.format.digits)))

    def on_end(self, outcome):
        self.kept.append(outcome.status)


@pytest.mark.parametrize(("kind", "component"), RIGHT, ids=[f"{kind}-{type(one).__name__}" for kind, one in RIGHT])
def test_an_unusual_component_passes_every_check(kind, component):
    assert failures(kind, component) == []
