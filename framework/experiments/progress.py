"""The progress of a training: a progress bar on a terminal, plain lines elsewhere; and how it ended."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.callback import Callback, StartedRun, TrainingResult
from framework.core.terminal import GAP, WIDTH, fitting, joined, next_line, shown_path, times
from framework.inference.baselines import baseline_line

LINES = 20  # about the maximum number of progress lines without a terminal


class ProgressBar(Callback):
    """A callback that shows the first member of a stack.

    Args:
        steps: their maximum number.
        epoch: the steps of an epoch; 0: epochs are not shown.
        brief: show nothing until the end (one job of many).

    Attributes:
        networks: how many a study trains at once. The first one is shown.
    """

    def __init__(self, steps: int, epoch: int = 0, brief: bool = False) -> None:
        self.total, self.epoch, self.brief = steps, epoch, brief
        self.loss: dict[str, float] = {}  # empty before the first step
        self.printed, self.networks = 0, 1
        self.began = time.monotonic()
        self.first: tuple[float, int, int] | None = None  # the time of the first report, and its first and last step
        self.bar: Any = None
        if not brief and sys.stderr.isatty():
            self._start_bar()

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (BarColumn(20), TextColumn("{task.fields[place]}"), TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=self.total, place=self._place(0))
        self.bar.start()

    def on_start(self, runs: Sequence[StartedRun]) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Move the bar."""
        if member == 0 and len(rows):
            step = first + len(rows) - 1
            self.first = self.first or (time.monotonic(), first - 1, step)
            self.loss = {"train/loss": float(rows[:, 0].mean())}
            if self.bar:
                self.bar.update(self.task, completed=step, place=self._place(step))

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Show the latest metrics."""
        if member != 0 or self.brief or any(name.startswith("test/") for name in values):
            return
        found = {**self.loss, **values}
        if self.bar:
            self.bar.update(self.task, description=format_metrics(found, 3))
        elif step * LINES >= self.printed * self.total or step == self.total:
            print(self._line(step, found), flush=True)
            self.printed = step * LINES // self.total + 1

    def on_end(self, outcome: Any) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar, whatever happened."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    def _place(self, step: int) -> str:
        """`epoch  3/20  step  102/680`; in a study, `network 1/50  epoch ...`."""
        which = f"network 1/{self.networks}{GAP}" if self.networks > 1 else ""
        return f"{which}{self._time(step)}"

    def _time(self, step: int) -> str:
        steps = f"step {step:>{len(str(self.total))}}/{self.total}"
        if not self.epoch:
            return steps
        epochs = -(-self.total // self.epoch)
        return f"epoch {-(-step // self.epoch):>{len(str(epochs))}}/{epochs}{GAP}{steps}"

    def _line(self, step: int, values: Mapping[str, float]) -> str:
        """One line; of many metrics those that fit: the validation before the training."""
        now = time.monotonic()
        head = f"{self._place(step)}{GAP}{times(now - self.began, self._left(step, now))}"
        importance = [1 if name == "train/loss" else 2 if name.startswith("val/") else 3 for name in values]
        if validation := [i for i, rank in enumerate(importance) if rank == 2]:
            importance[validation[0]] = 0
        parts = [format_metrics({name: value}, 3) for name, value in values.items()]
        return GAP.join([head, *fitting(parts, importance, WIDTH - len(head) - len(GAP))])

    def _left(self, step: int, now: float) -> float | None:
        """Seconds until the end, at the speed since the first report: what came before it may include a compilation."""
        if self.first is None:
            return None
        at, start, end = self.first
        speed = (now - at) / (step - end) if step > end else (now - self.began) / max(step - start, 1)
        return speed * (self.total - step)


def report(result: Any, tracked: bool, brief: bool = False) -> None:
    """Print how a run ended, what its saved weights reach, its folder, and what to do next.

    Args:
        tracked: the run is in MLflow.
        brief: only one line.
    """
    ended = f"{result.status}{f' ({result.reason})' if result.reason else ''} in {result.seconds:.1f} s"
    if brief:
        print(": ".join(filter(None, (ended, format_metrics(_held_out(result.metrics))))), flush=True)
    else:
        print("\n".join([ended, *_details(result), next_line(_next(result, tracked))]), flush=True)


def _details(result: Any) -> Iterator[str]:
    if result.findings is None:
        metrics = _held_out(result.metrics)
        title = f"saved: weights {_which(result.outcome)}{':' if metrics else ''}"
        splits = [{k: v for k, v in metrics.items() if k.startswith(split)} for split in ("val/", "test/")]
        parts = [format_metrics(split) for split in splits if split]
        if any(len(part) > WIDTH - len(GAP) for part in parts):
            parts = [format_metrics({name: value}) for name, value in metrics.items()]
        yield from joined(title, parts)
    else:
        yield f"\n{result.findings.summary}\n"
    if naive := baseline_line(result.metrics):
        yield naive
    yield f"written to {shown_path(result.folder)}"
    if result.findings is not None and (figures := sorted((result.folder / "figures").glob("*.png"))):
        yield f"figure: {shown_path(figures[0])}" + (f" and {len(figures) - 1} more" if len(figures) > 1 else "")


def _which(outcome: TrainingResult) -> str:
    """`of epoch 14 of 20, the best`."""
    if outcome.kept == "best":
        found = f"of epoch {outcome.kept_epoch} of {outcome.epoch}, the best"
        return found if outcome.kept_epoch else "before training: no validation had a finite value"
    if outcome.status == "killed":
        return f"of step {outcome.step}, in epoch {outcome.epoch}"
    return f"of epoch {outcome.epoch}, the last"


def _next(result: Any, tracked: bool) -> list[str]:
    """The commands that a reader may want now."""
    if result.status == "killed":
        return [f"resume {shlex.quote(os.path.relpath(result.folder))}"]
    first = "report last" if result.findings is not None or result.status == "diverged" else "evaluate last"
    return [first, "ui"] if tracked else [first] if result.findings is not None else [first, "report last"]


def _held_out(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith(("val/", "test/"))}


def format_metrics(values: Mapping[str, float], digits: int = 4) -> str:
    """`val/loss 0.107  val/accuracy 0.964`."""
    return GAP.join(f"{name} {value:.{digits}g}" for name, value in values.items())
