"""A cell that also reads the tag of the step before: what `tag_decoder` runs, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Array, Cell, Context, Params, T
from framework_layers.one_hot import chosen

FORCED = "(forced tags)"  # in the batch that the cell sees: the correct tags (..., T, N, K), 0 where it reads its own


@dataclass(frozen=True)
class TagFeedback:
    """s_t = cell(a_t + F_{t-1} W_T, s_{t-1}): the cell's step, with F_{t-1} added to the inputs of all its gates.

    F = q E for tags: the row of the last tag. F = q_0 T + q_1 E for vectors, T = h W_ts + b_T: the tag vector itself, or
    the row of a forced tag. The state is that of the cell and q. q is 0 before the first step, so that F_0 = 0, and
    has no gradient.

    Backward: dF = da W_T^T; dE = q^T dF; dT = q_0 dF, dW_ts = h^T dT, dh += dT W_ts^T.

    Shapes: F, T (..., N, tags); h (..., N, units); W_T (..., tags, gates units); q (..., N, K) for tags, (..., N, 1 [+ K])
    for vectors, with K if tags are forced.
    """

    draws: ClassVar[bool] = True  # it reads the forced tags by time step
    parts: ClassVar[tuple[str, ...]] = ("state",)
    cell: Cell
    classes: int
    vector: bool
    forced: bool

    @property
    def units(self) -> int:
        """That of the cell."""
        return self.cell.units

    @property
    def gates(self) -> int:
        """That of the cell."""
        return self.cell.gates

    @property
    def state(self) -> int:
        """The cell's state, and q."""
        return self.cell.state + self.vector + self.classes * (self.forced or not self.vector)

    @property
    def buffers(self) -> tuple[str, ...]:
        """Those of the cell."""
        return getattr(self.cell, "buffers", ())

    @property
    def project(self) -> Any:
        """That of the cell, if it has one."""
        return self.cell.project  # type: ignore[attr-defined]

    @property
    def inputs(self) -> Any:
        """That of the cell, if it has one."""
        return self.cell.inputs  # type: ignore[attr-defined]

    def init(self, rng: np.random.Generator) -> Params:
        """The tensors of the cell."""
        return self.cell.init(rng)

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        n = self.cell.state
        before, q = s[..., :n], s[..., n:]
        h = self.cell.out(before)
        F = self._fed(p, h, q)
        new, cache = self.cell.step(p, a + F @ p["W_T"], before, ctx)
        return ctx.xp.concatenate((new, self._read_next(p, self.cell.out(new), ctx)), -1), (cache, h, q, F)

    def _fed(self, p: Params, h: Array, q: Array) -> Array:
        """F."""
        if not self.vector:
            return q @ p["E"]
        F = q[..., :1] * (h @ p["W_ts"] + p["b_T"])
        return F + q[..., 1:] @ p["E"] if self.forced else F

    def _read_next(self, p: Params, h: Array, ctx: Context) -> Array:
        """q after a step: what the next one reads."""
        xp, K = ctx.xp, self.classes
        forced = (
            ctx.batch[FORCED][..., ctx.time, :, :] if FORCED in ctx.batch else xp.zeros((1,) * (h.ndim - 1) + (K,), h.dtype)
        )
        own = 1 - forced.sum(-1, keepdims=True)
        if self.vector:
            flag = own * xp.ones_like(h[..., :1])
            return xp.concatenate((flag, xp.broadcast_to(forced, (*h.shape[:-1], K))), -1) if self.forced else flag
        y = (h @ p["W_ts"] + p["b_T"]) @ p["W_y"] + p["b_y"]
        return forced + own * chosen(y.argmax(-1), K, y.dtype, ctx)

    def out(self, s: Array) -> Array:
        return self.cell.out(s[..., : self.cell.state])

    def dout(self, dy: Array, ctx: Context) -> Array:
        ds = self.cell.dout(dy, ctx)
        return ctx.xp.concatenate((ds, ctx.xp.zeros((*ds.shape[:-1], self.state - ds.shape[-1]), ds.dtype)), -1)

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        n = self.cell.state
        of_cell, _, q, _ = cache
        da, before = self.cell.back(p, of_cell, ds[..., :n], ctx)
        if self.vector:
            dT = q[..., :1] * (da @ T(p["W_T"]))
            before = before + self.cell.dout(dT @ T(p["W_ts"]), ctx)
        return da, ctx.xp.concatenate((before, ctx.xp.zeros_like(ds[..., n:])), -1)

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        h, q, F = cache[1], cache[2], cache[3]
        W_T = p["W_T"] if da.ndim == p["W_T"].ndim else p["W_T"][..., None, :, :]
        dF = da @ T(W_T)
        found = {**self.cell.grads(p, cache.part(0), da, ctx), "W_T": T(F) @ da}
        if self.vector:
            dT = q[..., :1] * dF
            found |= {"W_ts": T(h) @ dT, "b_T": dT.sum(-2, keepdims=True)}
        if self.forced or not self.vector:
            found["E"] = T(q[..., 1:] if self.vector else q) @ dF
        return found

    def trace(self, cache: Any) -> dict[str, Array]:
        """The further values of the cell, and F."""
        own: Any = self.cell
        return {**(own.trace(cache[0]) if hasattr(own, "trace") else {}), "F": cache[3]}
