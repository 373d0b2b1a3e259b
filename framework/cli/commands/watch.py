"""`stackprop watch [SWEEP|RUN]`: what a sweep or a run does at the moment, from another terminal, until it ends."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from framework.sweeps.watching import Frame, Running, Watcher
from framework.tracking.run_dir import find_any

EVERY, SHARE = 2.0, 0.015  # seconds between two frames; the share of a core that they may take
SETTINGS, STACKS = 5, 8  # lines
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # characters of a curve
EXAMPLES = ("stackprop watch", "stackprop watch last --once")


def main(arguments: Sequence[str]) -> int:
    """Show the state until the end; without a terminal, once."""
    parser = argparse.ArgumentParser("stackprop watch", description=__doc__)
    parser.add_argument("what", nargs="?", default="last", help="a run or a sweep: name, folder, MLflow id; or: last, best")
    parser.add_argument("--once", action="store_true", help="print the state and end; also what happens without a terminal")
    given = parser.parse_args(arguments)
    watcher = Watcher(find_any(given.what))
    if given.once or not sys.stdout.isatty():
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 120).print(shown(watcher.frame()))
        return 0
    live(watcher)
    return 0


def live(watcher: Watcher) -> None:
    """Show frames until the sweep has ended, or Ctrl-C."""
    from rich.live import Live

    frame, took = watcher.frame(), 0.0
    try:
        with Live(shown(frame), auto_refresh=False) as view:
            while not frame.ended:
                time.sleep(max(EVERY, took / SHARE))
                before = time.process_time()
                frame = watcher.frame()
                view.update(shown(frame), refresh=True)
                took = time.process_time() - before
    except KeyboardInterrupt:
        return


def shown(frame: Frame) -> Any:
    """A frame as lines and a table."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = "  ".join(f"{number} {kind}" for kind, number in frame.counts.items() if number or kind == "done")
    parts: list[Any] = [Text(f"{frame.title}: {counts}", style="bold")]
    if frame.settings:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("best so far" if not frame.ended else "best", frame.metric, "jobs"):
            table.add_column(name, no_wrap=True)
        for each in frame.settings[:SETTINGS]:
            value = f"{each.mean:.4g}" + (f" ± {each.std:.2g}" if each.with_value > 1 else "")
            table.add_row(Text(each.name or "all jobs"), value, f"{each.with_value} of {each.jobs}")
        parts += [Text(""), table]
    if frame.running:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("running", "epoch", frame.metric, "", "left"):
            table.add_column(name, no_wrap=True)
        for stack in frame.running[:STACKS]:
            newest = f"{stack.curve[-1]:.4g}" if stack.curve else ""
            table.add_row(jobs_of(stack), stack.epoch, newest, sparkline(stack.curve), duration(stack.left))
        more = len(frame.running) - STACKS
        parts += [Text(""), table, *([Text(f"{more} more processes")] if more > 0 else [])]
    return Group(*parts)


def jobs_of(stack: Running) -> str:
    """`job 3`, or `12 jobs (0 ... 11)`."""
    return stack.jobs[0] if len(stack.jobs) == 1 else f"{len(stack.jobs)} jobs ({stack.jobs[0]} ... {stack.jobs[-1]})"


def sparkline(values: Sequence[float]) -> str:
    """The last values as bars, between the smallest and the largest of them; a blank for one that is not finite."""
    last = values[-WIDTH:]
    finite = [value for value in last if math.isfinite(value)]
    low, span = (min(finite), max(finite) - min(finite)) if finite else (0.0, 0.0)
    return "".join(BARS[int((v - low) / span * 7.99) if span else 0] if math.isfinite(v) else " " for v in last)


def duration(seconds: float) -> str:
    """`40 s`, `3 min 20 s`, `2 h 5 min`; empty if it is not known."""
    if not math.isfinite(seconds):
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60} min"
