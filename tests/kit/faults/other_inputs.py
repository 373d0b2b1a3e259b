"""Faults that show with rates by column, scores instead of losses, targets of 0, padding, and 0 examples."""

from typing import ClassVar

import numpy as np

from framework import Data, Field, option
from framework_optimizers.sgd import Sgd
from tests.kit.faults import Faults

optimizer, schedule, initializer, metric, dataset, probe = map(
    Faults, ("optimizer", "schedule", "initializer", "metric", "dataset", "probe")
)


@optimizer("learning_rate")
class RateOfTheFirstColumn(Sgd):
    """Parameter groups have no effect."""

    elementwise: ClassVar = False

    def update(self, w, g, state, lr, ctx):
        super().update(w, g, state, lr[..., :1] if getattr(lr, "ndim", 0) else lr, ctx)


@optimizer("take")
class OneSlotTwice(Sgd):
    """The largest v starts as v itself, so that it is always v."""

    elementwise: ClassVar = False

    def init(self, w):
        v = w * 0
        return {"v": v, "top": v}

    def update(self, w, g, state, lr, ctx):
        state["v"] *= 0.9
        state["v"] += 0.1 * g * g
        state["top"][...] = ctx.xp.maximum(state["top"], state["v"])
        w -= lr * g / (ctx.xp.sqrt(state["top"]) + 1e-8)


@schedule("validated")
class PlateauOfLosses:
    """Takes an accuracy for a loss."""

    monitor: str = option("val/loss")

    def init(self, replicas):
        return {"factor": np.ones(replicas), "best": np.full(replicas, np.inf)}

    def __call__(self, step, total, state):
        return state["factor"].copy()

    def validated(self, state, metrics, lower_is_better):
        value = np.asarray(metrics[self.monitor], float)
        state["factor"][...] *= np.where(value < state["best"], 1, 0.5)
        state["best"][...] = np.minimum(value, state["best"])


@initializer("draws")
class ReadOnly:
    """A view of one number, which no layer can change."""

    def __call__(self, rng, shape, fans=None):
        return np.broadcast_to(np.float64(0.1), shape)


class Mean:
    """The mean of a number per example."""

    def count(self, y, t, ctx, mask=None):
        each = self.each(y, t, ctx.xp)
        w = ctx.xp.ones_like(each) if mask is None else mask + 0 * each
        core = tuple(range(len(ctx.replicas) - each.ndim, 0))
        return ctx.xp.stack([(each * w).sum(core), w.sum(core)], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@metric("numbers")
class RelativeError(Mean):
    """|y - t| / |t|: 0 / 0 for a right prediction of 0."""

    targets: ClassVar = ("real",)
    lower_is_better: ClassVar = True

    def each(self, y, t, xp):
        return (xp.abs(y - t) / xp.abs(t)).mean(-1)


@metric("targets")
class RecallOfAbsentClasses:
    """The mean of the recalls of all classes: 0 / 0 for a class that does not occur."""

    targets: ClassVar = ("label",)

    def count(self, y, t, ctx, mask=None):
        one = (t[..., None] == ctx.xp.arange(y.shape[-1])) * (1.0 if mask is None else mask[..., None])
        core = tuple(range(len(ctx.replicas) - one.ndim, -1))
        right = one * (y.argmax(-1) == t)[..., None]
        return ctx.xp.concatenate([right.sum(core), one.sum(core)], -1)

    def value(self, counts):
        K = counts.shape[-1] // 2
        return (counts[..., :K] / counts[..., K:]).mean(-1)


@dataset("data")
class MaskOneLonger:
    """The mask counts one step of padding."""

    def load(self, rng):
        length = rng.integers(2, 6, 30)[:, None]
        x = np.where(np.arange(6) < length, rng.integers(1, 5, (30, 6)), 0)
        names = (Field.PADDING, "a", "b", "c", "d")
        fields = {"x": Field("NT", "id", 5, names), "y": Field("N", "label", 2), "mask": Field("NT", "mask")}
        return Data({"train": {"x": x, "y": x[:, 0] % 2, "mask": (np.arange(6) <= length) * 1.0}}, fields)


@dataset("choices")
class EmptyAtZero:
    """n_val = 0 gives a split without examples."""

    n_val: int = option(10, least=0)

    def load(self, rng):
        x = rng.standard_normal((30 + self.n_val, 2))
        splits = {name: {"x": a, "y": a.sum(1, keepdims=True)} for name, a in {"train": x[:30], "val": x[30:]}.items()}
        return Data(splits, {"x": Field("NF"), "y": Field("NF")})


@probe("shapes")
class RateTimesNorm:
    """lr (..., 1) times a norm (...) is one number for each pair of replicas."""

    def __call__(self, seen):
        return {"step_length": seen.lr * seen.ctx.xp.sqrt((seen.gradient**2).sum(-1))}


@probe("shapes")
class UndeclaredPrevious:
    """Reads the step before without `previous`: the value is always that of the first step."""

    def __call__(self, seen):
        old = seen.gradient if seen.previous is None else seen.previous.gradient
        return {"turn": ((seen.gradient - old) ** 2).sum(-1)}


KINDS = (optimizer, schedule, initializer, metric, dataset, probe)
FAULTS = Faults("several", [each for kind in KINDS for each in kind.all])
