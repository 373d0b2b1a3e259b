"""The cost of recording: steps of `mlp_step` with and without `metrics.jsonl` (loss and layer norms at every step)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.mlp_step import Run, data, learner, void

THREADS = 1
REFERENCE = "training alone"
CONTESTANTS = {REFERENCE: "benchmarks.recording:alone", "training and recording": "benchmarks.recording:recorded"}


def alone() -> Run:
    """Training without a recorder."""
    return training(record=False)


def recorded() -> Run:
    """Training with a recorder."""
    return training(record=True)


def training(record: bool) -> Run:
    """The public trainer, with or without a recorder."""
    from framework.tracking.recorder import MetricsRecorder
    from framework.training.trainer import train

    split = data()

    def run(steps: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [MetricsRecorder(Path(folder), steps, 1)] if record else []
            void(train([learner(steps)], [split], [0], callbacks=callbacks))
            for callback in callbacks:
                callback.close()

    return run
