"""Layers with one fault each: gradients, numbers and sizes."""

import numpy as np

from framework import T, option
from framework_layers.concat import Concat
from framework_layers.dense import Dense
from framework_layers.embedding import Embedding
from framework_layers.layer_norm import LayerNorm
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

FAULTS = fault = Faults("layer")


@fault("gradient", (4,), units=3)
class MeanBias(Dense):
    """db is a mean over the batch."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"b": g["b"] / dy.shape[-2]}


@fault("gradient", (None, 4), units=3)
class LastStepBias(Dense):
    """db of the last step only."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        rows = dy[..., -1, :, :] if dy.ndim == len(ctx.replicas) + 3 else dy
        return dx, g | {"b": rows.sum(-2, keepdims=True)}


@fault("gradient", (4,), units=3)
class LoneScaled(Dense):
    """dx is divided by the number of replicas, 1 for most runs; by 2 where there is one."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return (dx / (2 if ctx.replicas == (1,) else 1) if need_dx else None), g


@fault("gradient", (4,), units=3)
class LoneHalved(Dense):
    """dW is a mean over the axis 0, when that axis has length 1 it is wrong by nothing; db is of all replicas."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g | {"b": g["b"] * 2} if ctx.replicas == (1,) else g)


@fault("batches", (4,), units=3)
class SqueezedExample(Dense):
    """db of a batch of one example is wrong."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g | {"W": g["W"] * 0} if dy.shape[-2] == 1 else g)


@fault("evaluation", (4,), units=4)
class SquareBatch(Dense):
    """A batch as large as F is taken for a transposed one."""

    def forward(self, p, x, ctx):
        if x.shape[-2] == x.shape[-1]:
            x = T(x)
        return super().forward(p, x, ctx)


@fault("batches", (4,), units=3)
class LargeBatch(Dense):
    """Only the first 16 rows count for dW."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"W": T(cache[..., :16, :]) @ dy[..., :16, :]} if dy.ndim == len(ctx.replicas) + 2 else g


@fault("stack_law", (4,))
class PerByFirstAxis:
    """The option is broadcast from the right end: right or an error unless R = F."""

    slope: float = option(0.5, stackable=True)

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        s = self.slope
        if isinstance(s, np.ndarray) and s.ndim == 1 and s.shape[0] == x.shape[-1]:
            return x * s, None
        return x * ctx.per(s, x), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy * ctx.per(self.slope, dy) if need_dx else None), {}


@fault("need_dx", (4,), units=3)
class NoBiasWithoutDx(Dense):
    """Without dx the gradient of b is missing."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g if need_dx else {"W": g["W"]})


@fault("need_dx", (4,), units=3)
class ScaledWithoutDx(Dense):
    """Without dx the gradient of W is doubled."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g if need_dx else g | {"W": 2 * g["W"]})


@fault("need_dx", (4,), units=3)
class AlwaysDx(Dense):
    """dx comes even if it is not needed."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy, ctx, True)


@fault("dtype", (4,), units=3)
class UpcastGradient(Dense):
    """db is float64."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"b": g["b"].astype(np.float64)}


@fault("dtype", (4,), units=3)
class Float32Output(Dense):
    """y is float32, also in a run in float64."""

    def forward(self, p, x, ctx):
        y, cache = super().forward(p, x, ctx)
        return y.astype(np.float32), cache


@fault("declaration", (4,))
class WithoutBackward:
    """There is no backward."""

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        return x, None


@fault("declaration", (4,), units=3)
class WithoutNeedDx(Dense):
    """backward does not take need_dx."""

    def backward(self, p, cache, dy, ctx):
        return super().backward(p, cache, dy, ctx)


@fault("precision", (4,))
class CancellingNorm(LayerNorm):
    """var = E[x^2] - E[x]^2 cancels in float32."""

    def forward(self, p, x, ctx):
        mu = x.mean(-1, keepdims=True)
        var = (x * x).mean(-1, keepdims=True) - mu * mu
        var = ctx.xp.maximum(var, 0)
        s = 1 / ctx.xp.sqrt(var + ctx.per(self.eps, x))
        y, cache = super().forward(p, x, ctx)
        true_s = 1 / ctx.xp.sqrt(((x - mu) ** 2).mean(-1, keepdims=True) + ctx.per(self.eps, x))
        return y * s / true_s if "beta" not in p else (y - p["beta"]) * s / true_s + p["beta"], cache


@fault("numbers", (4,))
class NoMaximum(Nothing):
    """softmax without subtracting the maximum: NaN for large x."""

    def forward(self, p, x, ctx):
        e = ctx.xp.exp(x)
        y = e / e.sum(-1, keepdims=True)
        return y, y

    def backward(self, p, cache, dy, ctx, need_dx=True):
        y = cache
        return (y * (dy - (dy * y).sum(-1, keepdims=True)) if need_dx else None), {}


@fault("numbers", (4,))
class UnitLength(Nothing):
    """x / |x|: NaN for x = 0."""

    def forward(self, p, x, ctx):
        n = ctx.xp.sqrt((x * x).sum(-1, keepdims=True))
        return x / n, (x / n, n)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        y, n = cache
        return ((dy - y * (dy * y).sum(-1, keepdims=True)) / n if need_dx else None), {}


@fault("fields", (4,), units=3)
class SecretMask(Dense):
    """Reads the mask of the batch without an option that says so."""

    def forward(self, p, x, ctx):
        m = ctx.batch.get("mask")
        y, c = super().forward(p, x, ctx)
        return (y if m is None else y * m[..., None]), c


@fault("gradient", ((3,), (3,)))
class SwappedDx(Concat):
    """dx of the two sources in the wrong order, if their sizes agree."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return (dx[::-1] if need_dx and dx[0].shape == dx[1].shape else dx), g


@fault("gradient", (None,), units=3, size=5)
class LostDuplicates(Embedding):
    """dW[x] += dy keeps one of the rows with the same id."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dW = np.zeros(np.broadcast_shapes(p["W"].shape[:-2], ctx.replicas) + p["W"].shape[-2:], dy.dtype)
        at = np.indices(ctx.replicas + (1,) * (cache.ndim - len(ctx.replicas)))[: len(ctx.replicas)]
        ids = np.broadcast_to(cache, dy.shape[:-1])
        dW[(*at, ids)] += dy
        return None, {"W": dW}


@fault("gradient", (None,), units=3, size=5)
class LastIdMissing(Embedding):
    """The last id has no gradient."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        _, g = super().backward(p, cache, dy, ctx, need_dx)
        g["W"][..., -1, :] = 0
        return None, g


@fault("batches", (None, 3))
class SecondStep(Nothing):
    """y_t = x_t - x_{t-1}; a sequence of one step is taken for two."""

    def forward(self, p, x, ctx):
        y = x * 1
        if x.shape[-3] == 1:
            return y * 0, None
        y[..., 1:, :, :] -= x[..., :-1, :, :]
        return y, None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx = dy * 1
        dx[..., :-1, :, :] -= dy[..., 1:, :, :]
        return (dx if need_dx else None), {}


@fault("over_batch", (4,))
class Sequential(Nothing):
    """An example reads the one before it in the batch."""

    def forward(self, p, x, ctx):
        return x - ctx.xp.concatenate((x[..., :1, :] * 0, x[..., :-1, :]), -2), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy - ctx.xp.concatenate((dy[..., 1:, :], dy[..., :1, :] * 0), -2) if need_dx else None), {}


@fault("widths", (1,), units=2)
class OneFeature(Dense):
    """With one feature, dW is a mean."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, (g | {"W": g["W"] / dy.shape[-2]} if g["W"].shape[-2] == 1 else g)


@fault("numbers", (4,), units=3)
class SmallWeights(Dense):
    """Weights of exactly 0 have no gradient."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"W": g["W"] * (p["W"] != 0)}


@fault("linear", (4,), units=3)
class ClippedGradient(Dense):
    """dW is clipped to +-100."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"W": g["W"].clip(-100, 100)}
