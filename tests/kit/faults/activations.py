"""Wrong activations."""

from typing import Any, ClassVar

import numpy as np

from framework import option
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.softplus import Softplus
from framework_activations.tanh import Tanh
from tests.kit.faults import Faults

FAULTS = fault = Faults("activation")


@fault("precision")
class OverflowingSoftplus(Softplus):
    """log(1 + e^x): inf at 1000."""

    def forward(self, x, ctx):
        return ctx.xp.log(1 + ctx.xp.exp(x)), x


@fault("numbers")
class CoarseTanhGrad:
    """1 - tanh x as a quotient of exponentials: NaN at 1000."""

    def forward(self, x, ctx):
        e = ctx.xp.exp(2 * x)
        y = (e - 1) / (e + 1)
        return y, y

    def backward(self, cache, dy, ctx):
        return dy * (1 - cache * cache)


@fault("numbers")
class AbsNan:
    """|x|, whose gradient is x / |x|: NaN at 0."""

    def forward(self, x, ctx):
        return ctx.xp.abs(x), x

    def backward(self, cache, dy, ctx):
        return dy * cache / ctx.xp.abs(cache)


@fault("numbers")
class UnclippedRelu6:
    """min(max(x, 0), 6), whose gradient forgets the upper end."""

    def forward(self, x, ctx):
        return ctx.xp.clip(x, 0, 6), x

    def backward(self, cache, dy, ctx):
        return dy * (cache > 0)


@fault("numbers")
class FarHardTanh:
    """Clips at +-100, the gradient does not."""

    def forward(self, x, ctx):
        return ctx.xp.clip(x, -100, 100), x

    def backward(self, cache, dy, ctx):
        return dy * 1


@fault("output")
class NewShape:
    """Keeps only the first half of the columns."""

    def forward(self, x, ctx):
        return x[..., : (x.shape[-1] + 1) // 2] * 1, x

    def backward(self, cache, dy, ctx):
        dx = ctx.xp.zeros_like(cache)
        dx[..., : dy.shape[-1]] = dy
        return dx


@fault("over_batch")
class BatchScaled:
    """Divides by the largest number of the batch (constant), and says nothing."""

    def forward(self, x, ctx):
        m = ctx.xp.sqrt((x * x).mean(-2, keepdims=True) + 1)
        return x / m, (x, m)

    def backward(self, cache, dy, ctx):
        x, m = cache
        return dy / m - x * (dy * x).mean(-2, keepdims=True) / m**3


@fault("per_example")
class BatchScaledPerExample(BatchScaled):
    """The same, declared per example."""

    per_example: ClassVar[bool] = True


@fault("fields")
class NeedsBatch:
    """Reads the batch, which evaluation may lack."""

    def forward(self, x, ctx):
        return x + 0 * ctx.batch["x"].sum(), None

    def backward(self, cache, dy, ctx):
        return dy * 1


@fault("options")
class FirstSlope:
    """backward reads the slope of the first replica."""

    slope: float = option(0.5, stackable=True)

    def forward(self, x, ctx):
        return x * ctx.per(self.slope, x), None

    def backward(self, cache, dy, ctx):
        s = self.slope
        return dy * (s if isinstance(s, float) else float(np.ravel(s)[0]))


@fault("stack_law")
class EndAligned:
    """The option is aligned with the columns if their number fits."""

    slope: float = option(0.5, stackable=True)

    def _s(self, x, ctx):
        s = self.slope
        if not isinstance(s, float) and np.ndim(s) == 1 and np.shape(s)[0] == x.shape[-1]:
            return ctx.xp.asarray(s, x.dtype)
        return ctx.per(s, x)

    def forward(self, x, ctx):
        return x * self._s(x, ctx), None

    def backward(self, cache, dy, ctx):
        return dy * self._s(dy, ctx)


@fault("dtype")
class Npy64(Tanh):
    """A float64 number of NumPy makes float32 float64."""

    def forward(self, x, ctx):
        y = ctx.xp.tanh(x)
        return y * np.float64(1.0), y


@fault("dtype")
class Npy64Backward(Tanh):
    """The same, backward only."""

    def backward(self, cache, dy, ctx):
        return super().backward(cache, dy, ctx) * np.float64(1.0)


@fault("pure")
class WritesX(Relu):
    """max(0, x) in place."""

    def forward(self, x, ctx):
        c = x.copy()
        return ctx.xp.maximum(x, 0, out=x), c


@fault("pure")
class WritesX32(Relu):
    """In place for float32 only."""

    def forward(self, x, ctx):
        c = x.copy()
        return (ctx.xp.maximum(x, 0, out=x) if x.dtype == np.float32 else ctx.xp.maximum(x, 0)), c


@fault("pure")
class WritesDy(Tanh):
    """dx in the memory of dy."""

    def backward(self, cache, dy, ctx):
        dy *= 1 - cache * cache
        return dy


@fault("pure")
class SpoilsCache(Tanh):
    """1 - y^2 in the memory of the cache."""

    def forward(self, x, ctx):
        y = ctx.xp.tanh(x)
        return y, y.copy()

    def backward(self, cache, dy, ctx):
        cache *= -cache
        cache += 1
        return dy * cache


@fault("pure")
class SpoilsY(Tanh):
    """1 - y^2 in the memory of y."""

    def backward(self, cache, dy, ctx):
        cache *= -cache
        cache += 1
        return dy * cache


POOL: dict[Any, np.ndarray] = {}


@fault("memory")
class PooledY(Tanh):
    """y in a buffer of the class."""

    def forward(self, x, ctx):
        key = (x.shape, x.dtype)
        POOL.setdefault(key, ctx.xp.empty_like(x))[...] = ctx.xp.tanh(x)
        return POOL[key], POOL[key]


@fault("memory")
class PooledDx(Tanh):
    """dx in a buffer of the class."""

    def backward(self, cache, dy, ctx):
        key = ("dx", dy.shape, dy.dtype)
        POOL.setdefault(key, ctx.xp.empty_like(dy))[...] = dy * (1 - cache * cache)
        return POOL[key]


@fault("state")
class LastCache(Tanh):
    """backward reads the last forward pass."""

    def forward(self, x, ctx):
        y, c = super().forward(x, ctx)
        POOL["last"] = c
        return y, None

    def backward(self, cache, dy, ctx):
        return super().backward(POOL["last"], dy, ctx)


@fault("stack_law")
class AxisZero(Tanh):
    """Reads the first axis: the batch of a lone network, its own replica in a stack."""

    def forward(self, x, ctx):
        y, c = super().forward(x, ctx)
        return (y if len(ctx.replicas) != 1 else y - y.mean(0) * (ctx.replicas[0] == 1)), c


@fault("gradient")
class LoneReplica(Tanh):
    """dx is 0 for replicas (1,)."""

    def backward(self, cache, dy, ctx):
        return super().backward(cache, dy, ctx) * (0 if ctx.replicas == (1,) else 1)


@fault("determinism")
class GlobalNoise:
    """Noise of numpy's global state in training."""

    def forward(self, x, ctx):
        return (x + np.random.standard_normal(x.shape[-1:]).astype(x.dtype) if ctx.train else x * 1), None

    def backward(self, cache, dy, ctx):
        return dy * 1


@fault("chance")
class ConstantNoise:
    """The same noise at every step."""

    def forward(self, x, ctx):
        return (x * (1 + ctx.but(step=0).uniform(x)) if ctx.train else x * 1), ctx.but(step=0).uniform(x)

    def backward(self, cache, dy, ctx):
        return dy * (1 + cache) if ctx.train else dy * 1


@fault("evaluation")
class NoisyPrediction:
    """Noise outside training."""

    def forward(self, x, ctx):
        n = ctx.uniform(x)
        return x * (1 + n), n

    def backward(self, cache, dy, ctx):
        return dy * (1 + cache)


@fault("device")
class HostTanh(Tanh):
    """numpy instead of ctx.xp."""

    def forward(self, x, ctx):
        y = ctx.xp.tanh(x + np.zeros(x.shape))
        return y, y


@fault("device")
class BooleanIndex(Relu):
    """A boolean index: the host waits for the device."""

    def backward(self, cache, dy, ctx):
        dx = dy * 1
        dx[cache < 0] = dx[cache < 0] * 0
        return dx


@fault("device")
class TruthValue(Relu):
    """A branch on the numbers of an array."""

    def forward(self, x, ctx):
        if (x > 0).all():
            return x * 1, x
        return super().forward(x, ctx)


@fault("device")
class ItemValue(Tanh):
    """A number out of an array."""

    def forward(self, x, ctx):
        y, c = super().forward(x, ctx)
        return y * (1 + 0 * y.sum().item()), c


@fault("output")
class WrongBounds(Sigmoid):
    """Saturates at 0 and 1, says -1 and 1."""

    bounds: ClassVar = (-1.0, 1.0)


@fault("output")
class NotProbability(Tanh):
    """Says that it returns probabilities."""

    outputs: ClassVar = "probability"


@fault("numbers")
class ZeroCount(Relu):
    """At x = 0 the gradient is 2 dy: no subgradient."""

    def backward(self, cache, dy, ctx):
        return dy * ((cache >= 0) + 1.0 * (cache == 0)).astype(dy.dtype)


@fault("strides")
class MemoryOrder(Tanh):
    """dy in the order of its memory."""

    def backward(self, cache, dy, ctx):
        if type(dy) is np.ndarray:
            dy = dy.ravel(order="K").reshape(dy.shape)
        return dy * (1 - cache * cache)


@fault("state")
class OptionChanges(Tanh):
    """Writes to an option."""

    gain: float = option(1.0)

    def forward(self, x, ctx):
        object.__setattr__(self, "gain", self.gain * 1.001)
        y = ctx.xp.tanh(x * self.gain)
        return y, y


@fault("axes")
class OfRows(Tanh):
    """dx of sequences and images is divided by N."""

    def backward(self, cache, dy, ctx):
        return super().backward(cache, dy, ctx) / (1 if dy.ndim == len(ctx.replicas) + 2 else dy.shape[-2])
