"""Layers with one fault each in their random numbers."""

import numpy as np

from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

FAULTS = fault = Faults("layer")


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


@fault("gradient", (4,), keep=0.7)
class UnscaledDropout(Dropout):
    """dx is not divided by keep."""

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if cache is None else dy * (cache > 0)) if need_dx else None, {}


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


@fault("draws", (4,))
class OneDrawTwice(Nothing):
    """Two noises that are the same numbers."""

    def forward(self, p, x, ctx):
        return (x + ctx.uniform(x) - ctx.uniform(x) if ctx.train else x), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if need_dx else None), {}
