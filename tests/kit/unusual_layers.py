"""Layers and cells that are right and unusual: the kit must not complain."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import T, option


@dataclass(frozen=True)
class Turned:
    """y = x with its features in reverse order: a view with negative strides, and no tensors."""

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        return x[..., ::-1], None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy[..., ::-1] if need_dx else None), {}


@dataclass(frozen=True)
class Windows:
    """y_j = x_j + x_{j+1}: overlapping windows as a strided view of one row."""

    def init(self, rng, in_shape):
        if in_shape[-1] < 2:
            raise ValueError(f"it needs two features or more (got {in_shape})")
        return {}, (*in_shape[:-1], in_shape[-1] - 1)

    def forward(self, p, x, ctx):
        x = ctx.xp.ascontiguousarray(x)
        shape, strides = (*x.shape[:-1], x.shape[-1] - 1, 2), (*x.strides, x.strides[-1])
        return ctx.xp.lib.stride_tricks.as_strided(x, shape, strides).sum(-1), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        none = ctx.xp.zeros_like(dy[..., :1])
        return (ctx.xp.concatenate((dy, none), -1) + ctx.xp.concatenate((none, dy), -1) if need_dx else None), {}


@dataclass(frozen=True)
class Fourier:
    """y = F^-1 (h F x): every frequency has a factor of its own."""

    def init(self, rng, in_shape):
        return {"h": rng.standard_normal((1, in_shape[-1] // 2 + 1))}, in_shape

    def forward(self, p, x, ctx):
        X = ctx.xp.fft.rfft(x)
        return ctx.xp.fft.irfft(X * h_like(p["h"], x, ctx), x.shape[-1]), (x, X)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        x, X = cache
        D = ctx.xp.fft.rfft(dy)
        n = x.shape[-1]
        twice = ctx.xp.asarray(
            np.where((np.arange(D.shape[-1]) == 0) | (2 * np.arange(D.shape[-1]) == n), 1, 2) / n, dy.dtype
        )
        dh = ((X.conj() * D).real * twice).sum(tuple(range(len(ctx.replicas) - dy.ndim, -1)))[..., None, :]
        return (ctx.xp.fft.irfft(D * h_like(p["h"], dy, ctx), n) if need_dx else None), {"h": dh}


def h_like(h, x, ctx):
    """h (..., 1, K), shaped to broadcast with x."""
    return h.reshape(*h.shape[:-2], *(1,) * (x.ndim - len(ctx.replicas) - 1), h.shape[-1])


@dataclass(frozen=True)
class Solved:
    """y = x (I + W^T W)^-1, by linalg.solve."""

    def init(self, rng, in_shape):
        if len(in_shape) != 1:
            raise ValueError(f"it needs (F,) (got {in_shape})")
        return {"W": rng.standard_normal((in_shape[-1], in_shape[-1]))}, in_shape

    def forward(self, p, x, ctx):
        A = T(p["W"]) @ p["W"] + ctx.xp.eye(x.shape[-1], dtype=x.dtype)
        A = ctx.xp.broadcast_to(A, (*x.shape[:-2], *A.shape[-2:])) if A.ndim < x.ndim else A
        y = T(ctx.xp.linalg.solve(A, T(x)))
        return y, (A, y)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        A, y = cache
        dx = T(ctx.xp.linalg.solve(A, T(dy)))
        dA = -T(dx) @ y
        return (dx if need_dx else None), {"W": p["W"] @ (dA + T(dA))}


@dataclass(frozen=True)
class Gated:
    """y = a sigmoid(b): two inputs."""

    def init(self, rng, in_shape):
        return {}, in_shape[0]

    def forward(self, p, x, ctx):
        s = 0.5 * (1 + ctx.xp.tanh(0.5 * x[1]))
        return x[0] * s, (x[0], s)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        a, s = cache
        return ((dy * s, dy * a * s * (1 - s)) if need_dx else None), {}


@dataclass(frozen=True)
class BesideBatch:
    """y = x - m, m the mean of the batch, in evaluation as well."""

    over_batch: ClassVar[bool] = True
    expected_failures: ClassVar[dict] = {"evaluation": "it compares an example with its batch"}

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        return x - x.mean(-2, keepdims=True), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy - dy.mean(-2, keepdims=True) if need_dx else None), {}


@dataclass(frozen=True)
class Signs:
    """y = 1 where x > 0 and -1 elsewhere, dx = dy: straight through."""

    expected_failures: ClassVar[dict] = {"gradient": "straight through: dx = dy"}

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        return ctx.xp.where(x > 0, ctx.xp.ones_like(x), -ctx.xp.ones_like(x)), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if need_dx else None), {}


@dataclass(frozen=True)
class Temperature:
    """y = x / t: one tensor of one number, which is never 0."""

    def init(self, rng, in_shape):
        return {"t": np.ones((1, 1))}, in_shape

    def forward(self, p, x, ctx):
        t = h_like(p["t"], x, ctx)
        return x / t, (x, t)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        x, t = cache
        over = tuple(range(len(ctx.replicas) - dy.ndim, 0))
        return (dy / t if need_dx else None), {"t": (-dy * x / (t * t)).sum(over)[..., None, None]}


@dataclass(frozen=True)
class Siren:
    """y = sin(30 x W): its slope is large."""

    def init(self, rng, in_shape):
        if len(in_shape) != 1:
            raise ValueError(f"it needs (F,) (got {in_shape})")
        return {"W": rng.uniform(-1, 1, (in_shape[-1], 3)) / in_shape[-1]}, (3,)

    def forward(self, p, x, ctx):
        z = 30 * (x @ p["W"])
        return ctx.xp.sin(z), (x, z)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        x, z = cache
        dz = 30 * dy * ctx.xp.cos(z)
        return (dz @ T(p["W"]) if need_dx else None), {"W": T(x) @ dz}


@dataclass(frozen=True)
class Bag:
    """y = sum of the rows of W that the ids of a step name; dW with add.at, as equal ids add up."""

    size: int = option(5)

    def init(self, rng, in_shape):
        return {"W": rng.standard_normal((self.size, 3))}, (*in_shape[:-1], 3)

    def forward(self, p, x, ctx):
        W = p["W"]
        lead = [ctx.xp.arange(n).reshape(n, *(1,) * (x.ndim - i - 1)) for i, n in enumerate(W.shape[:-2])]
        return W[(*lead, x)].sum(-2), x

    def backward(self, p, cache, dy, ctx, need_dx=True):
        R, size = int(np.prod(ctx.replicas)), self.size
        ids = ctx.xp.broadcast_to(cache, (*dy.shape[:-1], cache.shape[-1])).reshape(R, -1)
        rows = ctx.xp.repeat(dy[..., None, :], cache.shape[-1], -2).reshape(R, -1, 3)
        dW = ctx.xp.zeros((R * size, 3), dy.dtype)
        ctx.xp.add.at(dW, (ids + size * ctx.xp.arange(R)[:, None]).reshape(-1), rows.reshape(-1, 3))
        return None, {"W": dW.reshape(*ctx.replicas, size, 3)}


@dataclass(frozen=True)
class Annealed:
    """y = x + u / (1 + step) in training: noise that fades."""

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        return (x + ctx.normal(x) / (1 + ctx.step) + 0.1 * ctx.uniform(x, draw=1) if ctx.train else x), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if need_dx else None), {}


@dataclass(frozen=True)
class Positions:
    """y_t = x_t + e_t, e_t a wave: a constant made on the host."""

    def init(self, rng, in_shape):
        if len(in_shape) != 2:
            raise ValueError(f"it needs (T, F) (got {in_shape})")
        return {}, in_shape

    def forward(self, p, x, ctx):
        steps, F = x.shape[-3], x.shape[-1]
        return x + ctx.xp.asarray(np.sin(np.arange(steps)[:, None, None] / 10 ** np.arange(F)), x.dtype), None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy if need_dx else None), {}


@dataclass(frozen=True)
class WeightNorm:
    """y = x v g / |v|, |v| by column, with something small below the root."""

    def init(self, rng, in_shape):
        if len(in_shape) != 1:
            raise ValueError(f"it needs (F,) (got {in_shape})")
        return {"v": rng.standard_normal((in_shape[-1], 3)), "g": np.ones((1, 3))}, (3,)

    def forward(self, p, x, ctx):
        s = 1 / ctx.xp.sqrt((p["v"] ** 2).sum(-2, keepdims=True) + 1e-6)
        return x @ (p["v"] * s * p["g"]), (x, s)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        x, s = cache
        u = p["v"] * s
        dW = T(x) @ dy
        inner = (dW * u).sum(-2, keepdims=True)
        dv = p["g"] * s * (dW - u * inner)
        return (dy @ T(u * p["g"]) if need_dx else None), {"v": dv, "g": inner}


@dataclass(frozen=True)
class Three:
    """a, b and c of one state: h = tanh(a_t + h U), b' = h + b / 2, c' = max(c, b'): three parts, the last with a kink."""

    gates: ClassVar[int] = 1
    parts: ClassVar = ("h", "b", "c")
    units: int = option(2, least=1)

    @property
    def state(self):
        """h, b and c."""
        return 3 * self.units

    def init(self, rng):
        return {"U": rng.standard_normal((self.units, self.units))}

    def step(self, p, a, s, ctx):
        n = self.units
        h = ctx.xp.tanh(a + s[..., :n] @ p["U"])
        b = h + s[..., n : 2 * n] / 2
        keep = s[..., 2 * n :] > b
        return ctx.xp.concatenate((h, b, ctx.xp.where(keep, s[..., 2 * n :], b)), -1), (s[..., :n], h, keep.astype(a.dtype))

    def out(self, s):
        return s[..., 2 * self.units :]

    def dout(self, dy, ctx):
        none = ctx.xp.zeros_like(dy)
        return ctx.xp.concatenate((none, none, dy), -1)

    def back(self, p, cache, ds, ctx):
        n, (_, h, keep) = self.units, cache
        db = ds[..., n : 2 * n] + ds[..., 2 * n :] * (1 - keep)
        da = (ds[..., :n] + db) * (1 - h * h)
        return da, ctx.xp.concatenate((da @ T(p["U"]), db / 2, ds[..., 2 * n :] * keep), -1)

    def grads(self, p, cache, da, ctx):
        return {"U": T(cache[0]) @ da}


@dataclass(frozen=True)
class Leaky:
    """h' = k h + (1 - k) a: linear, without tensors; in training with noise that every step draws."""

    gates: ClassVar[int] = 1
    draws: ClassVar[bool] = True
    units: int = option(2, least=1)
    k: float = option(0.9, least=0, most=1, stackable=True)

    @property
    def state(self):
        """h."""
        return self.units

    def init(self, rng):
        return {}

    def step(self, p, a, s, ctx):
        k = ctx.per(self.k, s)
        h = k * s + (1 - k) * a
        return (h + 0.1 * ctx.normal(h) if ctx.train else h), ()

    def out(self, s):
        return s

    def dout(self, dy, ctx):
        return dy

    def back(self, p, cache, ds, ctx):
        k = ctx.per(self.k, ds)
        return (1 - k) * ds, k * ds

    def grads(self, p, cache, da, ctx):
        return {}


LAYERS = [
    (Turned(), (4,)),
    (Turned(), (2, 3, 3)),
    (Windows(), (4,)),
    (Fourier(), (4,)),
    (Fourier(), (None, 5)),
    (Solved(), (3,)),
    (Gated(), ((3,), (3,))),
    (BesideBatch(), (4,)),
    (Signs(), (4,)),
    (Temperature(), (4,)),
    (Siren(), (4,)),
    (Bag(), (None, None)),
    (Annealed(), (4,)),
    (Positions(), (None, 3)),
    (WeightNorm(), (4,)),
]
CELLS = [(Three(), None), (Leaky(), None)]
