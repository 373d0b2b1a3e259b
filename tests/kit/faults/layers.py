"""Wrong layers."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from framework import T, option
from framework_cells.simple import Simple
from framework_layers.batch_norm import BatchNorm
from framework_layers.concat import Concat
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.embedding import Embedding
from framework_layers.layer_norm import LayerNorm
from framework_layers.recurrent import Recurrent
from tests.kit.faults import Faults

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


@fault("pure", (4,), units=3)
class WritesDy(Dense):
    """dy is scaled in place."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dy *= 1.0 + 1e-3
        dy /= 1.0 + 1e-3
        out = super().backward(p, cache, dy, ctx, need_dx)
        dy[...] = 0
        return out


@fault("need_dx", (4,), units=3)
class WritesDyIfNotNeeded(Dense):
    """dy is overwritten if dx is not needed."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        out = super().backward(p, cache, dy, ctx, need_dx)
        if not need_dx:
            dy[...] = 0
        return out


BUFFER: dict[Any, np.ndarray] = {}


def buffer(key, value):
    """The value, in a buffer that is used again."""
    at = (key, value.shape, value.dtype)
    BUFFER.setdefault(at, np.empty_like(value))[...] = value
    return BUFFER[at]


@fault("memory", (4,), units=3)
class OutputBuffer(Dense):
    """y lies in a buffer that the next call overwrites."""

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return buffer("y", y), c


@fault("state", (4,), units=3)
class CacheBuffer(Dense):
    """The cache lies in a buffer that the next call overwrites."""

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return y, buffer("c", c)


@fault("memory", (4,), units=3)
class GradientBuffer(Dense):
    """dW lies in a buffer that the next call overwrites."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"W": buffer("dW", g["W"])}


@fault("memory", (4,), units=3)
class DxBuffer(Dense):
    """dx lies in a buffer that the next call overwrites."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return (buffer("dx", dx) if need_dx else None), g


MEMO: dict[int, Any] = {}


@fault("memory", (4,), units=3)
class StaleWeights(Dense):
    """W is remembered by its id: stale once it changes in place."""

    def forward(self, p, x, ctx):
        kept = MEMO.setdefault(id(p["W"]), (p["W"], p["W"].copy()))[1]
        return super().forward(p | {"W": kept}, x, ctx)


@fault("memory", (4,), units=3)
class StaleTranspose(Dense):
    """W^T is remembered by id for dx."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        kept = MEMO.setdefault((id(p["W"]), "T"), (p["W"], p["W"].copy()))[1]
        return super().backward(p | {"W": kept}, cache, dy, ctx, need_dx)


LAST: dict[str, Any] = {}


@fault("state", (4,), units=3)
class LastInput(Dense):
    """backward reads the x of the last forward pass, not its cache."""

    def forward(self, p, x, ctx):
        LAST["x"] = x
        y, _ = super().forward(p, x, ctx)
        return y, None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, LAST["x"], dy, ctx, need_dx)


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


@fault("chance", (4,), keep=0.7)
class FrozenStep(Dropout):
    """The same mask at every step."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(step=0))


@fault("chance", (4,), keep=0.7)
class NamelessDropout(Dropout):
    """All nodes draw the same mask."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(name=""))


@fault("chance", (4,), keep=0.7)
class SeedlessDropout(Dropout):
    """The seed does not matter."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(keys=tuple(0 for _ in ctx.keys)))


@fault("chance", (4,), keep=0.7)
class PartlessDropout(Dropout):
    """Every part of a batch has the same mask."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(part=0))


@fault("determinism", (4,), keep=0.7)
class GlobalDropout(Dropout):
    """Random numbers of numpy's global state."""

    def forward(self, p, x, ctx):
        if not ctx.train:
            return x, None
        m = (np.random.random(x.shape[len(ctx.replicas) :]) < 0.7) / 0.7
        return x * m.astype(x.dtype), m.astype(x.dtype)


@fault("gradient", (4,), keep=0.7)
class UnscaledDropout(Dropout):
    """dx is not divided by keep."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if cache is None else dy * (cache > 0)) if need_dx else None, {}


@fault("gradient", (4,), keep=0.7)
class OtherMaskBackward(Dropout):
    """backward draws a mask of its own."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        if not ctx.train:
            return (dy if need_dx else None), {}
        m = (ctx.uniform(dy, draw=1) < 0.7) / 0.7
        return (dy * m.astype(dy.dtype) if need_dx else None), {}


@fault("evaluation", (4,), keep=0.7)
class NoisyEvaluation(Dropout):
    """The mask also falls in evaluation."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(train=True))


@fault("dtype", (4,), units=3)
class UpcastGradient(Dense):
    """db is float64."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx, g = super().backward(p, cache, dy, ctx, need_dx)
        return dx, g | {"b": g["b"].astype(np.float64)}


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


@dataclass(frozen=True)
class Nothing:
    """A layer without parameters."""

    def init(self, rng, in_shape):
        return {}, in_shape


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


@dataclass(frozen=True)
class Masked(Nothing):
    """The mean over time of the steps that the mask keeps."""

    mask: str | None = option("mask")

    def init(self, rng, in_shape):
        return {}, (in_shape[-1],)

    def w(self, x, ctx):
        m = ctx.mask(self.mask) if self.mask else None
        m = ctx.xp.ones_like(x[..., 0]) if m is None else m.astype(x.dtype)
        return (m / ctx.xp.maximum(m.sum(-2, keepdims=True), 1))[..., None]

    def ones(self, w):
        """(..., T, N, 1)."""
        return w * 0 + 1

    def forward(self, p, x, ctx):
        w = self.w(x, ctx)
        return (x * w).sum(-3), w

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy[..., None, :, :] * cache if need_dx else None), {}


@fault("mask", (None, 3))
class IgnoredMask(Masked):
    """The mask is an option that nothing reads."""

    def w(self, x, ctx):
        return ctx.xp.ones_like(x[..., :1]) / x.shape[-3]


@fault("mask", (None, 3))
class PaddedLength(Masked):
    """Divides by T instead of the length."""

    def w(self, x, ctx):
        m = ctx.mask(self.mask) if self.mask else None
        m = ctx.xp.ones_like(x[..., 0]) if m is None else m.astype(x.dtype)
        return (m / x.shape[-3])[..., None]


@fault("mask", (None, 3))
class UnmaskedGradient(Masked):
    """The mask is not applied to dx."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx = dy[..., None, :, :] * cache.max(-3, keepdims=True) * self.ones(cache)
        return (dx if need_dx else None), {}


@fault("updates", (4,))
class ForgetfulUpdates(BatchNorm):
    """The buffers are those of the last batch."""

    def updates(self, p, cache, ctx):
        new = super().updates(p, cache, ctx)
        p["mean"][...] = new["mean"]
        return new


@fault("updates", (4,))
class MeanOfReplicas(BatchNorm):
    """The running mean is one over all replicas."""

    def updates(self, p, cache, ctx):
        new = super().updates(p, cache, ctx)
        m = new["mean"]
        while m.ndim > 2:
            m = m.mean(0)
        return new | {"mean": new["mean"] * 0 + m}


@fault("dtype", (4,))
class UpcastUpdates(BatchNorm):
    """New buffers are float64."""

    def updates(self, p, cache, ctx):
        return {k: v.astype(np.float64) for k, v in super().updates(p, cache, ctx).items()}


@fault("device", (4,))
class HostUpdates(BatchNorm):
    """New buffers are computed on the host."""

    def updates(self, p, cache, ctx):
        return {k: v + np.zeros(v.shape) for k, v in super().updates(p, cache, ctx).items()}


@fault("evaluation", (4,))
class BatchInEvaluation(BatchNorm):
    """The batch's statistics in evaluation."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx.but(train=True))


@fault("gradient", (4,))
class TrainedBackwardInEvaluation(BatchNorm):
    """In evaluation, dx is that of training."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy, ctx.but(train=True), need_dx)


@fault("per_example", (4,))
class ExampleByExample(BatchNorm):
    """Says that examples are independent."""

    per_example: ClassVar[bool] = True


@fault("project", (4,), units=3)
class ReplacedProject(Dense):
    """project puts a new array in place of W."""

    def project(self, p, ctx):
        p["W"] = p["W"] / 2


@fault("stack_law", (4,), units=3)
class JointProject(Dense):
    """project divides by the norm of all replicas."""

    def project(self, p, ctx):
        p["W"] /= ctx.xp.sqrt((p["W"] ** 2).sum())


@fault("init", (4,), units=3)
class RemembersShape(Dense):
    """init keeps the shape of the last call."""

    fan: list = field(default_factory=lambda: [0])

    def init(self, rng, in_shape):
        self.fan[0] = in_shape[-1]
        return super().init(rng, in_shape)

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return y / self.fan[0], c

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy / self.fan[0], ctx, need_dx)


@fault("init", (4,), units=3)
class RemembersInModule(Dense):
    """init keeps F in a module."""

    def init(self, rng, in_shape):
        LAST["F"] = in_shape[-1]
        return super().init(rng, in_shape)

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return y / LAST["F"], c

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy / LAST["F"], ctx, need_dx)


@fault("init", (4,), units=3)
class GlobalInit(Dense):
    """init draws from numpy's global state."""

    def init(self, rng, in_shape):
        p, out = super().init(rng, in_shape)
        return p | {"W": np.random.standard_normal(p["W"].shape)}, out


@fault("init", (4,), units=3)
class DefaultRngInit(Dense):
    """init draws from a generator of its own."""

    def init(self, rng, in_shape):
        p, out = super().init(rng, in_shape)
        return p | {"W": np.random.default_rng().standard_normal(p["W"].shape)}, out


@fault("init", (4,), units=3)
class SameInit(Dense):
    """init ignores its generator, and every replica starts alike."""

    def init(self, rng, in_shape):
        return super().init(np.random.default_rng(0), in_shape)


W0: dict[Any, np.ndarray] = {}


@fault("init", (4,), units=3)
class SharedInit(Dense):
    """init returns one and the same b for every instance."""

    def init(self, rng, in_shape):
        p, out = super().init(rng, in_shape)
        return p | {"b": W0.setdefault(p["b"].shape, p["b"])}, out


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


@fault("strides", (4,), units=3)
class RawMemory(Dense):
    """dy is read as if it were contiguous."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        if isinstance(dy, np.ndarray) and type(dy) is np.ndarray:
            dy = dy.ravel(order="K").reshape(dy.shape)
        return super().backward(p, cache, dy, ctx, need_dx)


@fault("strides", (4,), units=3)
class RawInput(Dense):
    """x is read as if it were contiguous."""

    def forward(self, p, x, ctx):
        if type(x) is np.ndarray:
            x = x.ravel(order="K").reshape(x.shape)
        return super().forward(p, x, ctx)


@fault("pure", (4,), units=3)
class CentresInput(Dense):
    """x is centred in place and put back."""

    def forward(self, p, x, ctx):
        x -= 1
        y, c = super().forward(p, x, ctx)
        return y, c

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy, ctx, need_dx)


@fault("memory", (4,))
class GradientIsParameter(Nothing):
    """y = x g; dg is a view of the cache."""

    def init(self, rng, in_shape):
        return {"g": np.ones((1, in_shape[-1])), "h": np.ones((1, in_shape[-1]))}, in_shape

    def forward(self, p, x, ctx):
        lead = p["g"] if x.ndim == p["g"].ndim else p["g"][..., None, :, :]
        h = p["h"] if x.ndim == p["g"].ndim else p["h"][..., None, :, :]
        return x * (lead + h), (x, lead + h)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        over = tuple(range(len(ctx.replicas) - dy.ndim, -1))
        g = (dy * cache[0]).sum(over, keepdims=True)
        g = g.reshape(*g.shape[: len(ctx.replicas)], 1, g.shape[-1])
        return (dy * cache[1] if need_dx else None), {"g": g, "h": g}


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


@fault("reverse", (None, 3))
class BackwardsInTime(Nothing):
    """y_t = x_t + x_{t+1} without reverse."""

    def forward(self, p, x, ctx):
        y = x * 1
        y[..., :-1, :, :] += x[..., 1:, :, :]
        return y, None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx = dy * 1
        dx[..., 1:, :, :] += dy[..., :-1, :, :]
        return (dx if need_dx else None), {}


@fault("over_batch", (4,))
class SecretBatchNorm(BatchNorm):
    """Statistics of the batch that are not declared."""

    over_batch: ClassVar[bool] = False


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


@fault("determinism", (4,), units=3)
class CountsCalls(Dense):
    """Every second call differs."""

    def forward(self, p, x, ctx):
        LAST["n"] = LAST.get("n", 0) + 1
        y, c = super().forward(p, x, ctx)
        return (y * 1.0001 if LAST["n"] % 2 == 0 else y), c


@fault("pure", (4,), units=3)
class WritesCache(Dense):
    """backward overwrites its cache."""

    def forward(self, p, x, ctx):
        y, c = super().forward(p, x, ctx)
        return y, c.copy()

    def backward(self, p, cache, dy, ctx, need_dx=True):
        out = super().backward(p, cache, dy, ctx, need_dx)
        cache[...] = 0
        return out


@fault("centres", (4,), units=3)
class NotCentred(Dense):
    """Says that it subtracts a mean."""

    centres: ClassVar[bool] = True


@fault("draws", (4,))
class OneDrawTwice(Nothing):
    """Two noises that are the same numbers."""

    def forward(self, p, x, ctx):
        return (x + ctx.uniform(x) - ctx.uniform(x) if ctx.train else x), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if need_dx else None), {}


@fault("carry", (None, 3), cell=Simple(2))
class LongerLag(Recurrent):
    """The gradient of a step reaches one step further back than ctx.lag says."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx if ctx.lag is None else ctx.but(lag=ctx.lag + 1))

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy, ctx if ctx.lag is None else ctx.but(lag=ctx.lag + 1), need_dx)
