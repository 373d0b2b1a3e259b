"""What a probe sees of a training step, and what it measured until that is read.

Probes look at the training step itself: nothing is computed a second time. They are called after the update, so that they
also see the step taken. Their numbers stay on the device until losses and norms are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array, to_host
from framework.core.callback import MEASURED
from framework.core.errors import did_you_mean
from framework.core.protocols import Probe
from framework.nn.network import Network
from framework.nn.training_step import TrainingStep


class ProbeReadings(NamedTuple):
    """What was measured: `values` is (K, M, R), for K steps (counted from 1), M metrics and R replicas. `rows` holds what is
    no single number, as (step, metric, (R, L))."""

    steps: np.ndarray
    columns: tuple[str, ...]
    values: np.ndarray
    rows: list[tuple[int, str, np.ndarray]]


class ProbeRunner:
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

    def look(self, step: int, probes: Mapping[str, Probe], seen: TrainingStep) -> None:
        """Let every probe look, and keep what it measures on the device.

        Raises:
            ValueError: a probe measures what cannot be recorded.
        """
        found, replicas = {name: dict(probe(seen)) for name, probe in probes.items()}, seen.ctx.replicas
        names = tuple(metric for values in found.values() for metric in values)
        if names != self.names:
            check_readings(found, self.names, replicas)
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

    def read(self) -> ProbeReadings | None:
        """Bring everything to the host, in one transfer, and forget it here."""
        if not (self.kept or self.rows):
            return None
        values = np.array(to_host(self.xp.stack(self.kept))) if self.kept else np.zeros((0, 0, 1))
        rows = [(step, metric, to_host(a)) for step, metric, a in self.rows]
        if self.kept:
            values = values.reshape(len(self.steps), len(self.columns), -1)
        looks = ProbeReadings(np.array(self.steps), self.columns, values, rows)
        self.steps, self.kept, self.rows = [], [], []
        return looks


def check_readings(
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


def check_nodes(probes: Mapping[str, Probe], network: Network) -> None:
    """
    Raises:
        ValueError: the option `nodes` of a probe names what is no node.
    """
    for name, probe in probes.items():
        for node in getattr(probe, "nodes", None) or ():
            if node not in network.nodes:
                raise ValueError(f"probes.{name}.nodes: unknown layer '{node}'{did_you_mean(node, network.nodes)}")
