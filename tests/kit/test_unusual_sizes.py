"""Right components that read unusual shapes, options or members: no check raises a false alarm."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from framework import Data, Field, option
from tests.kit.faults._nothing import Nothing
from tests.kit.passing import failures

RIGHT = []


def right(kind, in_shape=None):
    """Add an instance of the class, as a frozen dataclass."""

    def add(cls):
        RIGHT.append((kind, dataclass(frozen=True)(cls)(), in_shape))
        return cls

    return add


@right("layer", ((3,), (3,)))
class Times:
    """y = x1 x2; it does not say that both must have one width."""

    def init(self, rng, in_shape):
        return {}, in_shape[0]

    def forward(self, p, x, ctx):
        return x[0] * x[1], x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy * cache[1], dy * cache[0]) if need_dx else None, {}


@right("layer", (2, 4, 4))
class Symmetric(Nothing):
    """y = x + x^T, for square images; other ones fail."""

    def forward(self, p, x, ctx):
        return x + x.swapaxes(-1, -2), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy + dy.swapaxes(-1, -2) if need_dx else None, {}


@right("layer")
class FadingNoise(Nothing):
    """Noise that becomes smaller from step to step, in training only."""

    def forward(self, p, x, ctx):
        return (x + ctx.normal(x) / (1 + ctx.step) if ctx.train else x * 1), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy if need_dx else None, {}


@right("schedule")
class Halving:
    """Halves the rate whenever the metric gets worse, whichever direction that is."""

    monitor: str = option("val/loss")

    def init(self, replicas):
        return {"factor": np.ones(replicas), "last": np.full(replicas, np.nan)}

    def __call__(self, step, total, state):
        return state["factor"].copy()

    def validated(self, state, metrics, lower_is_better):
        value = np.asarray(metrics[self.monitor], float) * (1 if lower_is_better.get(self.monitor, True) else -1)
        state["factor"][...] *= np.where(value > state["last"], 0.5, 1)
        state["last"][...] = value


@right("augmentation")
class MaskedWords:
    """Ids become 0 by chance; other fields are refused."""

    whole_batch: ClassVar = True
    probability: float = option(0.3, least=0, most=1)

    def __call__(self, batch, rng, fields):
        found = {name: a for name, a in batch.items() if fields[name].kind == "id"}
        if not found:
            raise ValueError("it masks ids, and there are none")
        return {name: np.where(rng.random(a.shape) < self.probability, 0, a) for name, a in found.items()}


@right("dataset")
class ShortSentences:
    """Sentences of two to five out of four words, of which one may be drawn twice."""

    n_val: int = option(10, least=0)

    def load(self, rng):
        sizes = {"train": 30, "val": self.n_val}
        fields = {"x": Field("NT", "id", 5, (Field.PADDING, "a", "b", "c", "d")), "mask": Field("NT", "mask")}
        return Data({split: self._drawn(rng, n) for split, n in sizes.items() if n}, fields)

    def _drawn(self, rng, n):
        shown = np.arange(6) < rng.integers(2, 6, n)[:, None]
        return {"x": np.where(shown, rng.integers(1, 5, (n, 6)), 0), "mask": shown * 1.0}


@right("probe")
class StepLength:
    """|lr g|, whatever form lr has."""

    def __call__(self, seen):
        return {"step_length": seen.ctx.xp.sqrt(((seen.lr * seen.gradient) ** 2).sum(-1))}


@right("metric")
class SafeRelativeError:
    """|y - t| / |t|, and |y - t| where t is 0."""

    targets: ClassVar = ("real",)
    lower_is_better: ClassVar = True

    def count(self, y, t, ctx, mask=None):
        each = (ctx.xp.abs(y - t) / ctx.xp.where(t == 0, ctx.xp.ones_like(t), ctx.xp.abs(t))).mean(-1)
        w = ctx.xp.ones_like(each) if mask is None else mask + 0 * each
        core = tuple(range(len(ctx.replicas) - each.ndim, 0))
        return ctx.xp.stack([(each * w).sum(core), w.sum(core)], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@pytest.mark.parametrize(("kind", "component", "in_shape"), RIGHT, ids=lambda value: str(value))
def test_a_right_component_passes(kind, component, in_shape):
    assert failures(kind, component, in_shape, without=("tiers",)) == []  # compiles; test_conformance does that
