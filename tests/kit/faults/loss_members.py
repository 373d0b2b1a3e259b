"""Losses with one fault each in their prediction, their memory or their dtype."""

from typing import Any

import numpy as np

from framework import option
from framework_losses.mse import MeanSquaredError as Mse
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy as Sce
from tests.kit.faults import Faults

FAULTS = fault = Faults("loss")


class Changed:
    """Changes the result of a right loss."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return self.change(J, dy, y, t, ctx, mask)


@fault("predict")
class OverflowPredict(Sce):
    """predict overflows."""

    def predict(self, y, ctx):
        e = ctx.xp.exp(y)
        return e / e.sum(-1, keepdims=True)


@fault("predict")
class PredictOverBatch(Sce):
    """predict takes the softmax over N."""

    def predict(self, y, ctx):
        e = ctx.xp.exp(y - y.max(-2, keepdims=True))
        return e / e.sum(-2, keepdims=True)


@fault("predict")
class PredictRaw(Sce):
    """predict returns raw outputs as probabilities."""

    def predict(self, y, ctx):
        return y * 1


@fault("predict")
class PredictWrites(Sce):
    """predict writes to y."""

    def predict(self, y, ctx):
        y -= y.max(-1, keepdims=True)
        return super().predict(y, ctx)


@fault("device")
class PredictHost(Sce):
    """predict on the host."""

    def predict(self, y, ctx):
        return super().predict(y + np.zeros(y.shape), ctx)


@fault("predict")
class PredictUpcast(Sce):
    """predict is float64."""

    def predict(self, y, ctx):
        return super().predict(y, ctx).astype(np.float64)


@fault("dtype")
class Float64Value(Changed, Mse):
    """J is float64."""

    def change(self, J, dy, y, t, ctx, mask):
        return J.astype(np.float64), dy


@fault("dtype")
class Float64Dy(Changed, Mse):
    """dy is float64."""

    def change(self, J, dy, y, t, ctx, mask):
        return J, dy * np.float64(1)


@fault("device")
class PythonValue(Changed, Mse):
    """J goes through the host."""

    def change(self, J, dy, y, t, ctx, mask):
        return (J if J.size > 1 else J * 0 + float(J[0] if J.ndim else J)), dy


@fault("pure")
class WritesY(Mse):
    """y -= t in place."""

    def __call__(self, y, t, ctx, mask=None):
        out = super().__call__(y, t, ctx, mask)
        y -= 1
        return out


@fault("pure")
class WritesT(Mse):
    """t is centred in place."""

    def __call__(self, y, t, ctx, mask=None):
        out = super().__call__(y, t, ctx, mask)
        t *= 0
        return out


@fault("pure")
class WritesMask(Mse):
    """The mask is normalised in place."""

    def __call__(self, y, t, ctx, mask=None):
        out = super().__call__(y, t, ctx, mask)
        if mask is not None:
            mask /= 2
        return out


POOL: dict[Any, np.ndarray] = {}


@fault("memory")
class PooledDy(Changed, Mse):
    """dy in a buffer of the class."""

    def change(self, J, dy, y, t, ctx, mask):
        key = (dy.shape, dy.dtype)
        POOL.setdefault(key, dy)[...] = dy
        return J, POOL[key]


@fault("pure")
class DyIsY(Sce):
    """Without a mask, dy is computed in the memory of y."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        if mask is None:
            y[...] = dy
            return J, y
        return J, dy


@fault("fields")
class SecretMask(Mse):
    """Reads the batch's mask by itself."""

    def __call__(self, y, t, ctx, mask=None):
        return super().__call__(y, t, ctx, ctx.batch.get("mask") if mask is None else mask)


@fault("determinism")
class NoisyLoss(Mse):
    """Random numbers of the global state."""

    def __call__(self, y, t, ctx, mask=None):
        return super().__call__(y + 1e-3 * np.random.standard_normal(y.shape).astype(y.dtype), t, ctx, mask)


@fault("determinism")
class CountingLoss(Mse):
    """Warms up with its own calls."""

    def __call__(self, y, t, ctx, mask=None):
        POOL["n"] = POOL.get("n", 0) + 1
        J, dy = super().__call__(y, t, ctx, mask)
        return J * (1 - 1 / POOL["n"]), dy * (1 - 1 / POOL["n"])


@fault("options")
class HingeTies(Changed, Sce):
    """A loss whose stackable option is not per replica."""

    scale: float = option(1.0, stackable=True)

    def change(self, J, dy, y, t, ctx, mask):
        s = self.scale if isinstance(self.scale, float) else float(np.ravel(self.scale)[-1])
        return J * s, dy * s
