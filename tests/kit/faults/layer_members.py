"""Layers with one fault each in an optional member, in evaluation or over the batch."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import option
from framework_cells.simple import Simple
from framework_layers.batch_norm import BatchNorm
from framework_layers.dense import Dense
from framework_layers.recurrent import Recurrent
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

FAULTS = fault = Faults("layer")


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


@fault("over_batch", (4,))
class SecretBatchNorm(BatchNorm):
    """Statistics of the batch that are not declared."""

    over_batch: ClassVar[bool] = False


@fault("centres", (4,), units=3)
class NotCentred(Dense):
    """Says that it subtracts a mean."""

    centres: ClassVar[bool] = True


@fault("carry", (None, 3), cell=Simple(2))
class LongerLag(Recurrent):
    """The gradient of a step reaches one step further back than ctx.lag says."""

    def forward(self, p, x, ctx):
        return super().forward(p, x, ctx if ctx.lag is None else ctx.but(lag=ctx.lag + 1))

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return super().backward(p, cache, dy, ctx if ctx.lag is None else ctx.but(lag=ctx.lag + 1), need_dx)


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
