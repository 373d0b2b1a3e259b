"""Whole commands, from the shell to the last file: a sweep in stacks, job by job, and as a loop of PyTorch processes.

Both sweeps write the same: a folder, a run in the store and a model for every job, table, figure and summary. Their process
measures itself: up to the first composed job (start), until all are validated (compose), all that follows (record) without
the trainings, which are repeated at the end without recording (train). The processes of PyTorch record nothing; only a few
jobs are measured, and the time of the loop is extrapolated.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE = 4  # processes of PyTorch in a round
ROUNDS = 3
PHASES = ("start", "compose", "train", "record")
LOOP = "loop of PyTorch processes"
LAUNCHERS = {"stackprop, stacked": "stacked", "stackprop, hydra/launcher=basic": "basic"}
DIGITS = ["model=mlp2", "trainer.epochs=20", "optimizer.lr=0.001,0.003,0.01,0.03", "seed=range(8)"]
SINE = ["dataset=sine", "dataset.n=64", "model.hidden=32", "activation=tanh", "optimizer.lr=0.01", "trainer.batch_size=all"]
SINE += ["trainer.steps=1000", "trainer.validate_every=10", "seed=range(200)"]
SWEEPS = {"sweep_command_digits_32": ("digits", 32, DIGITS), "sweep_command_regression_200": ("sine", 200, SINE)}

Row = dict[str, float]


def measure(rounds: int) -> Iterator[tuple[str, list[str], list[list[str]], list[str], str]]:
    """Name, header, cells, notes and conditions of each table."""
    rounds = min(rounds, ROUNDS)
    for title, (task, jobs, words) in SWEEPS.items():
        found: dict[str, list[Row]] = {label: [] for label in (*LAUNCHERS, LOOP)}
        notes = [" ".join(str(__doc__).split()), f"stackprop -m {' '.join(words)}"]
        for _ in range(rounds):
            for label, launcher in LAUNCHERS.items():
                found[label].append(command(words, launcher))
            try:
                found[LOOP].append(loop(task, jobs))
            except subprocess.CalledProcessError:
                notes.append(f"{LOOP} is absent: PyTorch is not installed")
                found.pop(LOOP)
                break
        head = ["", "whole, s", *PHASES, "recording a job, ms", "whole / stacked", "best of rounds"]
        conditions = f"{rounds} rounds, medians; {os.cpu_count()} cores; {LOOP}: {jobs} jobs from {SAMPLE} per round"
        yield title, head, cells(found, jobs), notes, conditions


def cells(found: dict[str, list[Row]], jobs: int) -> list[list[str]]:
    """A row per implementation."""
    reference, rows = next(iter(found.values())), []
    for label, rounds in found.items():
        middle = {key: median(row[key] for row in rounds) for key in rounds[0]}
        ratio = median(row["whole"] / own["whole"] for row, own in zip(rounds, reference, strict=False))
        best = min(row["whole"] for row in rounds) / min(row["whole"] for row in reference)
        phases = [f"{middle[phase]:.2f}" if phase in middle else "" for phase in PHASES]
        per_job = f"{1e3 * middle['record'] / jobs:.0f}" if "record" in middle else ""
        rows.append([label, f"{middle['whole']:.2f}", *phases, per_job, f"{ratio:.2f}", f"{best:.2f}"])
    return rows


def command(words: list[str], launcher: str) -> Row:
    """Run a sweep in an empty folder with an existing store: seconds of each phase."""
    with tempfile.TemporaryDirectory() as folder:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("STACKPROP", "HYDRA"))}
        env["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
        store = "from pathlib import Path; from framework.tracking.mlflow import *; MlflowStore(Tracking(), Path('runs'))"
        subprocess.run([sys.executable, "-c", store], cwd=folder, env=env, check=True)
        arguments = ["-m", *words, f"hydra/launcher={launcher}"]
        began = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sweep_command", str(began), *arguments],
            cwd=folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        ended = time.time()
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        phases = json.loads((Path(folder) / "phases.json").read_text())
    whole = ended - began - phases["train"]  # which ran twice
    return {**phases, "whole": whole, "record": whole - sum(phases.values())}


def loop(task: str, jobs: int) -> Row:
    """The seconds of one process per job, one after another, extrapolated from a few of them."""
    script = str(Path(__file__).with_name("torch_job.py"))
    began = time.time()
    for seed in range(SAMPLE):
        subprocess.run([sys.executable, script, task, "0.01", str(seed)], check=True, capture_output=True)
    return {"whole": (time.time() - began) * jobs / SAMPLE}


def inside(began: float, arguments: list[str]) -> None:
    """Run the command in the process of a sweep, and measure its phases."""
    from framework.cli import command_line as cli
    from framework.config import composition as composing
    from framework.experiments import runner as experiment
    from framework.sweeps import launcher as stacked

    phases, trainings, inner = {"start": 0.0, "compose": 0.0, "train": 0.0}, list[Callable[[], Any]](), [False]

    def composing_in(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            phases["start"] = phases["start"] or time.time() - began
            outermost, inner[0], before = not inner[0], True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                inner[0] = not outermost
                phases["compose"] += outermost * (time.perf_counter() - before)

        return call

    def kept(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            trainings.append(lambda: function(*args, **{**kwargs, "callbacks": (), "save": None}))
            return function(*args, **kwargs)

        return call

    for module, name in (
        (stacked, "compose_jobs"),
        (composing.ValidatingConfigLoader, "load_sweep_config"),
        (experiment, "prepare"),
    ):
        setattr(module, name, composing_in(getattr(module, name)))
    for name in ("train_sliced", "train"):
        setattr(experiment, name, kept(getattr(experiment, name)))
    with contextlib.suppress(SystemExit):
        cli.main(arguments)
    before = time.perf_counter()
    for training in trainings:
        training()
    phases["train"] = time.perf_counter() - before
    Path("phases.json").write_text(json.dumps(phases))


if __name__ == "__main__":
    inside(float(sys.argv[1]), sys.argv[2:])
