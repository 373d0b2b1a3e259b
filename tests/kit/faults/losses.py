"""Wrong losses."""

from typing import ClassVar

import numpy as np

from framework_losses._reduction import columns, weighted_sum, weights
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.max_margin import MaxMargin
from framework_losses.mse import MeanSquaredError as Mse
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy as Sce
from tests.kit.faults import Faults

FAULTS = fault = Faults("loss")


class Changed:
    """Changes the result of a right loss."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return self.change(J, dy, y, t, ctx, mask)


@fault("gradient")
class SumValue(Changed, Mse):
    """The value is a sum, dy a mean."""

    def change(self, J, dy, y, t, ctx, mask):
        return J * y.shape[-2], dy


@fault("gradient")
class UnmaskedDy(Mse):
    """dy has no mask."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return J, super().__call__(y, t, ctx)[1] if mask is not None else dy


@fault("mask")
class BooleanMask(Mse):
    """Weights count as 0 and 1."""

    def __call__(self, y, t, ctx, mask=None):
        return super().__call__(y, t, ctx, None if mask is None else (mask > 0).astype(y.dtype))


@fault("mask")
class NoMask(Mse):
    """The mask is not read."""

    def __call__(self, y, t, ctx, mask=None):
        return super().__call__(y, t, ctx)


@fault("mask")
class MaskByN(Mse):
    """Divides by N instead of the sum of the mask."""

    def __call__(self, y, t, ctx, mask=None):
        if mask is None:
            return super().__call__(y, t, ctx)
        J, dy = Mse(reduction="sum")(y, t, ctx, mask)
        n = float(np.prod(mask.shape[len(ctx.replicas) :]))
        return J / n, dy / n


@fault("mask")
class EmptyMask(Mse):
    """0 / 0 where a mask is all 0."""

    def __call__(self, y, t, ctx, mask=None):
        if mask is None:
            return super().__call__(y, t, ctx)
        J, dy = Mse(reduction="sum")(y, t, ctx, mask)
        n = mask.sum(tuple(range(len(ctx.replicas) - mask.ndim, 0)), keepdims=True)
        return J / n.reshape(J.shape if n.size == J.size else n.shape[: J.ndim]), dy / n[..., None]


@fault("targets")
class LastClass(Changed, Sce):
    """The last class is ignored."""

    def change(self, J, dy, y, t, ctx, mask):
        if t.ndim == y.ndim:
            return J, dy
        keep = (t < y.shape[-1] - 1).astype(y.dtype)
        return Sce.__call__(self, y, t, ctx, keep if mask is None else mask * keep)


@fault("gradient")
class LastClassGradient(Changed, Sce):
    """dy of the last class is 0."""

    def change(self, J, dy, y, t, ctx, mask):
        dy[..., -1] = 0
        return J, dy


@fault("numbers")
class OverflowSce:
    """No maximum is subtracted."""

    targets: ClassVar = ("label",)
    outputs: ClassVar = "raw"

    def __call__(self, y, t, ctx, mask=None):
        xp = ctx.xp
        one = (t[..., None] == xp.arange(y.shape[-1])).astype(y.dtype)
        e = xp.exp(y)
        p = e / e.sum(-1, keepdims=True)
        w = columns(weights(y.shape[:-1], ctx, mask, "mean"))
        return -weighted_sum(xp.log(p) * one, w, ctx), (p - one) * w

    def predict(self, y, ctx):
        e = ctx.xp.exp(y - y.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


@fault("precision")
class LogOfZero(OverflowSce):
    """log p of a p that is rounded to 0."""

    def __call__(self, y, t, ctx, mask=None):
        xp = ctx.xp
        one = (t[..., None] == xp.arange(y.shape[-1])).astype(y.dtype)
        p = self.predict(y, ctx)
        w = columns(weights(y.shape[:-1], ctx, mask, "mean"))
        return -weighted_sum(xp.log(p) * one, w, ctx), (p - one) * w


@fault("numbers")
class ClippedLog(LogOfZero):
    """log(max(p, 1e-7)): far away the value is too small, dy is not."""

    def __call__(self, y, t, ctx, mask=None):
        xp = ctx.xp
        one = (t[..., None] == xp.arange(y.shape[-1])).astype(y.dtype)
        p = self.predict(y, ctx)
        w = columns(weights(y.shape[:-1], ctx, mask, "mean"))
        return -weighted_sum(xp.log(xp.maximum(p, 1e-7)) * one, w, ctx), (p - one) * w


@fault("numbers")
class RootAtZero:
    """sqrt of the squared error: NaN at y = t."""

    targets: ClassVar = ("real",)

    def __call__(self, y, t, ctx, mask=None):
        d = y - t
        r = ctx.xp.sqrt((d * d).sum(-1))
        w = weights(y.shape[:-1], ctx, mask, "mean")
        return weighted_sum(r, w, ctx), d / r[..., None] * columns(w)


@fault("gradient")
class HuberKink:
    """Huber: beyond 1 the value lacks its constant, so that it jumps."""

    targets: ClassVar = ("real",)

    def __call__(self, y, t, ctx, mask=None):
        d = y - t
        far = ctx.xp.abs(d) > 3
        r = ctx.xp.where(far, 3 * ctx.xp.abs(d) - 4.5, d * d / 2).sum(-1)
        w = weights(y.shape[:-1], ctx, mask, "mean")
        return weighted_sum(r, w, ctx), ctx.xp.clip(d, -5, 5) * columns(w)


@fault("mask")
class BroadcastTarget:
    """(N, 1) - (1, N) is (N, N): every output is compared with every target."""

    targets: ClassVar = ("binary",)

    def __call__(self, y, t, ctx, mask=None):
        d = y - t[..., None, :]
        w = weights(y.shape[:-1], ctx, mask, "mean")
        return weighted_sum((d * d).mean(-1), w, ctx), 2 * d.mean(-1, keepdims=True) * columns(w)


@fault("shapes")
class KeptAxis(Changed, Mse):
    """J keeps an axis of 1."""

    def change(self, J, dy, y, t, ctx, mask):
        return J[..., None], dy


@fault("stack_law")
class OneValue(Changed, Mse):
    """J is the mean over the replicas."""

    def change(self, J, dy, y, t, ctx, mask):
        return J * 0 + J.mean(), dy


@fault("gradient")
class SwappedScores(MaxMargin):
    """dy of the two scores in the wrong order."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        return J, dy[::-1]


@fault("sequence")
class TimeMean(Changed, Mse):
    """With time, dy lacks 1 / T."""

    def change(self, J, dy, y, t, ctx, mask):
        return J, dy * (y.shape[-3] if y.ndim == len(ctx.replicas) + 3 else 1)


@fault("sequence")
class OneStep(Changed, Mse):
    """A sequence of one step has no gradient."""

    def change(self, J, dy, y, t, ctx, mask):
        return J, dy * (0 if y.ndim == len(ctx.replicas) + 3 and y.shape[-3] == 1 else 1)


@fault("batches")
class OneExample(Changed, Mse):
    """A batch of one example has no gradient."""

    def change(self, J, dy, y, t, ctx, mask):
        return J, dy * (0 if y.shape[-2] == 1 else 1)


@fault("targets")
class OneColumn(Changed, Mse):
    """One output: dy is halved."""

    def change(self, J, dy, y, t, ctx, mask):
        return J, dy / (2 if y.shape[-1] == 1 else 1)


@fault("shapes")
class LoneStack(Changed, Mse):
    """replicas (1,) are squeezed."""

    def change(self, J, dy, y, t, ctx, mask):
        return J.squeeze(), dy


@fault("device")
class LabelsAsColumns(Sce):
    """Labels of a stack: the largest label decides the number of classes."""

    def __call__(self, y, t, ctx, mask=None):
        if t.ndim < y.ndim and type(t) is np.ndarray and t.size:
            t = np.eye(y.shape[-1], dtype=y.dtype)[np.minimum(t, t.max() - (t.max() == 3))]
        return super().__call__(y, t, ctx, mask)


@fault("numbers")
class NaiveBce(BinaryCrossEntropy):
    """Rounding at 1: log(1 - p) is -inf."""

    def __call__(self, y, t, ctx, mask=None):
        J, dy = super().__call__(y, t, ctx, mask)
        with np.errstate(all="ignore"):
            dy = dy * ctx.xp.where(ctx.xp.abs(y) > 500, ctx.xp.exp(y) * 0 + 1, 1)
        return J, dy
