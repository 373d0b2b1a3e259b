"""Faults that show at another value of an option, another width of a source, or another step."""

from typing import ClassVar

import numpy as np

from framework import T, option
from framework_cells.simple import Simple
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

layer, activation, cell, regularizer = map(Faults, ("layer", "activation", "cell", "regularizer"))


@layer("widths", ((3,), (3,)))
class OuterTransposed:
    """y = x1 x2^T, but dy is read transposed: the shapes fit as long as both sources have one width."""

    def init(self, rng, in_shape):
        return {}, (in_shape[0][0] * in_shape[1][0],)

    def forward(self, p, x, ctx):
        y = x[0][..., :, None] * x[1][..., None, :]
        return y.reshape(*y.shape[:-2], -1), x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        a, b = cache
        d = dy.reshape(*dy.shape[:-1], b.shape[-1], a.shape[-1])
        return ((d * b[..., None, :]).sum(-1), (d * a[..., :, None]).sum(-2)) if need_dx else None, {}


@layer("widths", (2, 3, 3))
class SquareUpsample:
    """The height is used for the width, in the backward pass only."""

    def init(self, rng, in_shape):
        return {}, (in_shape[0], 2 * in_shape[1], 2 * in_shape[2])

    def forward(self, p, x, ctx):
        return x.repeat(2, -1).repeat(2, -2), x.shape[-2]

    def backward(self, p, cache, dy, ctx, need_dx=True):
        size = cache
        return dy.reshape(*dy.shape[:-2], size, 2, size, 2).sum((-3, -1)) if need_dx else None, {}


@layer("choices", (None, 4))
class LagOfOne(Nothing):
    """y_t = x_{t-lag}; dx is that of a lag of 1, the default."""

    lag: int = option(1, least=1)

    def forward(self, p, x, ctx):
        k = min(self.lag, x.shape[-3])
        return ctx.xp.concatenate([0 * x[..., :k, :, :], x[..., : x.shape[-3] - k, :, :]], -3), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return ctx.xp.concatenate([dy[..., 1:, :, :], 0 * dy[..., :1, :, :]], -3) if need_dx else None, {}


@layer("need_dx")
class UnmaskedWithoutDx:
    """Weights are dropped, but in a first layer dW is that of all weights."""

    keep: float = option(0.6, above=0, most=1)

    def init(self, rng, in_shape):
        return {"W": rng.standard_normal((in_shape[-1], 3))}, (*in_shape[:-1], 3)

    def forward(self, p, x, ctx):
        W = p["W"]
        m = (ctx.uniform(W) < self.keep).astype(x.dtype) / self.keep if ctx.train else ctx.xp.ones_like(W)
        return x @ (W * m), (x, m)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        x, m = cache
        dW = T(x) @ dy
        return (dy @ T(p["W"] * m), {"W": dW * m}) if need_dx else (None, {"W": dW})


@layer("evaluation", (None, 4))
class PositionOfExamples(Nothing):
    """The code of a position is added along N instead of T."""

    def forward(self, p, x, ctx):
        return x + ctx.xp.sin(ctx.xp.arange(x.shape[-2], dtype=x.dtype))[:, None], None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy if need_dx else None, {}


@layer("gradient")
class ThroughFloat32(Nothing):
    """Computes in float32 and converts the result back."""

    def forward(self, p, x, ctx):
        y = ctx.xp.tanh(x.astype(np.float32)).astype(x.dtype)
        return y, y

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy * (1 - cache * cache) if need_dx else None, {}


@layer("carry", (None, 3))
class CarriesTheFirst(Nothing):
    """y_t = x_{t-1}; the next chunk gets the first step instead of the last."""

    def forward(self, p, x, ctx):
        start = 0 * x[..., 0, :, :] if ctx.initial() is None else ctx.initial()
        return ctx.xp.concatenate([start[..., None, :, :], x[..., :-1, :, :]], -3), x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return ctx.xp.concatenate([dy[..., 1:, :, :], 0 * dy[..., :1, :, :]], -3) if need_dx else None, {}

    def carry(self, cache):
        return cache[..., 0, :, :].copy()


@cell("evaluation", units=3)
class ClockOfTraining(Simple):
    """Reads the number of the training step instead of the time step."""

    def step(self, p, a, s, ctx):
        return super().step(p, a + ctx.step % 2, s, ctx)


@cell("evaluation", units=3)
class NormOfExamples(Simple):
    """Centres the state over the examples instead of the units."""

    def step(self, p, a, s, ctx):
        h, cache = super().step(p, a, s, ctx)
        return h - h.mean(-2, keepdims=True), cache

    def back(self, p, cache, ds, ctx):
        return super().back(p, cache, ds - ds.mean(-2, keepdims=True), ctx)


@cell("choices", units=3)
class LeakOfOne(Simple):
    """h = (1 - rate) s + rate f(...): the first term has no gradient, which is right for the default of 1."""

    rate: float = option(1.0, above=0, most=1)

    def step(self, p, a, s, ctx):
        h, cache = super().step(p, a, s, ctx)
        return (1 - self.rate) * s + self.rate * h, cache

    def back(self, p, cache, ds, ctx):
        return super().back(p, cache, self.rate * ds, ctx)


@activation("choices")
class EdgeOfTheDefault:
    """The linear part ends at +-2.5, which is right for the default slope only."""

    place: ClassVar = "output"
    slope: float = option(0.2, above=0)

    def forward(self, x, ctx):
        return ctx.xp.clip(self.slope * x + 0.5, 0, 1), x

    def backward(self, cache, dy, ctx):
        return dy * (ctx.xp.abs(cache) < 2.5) * self.slope


@regularizer("batches")
class MeanOfNoDifferences:
    """A mean over the differences of neighbouring columns: 0 / 0 for one column."""

    tensors: str = option("W")

    def __call__(self, W, ctx):
        d = W[..., 1:] - W[..., :-1]
        e, zero = 2 * d / d.shape[-1], 0 * W[..., :1]
        dW = ctx.xp.concatenate([zero, e], -1) - ctx.xp.concatenate([e, zero], -1)
        return (d * d).sum((-2, -1)) / d.shape[-1], dW


FAULTS = Faults("several", [each for kind in (layer, activation, cell, regularizer) for each in kind.all])
