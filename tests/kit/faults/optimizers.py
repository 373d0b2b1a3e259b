"""Optimizers with one fault each."""

from typing import ClassVar

import numpy as np

from framework import option
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.sgd import Sgd
from tests.kit.faults import Faults

FAULTS = fault = Faults("optimizer")
SHARED: dict = {}


@fault("learning_rate")
class ReadsItsOwnRate(Sgd):
    """The argument lr, with the factor of the schedule, is ignored."""

    def update(self, w, g, state, lr, ctx):
        w -= ctx.per(self.lr, w) * g


@fault("learning_rate")
class RateOfTheFirstReplica(Sgd):
    """All replicas use the first rate."""

    def update(self, w, g, state, lr, ctx):
        w -= (lr if isinstance(lr, float) else lr.reshape(-1)[0]) * g


@fault("learning_rate")
class MeanRate(Sgd):
    """All replicas use the mean of the rates."""

    def update(self, w, g, state, lr, ctx):
        w -= ctx.xp.mean(lr) * g


@fault("learning_rate")
class RateTwice(Sgd):
    """lr^2 in place of lr."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * lr * g


@fault("learning_rate")
class FixedStep(Sgd):
    """A constant rate."""

    def update(self, w, g, state, lr, ctx):
        w -= 0.01 * g


@fault("learning_rate")
class RateOfTheFirstStep(Momentum):
    """The rate of the first step is kept: a schedule has no effect."""

    def init(self, w):
        return {"M": w * 0, "rate": w * 0}

    def update(self, w, g, state, lr, ctx):
        state["rate"] += (state["rate"] == 0) * lr
        w -= state["rate"] * g


@fault("learning_rate")
class DecayWithoutRate(Sgd):
    """The decay of the weights does not follow the learning rate: at lr = 0 they move."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g
        w *= 0.99


@fault("learning_rate")
class NoiseWithoutRate(Sgd):
    """Noise is added at every rate."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g + 0.01 * ctx.normal(w)


@fault("memory")
class StateByShape(Momentum):
    """Two trainings with equal shapes share their state."""

    def init(self, w):
        return {"M": SHARED.setdefault(w.shape, w * 0)}


@fault("state")
class StateOnTheClass(Sgd):
    """The velocity lives on the class."""

    kept: ClassVar[dict] = {}

    def update(self, w, g, state, lr, ctx):
        M = self.kept.get(w.shape, 0)
        self.kept[w.shape] = 0.9 * M - lr * g
        w += self.kept[w.shape]


@fault("state")
class CountsOnItself(Adam):
    """The step count is an attribute of the object."""

    def update(self, w, g, state, lr, ctx):
        object.__setattr__(self, "_t", getattr(self, "_t", 0) + 1)
        w -= lr * g / self._t


@fault("state")
class CountsInAnArray(Sgd):
    """The step count is an array without replica axes."""

    def init(self, w):
        return {"t": np.zeros(1)}

    def update(self, w, g, state, lr, ctx):
        state["t"] += 1
        w -= lr * g / state["t"]


@fault("state")
class KeepsATuple(Sgd):
    """A tuple in the state."""

    def init(self, w):
        return {"both": (w * 0, w * 0)}

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + state["both"][0])


@fault("state")
class KeepsAFloat(Adam):
    """beta^t is a number with decimals."""

    def init(self, w):
        return {"M": w * 0, "power": 1.0}

    def update(self, w, g, state, lr, ctx):
        state["power"] *= 0.9
        state["M"] += g
        w -= lr * state["M"] * state["power"]


@fault("state")
class OneStateForAll(Momentum):
    """The state has no replica axes."""

    def init(self, w):
        return {"M": w.reshape(-1, w.shape[-1])[:1] * 0}


@fault("dtype")
class DoubleState(Momentum):
    """The state is float64 whatever w is."""

    def init(self, w):
        return {"M": np.zeros(w.shape)}


@fault("dtype")
class StateBecomesDouble(Momentum):
    """The state is float32 only before the first step."""

    def update(self, w, g, state, lr, ctx):
        state["M"] = 0.9 * state["M"] + g.astype(np.float64)
        w -= lr * state["M"].astype(w.dtype)


@fault("state")
class LateState(Sgd):
    """The state appears in the first update: what is saved before it lacks it."""

    def update(self, w, g, state, lr, ctx):
        state["M"] = 0.9 * state.get("M", 0) + g
        w -= lr * state["M"]


@fault("memory")
class KeepsTheGradient(Sgd):
    """The state holds g itself, whose memory the next step overwrites."""

    def init(self, w):
        return {"last": w * 0}

    def update(self, w, g, state, lr, ctx):
        w -= lr * (2 * g - state["last"])
        state["last"] = g


@fault("memory")
class KeepsTheWeights(Sgd):
    """The slow weights are w itself and not a copy."""

    def init(self, w):
        return {"slow": w}

    def update(self, w, g, state, lr, ctx):
        w -= lr * g
        w += 0.1 * (state["slow"] - w)


@fault("elementwise")
class ClipsTheNorm(Sgd):
    """It declares `elementwise` and clips by a norm."""

    elementwise: ClassVar = True

    def update(self, w, g, state, lr, ctx):
        norm = ctx.xp.sqrt((g * g).sum(-1, keepdims=True))
        w -= lr * g / ctx.xp.maximum(norm, 0.5)


@fault("elementwise")
class CountsByBlock(Adam):
    """Its count rises with every block of columns."""

    elementwise: ClassVar = True

    def update(self, w, g, state, lr, ctx):
        state["m"] += 1.0 / w.shape[-1]
        w -= lr * g * state["m"]


@fault("stack_law")
class NormOfAll(Sgd):
    """The norm is taken over all replicas."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g / (1 + ctx.xp.sqrt((g * g).sum()))


@fault("neighbours")
class CentresOverReplicas(Sgd):
    """A neighbour's NaN enters through 0 times the mean."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g + 0 * (w.reshape(-1, w.shape[-1]).mean(0) if w.ndim > 1 else 0)


@fault("in_place")
class ReplacesW(Sgd):
    """w is a new array; the caller's does not change."""

    def update(self, w, g, state, lr, ctx):
        w = w - lr * g


@fault("in_place")
class WritesToACopy(Sgd):
    """reshape copies where w is a part of a larger array."""

    def update(self, w, g, state, lr, ctx):
        flat = w.reshape(-1)
        flat -= (lr * g).reshape(-1)


@fault("in_place")
class ChangesTheGradient(Sgd):
    """g is multiplied in place."""

    def update(self, w, g, state, lr, ctx):
        g *= lr
        w -= g


@fault("in_place")
class ChangesTheRate(Sgd):
    """The array of rates is multiplied in place."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g
        if not isinstance(lr, float):
            lr *= 0.5


@fault("chance")
class GlobalNoise(Sgd):
    """Noise from NumPy's global generator."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + np.random.standard_normal(w.shape))


@fault("chance")
class FixedNoise(Sgd):
    """Noise from a generator of its own: the same for every seed, step and replica."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + np.random.default_rng(0).standard_normal(w.shape[-1]))


@fault("stack_law")
class Squeezes(Sgd):
    """A replica axis of length 1 is lost."""

    def init(self, w):
        return {"M": (w * 0).squeeze()}

    def update(self, w, g, state, lr, ctx):
        state["M"] += g.squeeze()
        w -= lr * state["M"]


@fault("stack_law")
class ComparesNeighbouringColumns(Sgd):
    """It needs two weights."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g - (g - g.mean(-1, keepdims=True)) / g.std(-1, keepdims=True, ddof=1) * 0)


@fault("options")
class RawOption(Sgd):
    """The option lacks the axis of the columns."""

    decay: float = option(0.1, least=0, stackable=True)

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + (self.decay if isinstance(self.decay, float) else self.decay.mean()) * w)


@fault("device")
class HostMean(Adam):
    """np.mean in place of ctx.xp.mean."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g - 0.1 * np.mean(g, -1, keepdims=True))


@fault("device")
class BranchesOnTheRate(Sgd):
    """`if lr > 0` reads a number from the device."""

    def update(self, w, g, state, lr, ctx):
        if (lr if isinstance(lr, float) else lr.max()) > 0:
            w -= lr * g


@fault("descent")
class Climbs(Sgd):
    """w increases along g."""

    def update(self, w, g, state, lr, ctx):
        w += lr * g


@fault("descent")
class StopsAfterThree(Sgd):
    """From the fourth step on nothing moves."""

    def init(self, w):
        return {"t": 0}

    def update(self, w, g, state, lr, ctx):
        state["t"] += 1
        w -= lr * g * (state["t"] <= 3)


@fault("choices")
class OneChoiceIgnoresTheRate(Sgd):
    """With `warm` the step has a fixed rate."""

    warm: bool = option(False)

    def update(self, w, g, state, lr, ctx):
        w -= (0.01 if self.warm else lr) * g


@fault("descent")
class MovesPositiveWeights(Sgd):
    """Weights below 0 stay as they are."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g * (w > 0)
