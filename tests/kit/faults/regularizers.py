"""Wrong regularizers."""

from typing import Any

import numpy as np

from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2
from framework_regularizers.max_norm import MaxNorm
from tests.kit.faults import Faults

REGULARIZERS = Faults("regularizer")
fault = REGULARIZERS


@fault("?")
class HalfGradient(L2):
    """dW = strength W for strength W^2."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW / 2


@fault("?")
class AllReplicas(L2):
    """R is a sum over the replicas."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R * 0 + R.sum(), dW


@fault("?")
class GroupLasso(L2):
    """|W_j|: NaN at W = 0."""

    def __call__(self, W, ctx):
        n = ctx.xp.sqrt((W * W).sum(-2, keepdims=True))
        s = ctx.per(self.strength, W)
        return (s * n).sum((-2, -1)), s * W / n


@fault("?")
class OneRow(L2):
    """W of one row has no gradient."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * (W.shape[-2] > 1)


@fault("?")
class OneColumn(L2):
    """W of one column is squeezed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, (dW[..., 0] if W.shape[-1] == 1 else dW)


@fault("?")
class WideRows(L2):
    """A wide W is transposed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * (1 if W.shape[-1] < 6 else 2)


@fault("?")
class ViewOfW(L2):
    """dW is W itself."""

    def __call__(self, W, ctx):
        return (W * W).sum((-2, -1)) / 2, W


@fault("?")
class WritesW(L2):
    """W is changed."""

    def __call__(self, W, ctx):
        out = super().__call__(W, ctx)
        W *= 1.01
        return out


@fault("?")
class Upcast(L2):
    """dW is float64."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW * np.float64(1)


@fault("?")
class UpcastValue(L2):
    """R is float64."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R.astype(np.float64), dW


@fault("?")
class Replaced(MaxNorm):
    """after changes a copy."""

    def after(self, W, lr, ctx):
        W = W * 0.5


@fault("?")
class JointNorm(MaxNorm):
    """after divides by the norm of all replicas."""

    def after(self, W, lr, ctx):
        W *= ctx.xp.minimum(1, 1 / ctx.xp.sqrt((W * W).sum()))


@fault("?")
class NoRate(L1):
    """The proximal step ignores lr."""

    def after(self, W, lr, ctx):
        s = ctx.per(self.strength, W)
        W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - s, 0)


@fault("?")
class FirstRate(L1):
    """The proximal step of the first replica's rate."""

    def after(self, W, lr, ctx):
        s = ctx.per(self.strength, W) * (lr if isinstance(lr, float) else lr.ravel()[0])
        W[...] = ctx.xp.sign(W) * ctx.xp.maximum(ctx.xp.abs(W) - s, 0)


@fault("?")
class HostAfter(MaxNorm):
    """after on the host."""

    def after(self, W, lr, ctx):
        n = np.sqrt((W * W).sum(-2, keepdims=True))
        W *= np.minimum(1, ctx.per(self.largest, W) / np.maximum(n, 1e-9))


@fault("?")
class ZeroNorm(MaxNorm):
    """largest / norm is NaN for a unit of zeros."""

    def after(self, W, lr, ctx):
        n = ctx.xp.sqrt((W * W).sum(-2, keepdims=True))
        W *= ctx.xp.minimum(ctx.per(self.largest, W), n) / n


@fault("?")
class Truth(L2):
    """A branch on W."""

    def __call__(self, W, ctx):
        if W.max() > 1e6:
            return W.sum((-2, -1)) * 0, W * 0
        return super().__call__(W, ctx)


@fault("?")
class LoneSqueezed(L2):
    """replicas (1,) are squeezed."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R.squeeze(), dW


@fault("?")
class LargeClipped(L2):
    """Beyond 100, dW is clipped."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        return R, dW.clip(-0.01, 0.01)


POOL: dict[Any, np.ndarray] = {}


@fault("?")
class Pooled(L2):
    """dW in a buffer."""

    def __call__(self, W, ctx):
        R, dW = super().__call__(W, ctx)
        POOL.setdefault((dW.shape, dW.dtype), dW.copy())[...] = dW
        return R, POOL[dW.shape, dW.dtype]


@fault("?")
class AfterUpcast(MaxNorm):
    """after fails for a float32 W."""

    def after(self, W, lr, ctx):
        W *= np.float64(0.5) * np.ones(W.shape[-1])
