"""`TrainingStep`, the arguments of a probe: one step of a training."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params
from framework.nn.arena import Arena
from framework.nn.heads import Head, total_loss
from framework.nn.network import Network


class PreviousStep(NamedTuple):
    """The step before: its loss (...), the gradient that the optimizer got, and the parameters before it, (..., P) each."""

    loss: Array
    gradient: Array
    w: Array


@dataclass(frozen=True)
class TrainingStep:
    """One training step, on the device. A probe reads it and changes nothing.

    "..." are the replica axes `ctx.replicas`; a value that all replicas share has length 1 there. With
    `trainer.accumulate` the values, caches, gradients of values and the batch are those of the last part; `p`, `g`, `w`
    and `after` belong to the whole step.

    Attributes:
        network: nodes in order; `network.activations` names those that apply an activation.
        look: the arena (..., P + Q) where the gradient was taken (ahead of `w` for Nesterov); with the buffers before the
            step.
        p: the same as node -> tensor (..., i, o).
        g: node -> trained tensor (..., i, o), the gradient passed to the optimizer: of loss plus penalty, clipped.
        values: node -> its output (..., N, F), (..., N, C, H, W) or (..., T, N, F); the fields of the batch too.
        caches: node -> the cache of its backward pass.
        dvalues: node -> gradient of each replica's loss with respect to its output, shaped like it. Nodes whose gradient no
            trained tensor needs are missing.
        ctx: the context of the pass; `ctx.batch` is its batch.
        arena: the positions of the tensors in `w`; `arena.norms(w, ctx.xp)` is (..., 1 + L), of the whole and of each of the
            L
        `arena.layers`.
        w, after: the parameters (..., P) before the step, and after it with all that follows the update (projections,
            proximal steps). `after - w` is the step taken.
        heads: the losses, by name.
        loss: (...), without penalties.
        lr: the learning rate of the step, a number or (..., 1); with parameter groups (..., P).
        gradient: `g` as one array (..., P), only until the next step.
        previous: the step before, for a probe that declares `previous = True`; None at the first step.
        time_major: the fields of the batch that have a time axis before N.
    """

    network: Network
    look: Array
    g: Mapping[str, Params]
    values: Mapping[str, Array]
    caches: Mapping[str, Any]
    dvalues: Mapping[str, Array]
    ctx: Context
    arena: Arena
    w: Array
    after: Array
    heads: Mapping[str, Head] = field(default_factory=dict)
    loss: Array | None = None
    lr: float | Array | None = None
    gradient: Array | None = None
    previous: PreviousStep | None = None
    time_major: Collection[str] = ()

    @functools.cached_property
    def p(self) -> dict[str, Params]:
        """The views are made when they are needed."""
        return self.arena.views(self.look)

    @property
    def examples(self) -> int:
        """The number of examples in the batch."""
        name, a = next(iter(self.ctx.batch.items()))
        return int(a.shape[self._axis(name)])

    def gradient_at(self, w: Array, rows: slice = slice(None)) -> tuple[Array, Array]:
        """The loss (...) and its gradient (..., P) at other parameters w (..., P), for the examples `rows` of the batch;
        without penalties and clipping. Layers with random numbers draw those of the step."""
        ctx, full = self.ctx, self.look.copy()
        full[..., : self.arena.P] = w
        batch = {name: self._rows(a, rows, self._axis(name)) for name, a in ctx.batch.items()}
        carry = {name: self._rows(a, rows, len(ctx.replicas)) for name, a in ctx.carry.items()}
        ctx, p = ctx.but(batch=batch, carry=carry), self.arena.views(full)
        values, caches = self.network.forward(p, ctx)
        loss, dvalues = total_loss(self.heads, values, ctx)
        g = ctx.xp.zeros_like(full[..., : self.arena.P])
        self.network.backward(p, caches, dvalues, self.arena.views(g), ctx)
        return loss, g

    def _axis(self, field: str) -> int:
        """The axis of the examples of a field."""
        return len(self.ctx.replicas) + int(field in self.time_major)

    @staticmethod
    def _rows(a: Array, rows: slice, axis: int) -> Array:
        return a[(slice(None),) * axis + (rows,)]
