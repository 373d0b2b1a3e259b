"""Wrong regularizers."""

from typing import Any

import numpy as np

from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2
from framework_regularizers.max_norm import MaxNorm
from tests.kit.faults import Faults

FAULTS = fault = Faults("regularizer")


@fault("gradient")
class HalfGradient(L2):
    """dW = strength W for strength W^2."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW / 2


@fault("stack_law")
class AllReplicas(L2):
    """R is a sum over the replicas."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R * 0 + R.sum(), dW


@fault("numbers")
class GroupLasso(L2):
    """|W_j|: NaN at W = 0."""

    def __call__(self, W, ctx):
        n = ctx.xp.sqrt((W * W).sum(-2, keepdims=True))
        s = ctx.per(self.strength, W)
        return (s * n).sum((-2, -1)), s * W / n


@fault("batches")
class OneRow(L2):
    """W of one row has no gradient."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * (W.shape[-2] > 1)


@fault("batches")
class OneColumn(L2):
    """W of one column is squeezed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, (dW[..., 0] if W.shape[-1] == 1 else dW)


@fault("batches")
class WideRows(L2):
    """A wide W is transposed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * (1 if W.shape[-1] < 6 else 2)


@fault("memory")
class ViewOfW(L2):
    """dW is W itself."""

    def __call__(self, W, ctx):
        return (W * W).sum((-2, -1)) / 2, W


@fault("pure")
class WritesW(L2):
    """W is changed."""

    def __call__(self, W, ctx):
        out = super().__call__(W, ctx)
        W *= 1.01
        return out


@fault("dtype")
class Upcast(L2):
    """dW is float64."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * np.float64(1)


@fault("dtype")
class UpcastValue(L2):
    """R is float64."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R.astype(np.float64), dW


@fault("after")
class Replaced(MaxNorm):
    """after changes a copy."""

    def after(self, W, lr, ctx):
        W = W * 0.5


@fault("after")
class JointNorm(MaxNorm):
    """after divides by the norm of all replicas."""

    def after(self, W, lr, ctx):
        W *= ctx.xp.minimum(1, 1 / ctx.xp.sqrt((W * W).sum()))


@fault("after")
class NoRate(L1):
    """The proximal step ignores lr."""

    def after(self, W, lr, ctx):
        s = ctx.per(self.strength, W)
        W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - s, 0)


@fault("after")
class FirstRate(L1):
    """The proximal step of the first replica's rate."""

    def after(self, W, lr, ctx):
        s = ctx.per(self.strength, W) * (lr if isinstance(lr, float) else lr.ravel()[0])
        W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - s, 0)


@fault("device")
class HostAfter(MaxNorm):
    """after on the host."""

    def after(self, W, lr, ctx):
        W *= np.full(W.shape, 0.5, W.dtype)


@fault("after")
class ZeroNorm(MaxNorm):
    """largest / norm is NaN for a unit of zeros."""

    def after(self, W, lr, ctx):
        n = ctx.xp.sqrt((W * W).sum(-2, keepdims=True))
        W *= ctx.xp.minimum(ctx.per(self.largest, W), n) / n


@fault("device")
class Truth(L2):
    """A branch on W."""

    def __call__(self, W, ctx):
        if W.max() > 1e6:
            return W.sum((-2, -1)) * 0, W * 0
        return super().__call__(W, ctx)


@fault("shapes")
class LoneSqueezed(L2):
    """replicas (1,) are squeezed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R.squeeze(), dW


@fault("numbers")
class LargeClipped(L2):
    """Beyond 100, dW is clipped."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW.clip(-0.01, 0.01)


POOL: dict[Any, np.ndarray] = {}


@fault("memory")
class Pooled(L2):
    """dW in a buffer."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        POOL.setdefault((dW.shape, dW.dtype), dW.copy())[...] = dW
        return R, POOL[dW.shape, dW.dtype]
