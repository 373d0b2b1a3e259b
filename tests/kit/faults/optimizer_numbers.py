"""Optimizers whose step is not finite for some numbers."""

from framework_optimizers.adam import Adam
from framework_optimizers.sgd import Sgd
from tests.kit.faults import Faults

FAULTS = fault = Faults("optimizer")


@fault("numbers")
class DividesByTheGradient(Sgd):
    """g / |g| is NaN where g is 0."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g / ctx.xp.abs(g)


@fault("numbers")
class NoEpsilon(Adam):
    """0 / 0 for a weight without a gradient."""

    def update(self, w, g, state, lr, ctx):
        state["v"] += g * g
        w -= lr * g / ctx.xp.sqrt(state["v"])


@fault("numbers")
class Overflows(Sgd):
    """exp(|g|) is infinite for large gradients."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g / (1 + ctx.xp.exp(ctx.xp.abs(g))) * ctx.xp.exp(ctx.xp.abs(g))


@fault("numbers")
class NormOfNothing(Sgd):
    """A gradient of zeros is divided by its norm."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g / ctx.xp.sqrt((g * g).sum(-1, keepdims=True))


@fault("numbers")
class RelativeToTheWeights(Sgd):
    """Infinite steps where w = 0."""

    def update(self, w, g, state, lr, ctx):
        w -= lr * g * ctx.xp.sqrt((w * w).sum(-1, keepdims=True)) / ctx.xp.sqrt((w * w).sum(-1, keepdims=True))
