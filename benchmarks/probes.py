"""The cost of probes: steps of `mlp_step`, recorded, with one probe, and with all five, at every tenth step (the default of
`trainer.probe_every`) and at every step. `saturated` is set to the relu nodes; otherwise it would have nothing to do.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.mlp_step import Run, data, learner, void

THREADS = 1
REFERENCE = "without probes"
OPTIONS: dict[str, dict[str, Any]] = {
    "dead": {},
    "saturated": {"nodes": ("act1", "act2")},
    "activation_spread": {},
    "update_ratio": {},
    "sensitivity": {},
}


def training(probes: tuple[str, ...], every: int) -> Run:
    """The public trainer with a recorder and these probes."""
    from threadpoolctl import threadpool_limits

    from framework import discover
    from framework.tracking.recorder import MetricsRecorder
    from framework.training.trainer import train

    threadpool_limits(THREADS)
    split, chosen = data(), {name: discover().get("probe", name)(**OPTIONS[name]) for name in probes}

    def run(steps: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            recorder = MetricsRecorder(Path(folder), steps, 1, probe_every=every)
            member = replace(learner(steps, probe_every=every), probes=chosen)
            void(train([member], [split], [0], callbacks=[recorder]))
            recorder.close()

    return run


def _contestants() -> dict[str, str]:
    """A function of this module for each choice of probes and of their interval."""
    found = {REFERENCE: "none_1"}
    for every in (10, 1):
        for name in (*OPTIONS, "all"):
            found[f"{name}, every {every}"] = f"{name}_{every}"
    for function in found.values():
        name, _, every = function.rpartition("_")
        probes = () if name == "none" else tuple(OPTIONS) if name == "all" else (name,)
        globals()[function] = functools.partial(training, probes, int(every))
    return {label: f"benchmarks.probes:{function}" for label, function in found.items()}


CONTESTANTS = _contestants()
