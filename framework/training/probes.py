"""Calls probes and holds their values until they are read.

Probes read the training step itself: nothing is computed twice. They are called after the update, so that they also see
the step taken. Their values stay on the device until losses and norms are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array, to_host
from framework.core.blame import blame
from framework.core.callback import MEASURED
from framework.core.errors import ContractError, did_you_mean
from framework.core.log import log
from framework.core.protocols import Probe
from framework.nn.network import Network
from framework.nn.training_step import TrainingStep


class ProbeReadings(NamedTuple):
    """The values of probes: `values` is (K, M, R), for K steps (counted from 1), M metrics and R replicas. `rows` holds
    arrays, as (step, metric, (R, L))."""

    steps: np.ndarray
    columns: tuple[str, ...]
    values: np.ndarray
    rows: list[tuple[int, str, np.ndarray]]


class ProbeRunner:
    """Calls the probes at their steps, and holds their values since the last read.

    Args:
        xp: the array module.
        every: steps between samples; 0 without probes.
        total: steps of the training.
    """

    def __init__(self, xp: Any, every: int, total: int) -> None:
        self.xp, self.every, self.total = xp, every, total
        self.names: tuple[str, ...] | None = None  # of all metrics ...
        self.columns: tuple[str, ...] = ()  # ... and of the scalar ones
        self.steps: list[int] = []
        self.kept: list[Array] = []
        self.rows: list[tuple[int, str, Array]] = []

    def due(self, step: int) -> bool:
        """Whether to sample a step, counted from 1: the first, the last, and every multiple of `every`."""
        return self.every > 0 and (step % self.every == 0 or step in (1, self.total))

    def look(self, step: int, probes: Mapping[str, Probe], seen: TrainingStep) -> None:
        """Call every probe, and keep its values on the device.

        Raises:
            ValueError: a probe returns what cannot be recorded.
        """
        found, replicas = {name: _seen_by(name, probe, seen) for name, probe in probes.items()}, seen.ctx.replicas
        names = tuple(metric for values in found.values() for metric in values)
        if names != self.names:  # at the first sample
            check_readings(found, self.names, replicas)
            for name in [name for name, values in found.items() if not values]:
                log.warning(f"probes.{name}: there is nothing in this network that it measures (stackprop describe {name})")
            self.names = names
        for values in found.values():
            for metric in [metric for metric, a in values.items() if a.ndim > len(replicas)]:
                a = values.pop(metric)
                self.rows.append((step, metric, self.xp.array(self.xp.broadcast_to(a, (*replicas, a.shape[-1])))))
        columns = self.columns = tuple(metric for values in found.values() for metric in values)
        if columns:
            arrays = [a for values in found.values() for a in values.values()]
            arrays = [a if a.shape == replicas else self.xp.broadcast_to(a, replicas) for a in arrays]
            # Joining copies: a probe may return a view of an array that the next step overwrites.
            self.kept.append(self.xp.concatenate(arrays))
            self.steps.append(step)

    def read(self) -> ProbeReadings | None:
        """Return all values, in one transfer to the host, and clear them."""
        if not (self.kept or self.rows):
            return None
        values = np.array(to_host(self.xp.stack(self.kept))) if self.kept else np.zeros((0, 0, 1))
        rows = [(step, metric, to_host(a)) for step, metric, a in self.rows]
        if self.kept:
            values = values.reshape(len(self.steps), len(self.columns), -1)
        looks = ProbeReadings(np.array(self.steps), self.columns, values, rows)
        self.steps, self.kept, self.rows = [], [], []
        return looks


def _seen_by(name: str, probe: Probe, seen: TrainingStep) -> dict[str, Array]:
    """What a probe returns.

    Raises:
        ContractError: no mapping of arrays.
    """
    who = f"probes.{name} ({type(probe).__name__})"
    try:
        found = probe(seen)
    except Exception as error:
        blame(error, who)
        raise
    if not isinstance(found, Mapping):
        raise ContractError(f"{who}: it returns {type(found).__name__}, not {{metric: array}}")
    for metric, a in found.items():
        if not hasattr(a, "shape"):
            what = f"one number, or a row of them, per replica {seen.ctx.replicas}"
            raise ContractError(f"{who}: '{metric}' is a {type(a).__name__}, not an array with {what}")
    return dict(found)


def check_readings(
    found: Mapping[str, Mapping[str, Array]], before: tuple[str, ...] | None, replicas: tuple[int, ...]
) -> None:
    """Check the values of the probes.

    Raises:
        ValueError: a value is not one number or row per replica, a name is taken, or the names have changed since the last
            sample.
    """
    owners: dict[str, str] = {}
    for probe, values in found.items():
        for metric, a in values.items():
            if metric in owners:
                raise ValueError(f"probes.{probe}: the metric '{metric}' is used already, by the probe '{owners[metric]}'")
            if metric.startswith(MEASURED):
                raise ValueError(f"probes.{probe}: '{metric}' must not begin with {', '.join(MEASURED)}")
            shared = (1,) * len(replicas)
            if a.shape not in (replicas, shared) and a.shape[:-1] not in (replicas, shared):
                what = f"one number, or a row of them, per replica {replicas}"
                raise ValueError(f"probes.{probe}: '{metric}' has shape {a.shape}, not {what}")
            owners[metric] = probe
    if before is not None:
        raise ValueError(f"probes: the metrics changed from {', '.join(before)} to {', '.join(owners)}; keep them equal")


def check_nodes(probes: Mapping[str, Probe], network: Network) -> None:
    """Check the nodes that probes name.

    Raises:
        ValueError: the option `nodes` of a probe names an unknown node.
    """
    for name, probe in probes.items():
        for node in getattr(probe, "nodes", None) or ():
            if node not in network.nodes:
                raise ValueError(f"probes.{name}.nodes: unknown layer '{node}'{did_you_mean(node, network.nodes)}")
