from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, registered
from framework_layers._rows import rows, unfolded
from framework_layers._sequences import steps_that_count


@dataclass(frozen=True)
class SelfAttention:
    """y_t = sum over s of a_ts v_s,  a_t = softmax over s of q_t k_s / sqrt(d),  q = x Wq,  k = x Wk,  v = x Wv: every step
    reads all steps of its sequence, one head of scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    With dz the gradient of a v:  dv = a^T dz,  da = dz v^T,  ds = a (da - sum over s of a da) / sqrt(d),  dq = ds k,
    dk = ds^T q;  dWq = x^T dq, dWk and dWv likewise;  dx = dq Wq^T + dk Wk^T + dv Wv^T.

    Shapes: x (..., T, N, F), Wq and Wk (..., F, d), Wv (..., F, units), y (..., T, N, units); inside, q, k (..., N, T, d),
    v (..., N, T, units), a (..., N, T, T), a product for each sequence. With out_units: Wo (..., units, out_units) and
    y = (a v) Wo.
    With output: last only the last step reads: y (..., N, units), a (..., N, 1, T). mask (..., T, N): where it is 0 a step
    is not read, and its y is 0, as that of an empty sequence; the last step is then the last one that counts.

    Several heads are several nodes and a concat. The steps have no order: put a positions layer before it.
    """

    whole_sequences: ClassVar[bool] = True
    units: int = option(least=1, help="size of a value v, and the outputs without Wo")
    keys: int | None = option(None, least=1, help="d, the size of a query q and of a key k; null: units")
    out_units: int | None = option(None, least=1, help="outputs after a product with Wo; null: there is no Wo")
    causal: bool = option(False, help="a step reads itself and earlier steps only")
    output: Literal["all", "last"] = option("all", help="output: every step, or the last")
    mask: str | None = option("mask", help="the batch field of 0 and 1 for the steps, if there is one; null: none")
    initializer: Initializer = registered("initializer", "xavier_uniform", help="initial values of the tensors")

    @property
    def reverse(self) -> bool:
        """Whether the output of a step depends on later steps."""
        return self.output == "all" and not self.causal

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 2 or in_shape[-1] is None:
            raise ValueError(
                f"self_attention needs sequences (T, F) (got {in_shape}); put an embedding layer before it for ids"
            )
        F, d = in_shape[-1], self.keys or self.units
        p = {name: self.initializer(rng, (F, size)) for name, size in (("Wq", d), ("Wk", d), ("Wv", self.units))}
        if self.out_units:
            p["Wo"] = self.initializer(rng, (self.units, self.out_units))
        out = self.out_units or self.units
        return p, ((*in_shape[:-1], out) if self.output == "all" else (out,))

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        x = ctx.xp.ascontiguousarray(x)  # a batch is time-major only by its strides, and its rows are used three times
        counts = steps_that_count(self.mask, x, ctx)
        if counts is not None:
            x = ctx.xp.where(counts, x, ctx.xp.zeros_like(x))
        asks = None if self.output == "all" else _last(x, counts, ctx)
        asking = x if asks is None else ctx.xp.where(asks, x, ctx.xp.zeros_like(x)).sum(-3, keepdims=True)
        q, k, v = _of_sequences(asking, p["Wq"]), _of_sequences(x, p["Wk"]), _of_sequences(x, p["Wv"])
        a = _softmax(q @ T(k) / math.sqrt(k.shape[-1]), self._allowed(counts, x, ctx), ctx)
        z = (a @ v).swapaxes(-3, -2)
        y = unfolded(rows(z) @ p["Wo"], z) if self.out_units else z
        return (y if asks is None else y[..., 0, :, :]), Attended(x, asking, asks, q, k, v, a, z)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        read = self._read(p, cache, dy)
        grads = {name: T(rows(x)) @ rows(d) for name, (x, d) in read.items()}
        if not need_dx:
            return None, grads
        dq, dk, dv = (unfolded(rows(d) @ T(p[name]), d) for name, (_, d) in read.items() if name != "Wo")
        return dk + dv + (dq if cache.asks is None else ctx.xp.where(cache.asks, dq, ctx.xp.zeros_like(dq))), grads

    @property
    def terms(self) -> Callable[[Params, Any, Array, Context], Params]:
        """(p, cache, dy, ctx) -> the gradients by the step that is read, (..., T, i, o); their sum over T is what `backward`
        gives. None if a step reads later ones, as these then have a part in its gradient."""
        if self.reverse:
            raise AttributeError("terms")
        return self._terms

    def _terms(self, p: Params, cache: Any, dy: Array, ctx: Context) -> Params:
        found = {}
        for name, (x, d) in self._read(p, cache, dy).items():
            if cache.asks is not None and name in ("Wq", "Wo"):
                x = ctx.xp.where(cache.asks, x, ctx.xp.zeros_like(x))
            found[name] = T(x) @ d
        return found

    def trace(self, cache: Any, ctx: Context) -> dict[str, Array]:
        """The weights a, (..., T, N, T), by the reading step; with output: last (..., T, N, 1), by the one that is read."""
        return {"attention": (cache.a if cache.asks is None else T(cache.a)).swapaxes(-3, -2)}

    def _read(self, p: Params, cache: Any, dy: Array) -> dict[str, tuple[Array, Array]]:
        """tensor -> what it is multiplied with, and the gradient of the product: (..., T, N, i) and (..., T, N, o)."""
        dy = dy if cache.asks is None else dy[..., None, :, :]
        dz = unfolded(rows(dy) @ T(p["Wo"]), dy) if self.out_units else dy
        dz, a = dz.swapaxes(-3, -2), cache.a
        da = dz @ T(cache.v)
        ds = a * (da - (a * da).sum(-1, keepdims=True)) / math.sqrt(cache.k.shape[-1])
        of = {"Wq": (cache.asking, ds @ cache.k), "Wk": (cache.x, T(ds) @ cache.q), "Wv": (cache.x, T(a) @ dz)}
        by_step = {name: (x, d.swapaxes(-3, -2)) for name, (x, d) in of.items()}
        return by_step | ({"Wo": (cache.z, dy)} if self.out_units else {})

    def _allowed(self, counts: Array | None, x: Array, ctx: Context) -> Array | None:
        """True where a step may read another one, (..., N, T, T) with axes of 1 for what is the same; None: everywhere."""
        t = ctx.xp.arange(x.shape[-3])
        allowed = t[:, None] >= t if self.causal and self.output == "all" else None
        if counts is None:
            return allowed
        read = T(counts[..., 0])[..., None, :]
        read = read & T(read) if self.output == "all" else read
        return read if allowed is None else read & allowed

    @staticmethod
    def examples() -> list[tuple[SelfAttention, Shape]]:
        small = SelfAttention(3, causal=True, mask=None)
        return [(layer, (None, 4)) for layer in (SelfAttention(3), small, SelfAttention(3, 2, 2, output="last"))]


class Attended(NamedTuple):
    """The cache: x without the steps that do not count, the steps that read (x, or its last one) and where they are, q, k,
    v, the weights, and a v by step."""

    x: Array
    asking: Array
    asks: Array | None
    q: Array
    k: Array
    v: Array
    a: Array
    z: Array


def _of_sequences(x: Array, W: Array) -> Array:
    """x W of steps (..., T, N, F), by sequence: (..., N, T, k)."""
    return unfolded(rows(x) @ W, x).swapaxes(-3, -2)


def _softmax(s: Array, allowed: Array | None, ctx: Context) -> Array:
    """Over the last axis, where allowed; 0 elsewhere, and everywhere if nothing is allowed."""
    if allowed is None:
        e = ctx.xp.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    s = ctx.xp.where(allowed, s, ctx.xp.full_like(s, -1e30))  # finite, so that a row of it gives no NaN
    e = ctx.xp.where(allowed, ctx.xp.exp(s - s.max(-1, keepdims=True)), ctx.xp.zeros_like(s))
    total = e.sum(-1, keepdims=True)
    return e / ctx.xp.where(total > 0, total, ctx.xp.ones_like(total))


def _last(x: Array, counts: Array | None, ctx: Context) -> Array:
    """True at the last step that counts, (..., T, N, 1)."""
    t = ctx.xp.arange(x.shape[-3])[:, None, None]
    if counts is None:
        return t == x.shape[-3] - 1
    return t == ctx.xp.where(counts, t, -ctx.xp.ones_like(t)).max(-3, keepdims=True)
