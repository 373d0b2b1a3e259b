"""`TrainingStep`, the arguments of a probe: one step of a training."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params
from framework.nn.arena import Arena
from framework.nn.network import Network


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

    @functools.cached_property
    def p(self) -> dict[str, Params]:
        """The views are made when they are needed."""
        return self.arena.views(self.look)
