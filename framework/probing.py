"""What a probe sees of a training step, and what it measured until that is read.

Probes look at the training step itself: nothing is computed a second time. They are called after the update, so that they
also see the step taken. Their numbers stay on the device until losses and norms are read.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from framework.arena import Arena
from framework.arrays import Array, to_host
from framework.components import Params, Probe
from framework.context import Context
from framework.network import Network
from framework.registry import nearest

MEASURED = ("train/", "val/", "test/", "grad_norm/")  # what training itself measures; such names are not for probes


@dataclass(frozen=True)
class Seen:
    """One training step, on the device. A probe reads it, and changes nothing.

    "..." are the replica axes `ctx.replicas`; a value that all replicas share has length 1 there. With
    `trainer.accumulate` the values, caches, gradients of values and the batch are those of the last part; `p`, `g`, `w`
    and `after` belong to the whole step.

    Attributes:
        network: nodes in order; `network.activations` names those that apply an activation.
        look: the arena (..., P + Q) where the gradient was taken (ahead of `w` for Nesterov); buffers as they were before.
        p: the same as node -> tensor (..., i, o).
        g: node -> trained tensor (..., i, o), the gradient that the optimizer was given: of loss plus penalty, clipped.
        values: node -> its output (..., N, F), (..., N, C, H, W) or (..., T, N, F); the fields of the batch too.
        caches: node -> what its backward pass needed.
        dvalues: node -> gradient of each replica's loss with respect to its output, shaped like it. Nodes whose gradient no
            trained tensor needs are missing.
        ctx: the context of the pass; `ctx.batch` is its batch.
        arena: where the tensors lie in `w`; `arena.norms(w, ctx.xp)` is (..., 1 + L), of everything and of each of the L
            `arena.layers`.
        w, after: the trained numbers (..., P) before the step, and after it with all that follows the update (projections,
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
        """The views are made when they are asked for."""
        return self.arena.views(self.look)


class Looks(NamedTuple):
    """What was measured: `values` is (K, M, R), for K steps (counted from 1), M metrics and R replicas. `rows` holds what is
    no single number, as (step, metric, (R, L))."""

    steps: np.ndarray
    columns: tuple[str, ...]
    values: np.ndarray
    rows: list[tuple[int, str, np.ndarray]]


class Watch:
    """When probes look, and what they have measured since the last reading.

    Args:
        xp: the array module.
        every: steps from one look to the next; 0 where there are no probes.
        total: steps of the training.
    """

    def __init__(self, xp: Any, every: int, total: int) -> None:
        self.xp, self.every, self.total = xp, every, total
        self.names: tuple[str, ...] | None = None  # of all that is measured ...
        self.columns: tuple[str, ...] = ()  # ... and of what is one number
        self.steps: list[int] = []
        self.kept: list[Array] = []
        self.rows: list[tuple[int, str, Array]] = []

    def due(self, step: int) -> bool:
        """Whether to look at a step, counted from 1: the first, the last, and those that `every` divides."""
        return self.every > 0 and (step % self.every == 0 or step in (1, self.total))

    def look(self, step: int, probes: Mapping[str, Probe], seen: Seen) -> None:
        """Let every probe look, and keep what it measures on the device.

        Raises:
            ValueError: a probe measures what cannot be recorded.
        """
        found, replicas = {name: dict(probe(seen)) for name, probe in probes.items()}, seen.ctx.replicas
        names = tuple(metric for values in found.values() for metric in values)
        if names != self.names:
            refuse_unrecordable(found, self.names, replicas)
            self.names = names
        for values in found.values():
            for metric in [metric for metric, a in values.items() if a.ndim > len(replicas)]:
                a = values.pop(metric)
                self.rows.append((step, metric, self.xp.array(self.xp.broadcast_to(a, (*replicas, a.shape[-1])))))
        columns = self.columns = tuple(metric for values in found.values() for metric in values)
        if columns:
            arrays = [a for values in found.values() for a in values.values()]
            arrays = [a if a.shape == replicas else self.xp.broadcast_to(a, replicas) for a in arrays]
            # Joined, and so copied: what a probe returns may be a view of what the next step writes to.
            self.kept.append(self.xp.concatenate(arrays))
            self.steps.append(step)

    def read(self) -> Looks | None:
        """Bring everything to the host, in one transfer, and forget it here."""
        if not (self.kept or self.rows):
            return None
        values = np.array(to_host(self.xp.stack(self.kept))) if self.kept else np.zeros((0, 0, 1))
        rows = [(step, metric, to_host(a)) for step, metric, a in self.rows]
        if self.kept:
            values = values.reshape(len(self.steps), len(self.columns), -1)
        looks = Looks(np.array(self.steps), self.columns, values, rows)
        self.steps, self.kept, self.rows = [], [], []
        return looks


def refuse_unrecordable(
    found: Mapping[str, Mapping[str, Array]], before: tuple[str, ...] | None, replicas: tuple[int, ...]
) -> None:
    """
    Raises:
        ValueError: what the probes found has another shape than one number per replica, a name that is taken, or other
            names than at the step before.
    """
    owners: dict[str, str] = {}
    for probe, values in found.items():
        for metric, a in values.items():
            if metric in owners:
                raise ValueError(f"probes.{probe}: '{metric}' is measured by the probe '{owners[metric]}' already")
            if metric.startswith(MEASURED):
                raise ValueError(f"probes.{probe}: '{metric}': a probe's names begin with none of {', '.join(MEASURED)}")
            shared = (1,) * len(replicas)
            if a.shape not in (replicas, shared) and a.shape[:-1] not in (replicas, shared):
                what = f"one number, or a row of them, per replica {replicas}"
                raise ValueError(f"probes.{probe}: '{metric}' has shape {a.shape}, not {what}")
            owners[metric] = probe
    if before is not None:
        raise ValueError(f"probes: they measured {', '.join(before)}, and now {', '.join(owners)}; each step needs the same")


def refuse_unknown_nodes(probes: Mapping[str, Probe], network: Network) -> None:
    """
    Raises:
        ValueError: the option `nodes` of a probe names what is no node.
    """
    for name, probe in probes.items():
        for node in getattr(probe, "nodes", None) or ():
            if node not in network.nodes:
                raise ValueError(f"probes.{name}.nodes: no layer '{node}'{nearest(node, network.nodes)}")
