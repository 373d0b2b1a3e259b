"""The progress of a training: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.callback import Callback
from framework.inference.baselines import baseline_line

LINES = 20  # about the maximum number of progress lines without a terminal


class ProgressBar(Callback):
    """A callback that shows the first member of a stack.

    Args:
        steps: their maximum number.
        brief: show nothing until the end (one job of many).
    """

    def __init__(self, steps: int, brief: bool = False) -> None:
        self.total, self.brief = steps, brief
        self.loss: dict[str, float] = {}  # empty before the first step
        self.printed = 0
        self.bar: Any = None
        if not brief and sys.stderr.isatty():
            self._start_bar()

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("step {task.completed:.0f}/{task.total:.0f}"), TimeRemainingColumn())
        self.bar = Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=self.total)
        self.bar.start()

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Move the bar."""
        if member == 0 and len(rows):
            self.loss = {"train/loss": float(rows[:, 0].mean())}
            if self.bar:
                self.bar.update(self.task, completed=first + len(rows) - 1)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Show the latest metrics."""
        if member != 0 or self.brief or any(name.startswith("test/") for name in values):
            return
        text = format_metrics({**self.loss, **values})
        if self.bar:
            self.bar.update(self.task, description=text)
        elif step * LINES >= self.printed * self.total or step == self.total:
            print(f"step {step:>{len(str(self.total))}}/{self.total}  {text}", flush=True)
            self.printed = step * LINES // self.total + 1

    def on_end(self, outcome: Any) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar, whatever happened."""
        if self.bar:
            self.bar.stop()
            self.bar = None


def report(result: Any, tracked: bool, brief: bool = False) -> None:
    """Print how a run ended, and its folder."""
    shown = {k: v for k, v in result.metrics.items() if k.startswith(("val/", "test/"))}
    notes = "; ".join(filter(None, (result.reason, result.outcome.kept_text)))
    reason = f" ({notes})" if notes else ""
    print(f"{result.status}{reason} in {result.seconds:.1f} s{': ' if shown else ''}{format_metrics(shown)}", flush=True)
    if (naive := baseline_line(result.metrics)) and not brief:
        print(naive)
    if result.findings is not None and not brief:
        print(f"\n{result.findings.summary}\n")
    if not brief:
        print(f"written to {result.folder}")
    if result.status == "killed":
        print(f"go on:     {sys.argv[0]} resume {shlex.quote(os.path.relpath(result.folder))}")
    if tracked and not brief:
        print(f"curves:    {sys.argv[0]} ui")


def format_metrics(values: Mapping[str, float]) -> str:
    """`val/loss 0.107  val/accuracy 0.964`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())
