"""Layers with one fault each in what they keep and share."""

from dataclasses import field
from typing import Any

import numpy as np

from framework_layers.dense import Dense
from tests.kit.faults import Faults
from tests.kit.faults._nothing import Nothing

FAULTS = fault = Faults("layer")


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


W0: dict[Any, np.ndarray] = {}


@fault("init", (4,), units=3)
class SharedInit(Dense):
    """init returns one and the same b for every instance."""

    def init(self, rng, in_shape):
        p, out = super().init(rng, in_shape)
        return p | {"b": W0.setdefault(p["b"].shape, p["b"])}, out


@fault("determinism", (4,), units=3)
class CountsCalls(Dense):
    """Every call gives a little more."""

    def forward(self, p, x, ctx):
        LAST["n"] = LAST.get("n", 0) + 1
        y, c = super().forward(p, x, ctx)
        return y * (1 + 1e-4 * LAST["n"]), c
