"""Lines for a reader at a terminal: their width, durations, paths, and the name of the command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

WIDTH = 100  # columns that a line should not exceed
GAP = "  "  # between the parts of a line


def duration(seconds: float) -> str:
    """`7 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def times(elapsed: float, left: float | None) -> str:
    """`7 s, 12 s left`; without the second part at the end, or where it is unknown."""
    return duration(elapsed) + (f", {duration(left)} left" if left else "")


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; `...` stands for the rest."""
    return text if len(text) <= most else f"{text[: max(most - 3, 0)]}..."


def joined(title: str, parts: Iterable[str]) -> list[str]:
    """A title and parts as lines of at most `WIDTH` columns where that is possible; further lines are indented."""
    lines = [title]
    for i, part in enumerate(parts):
        gap = " " if i == 0 else GAP
        if i and len(lines[-1]) + len(gap) + len(part) > WIDTH:
            lines.append(GAP + part)
        else:
            lines[-1] += gap + part
    return lines


def fitting(parts: Sequence[str], importance: Sequence[int], columns: int) -> list[str]:
    """The most important parts that fit into so many columns, in their order; at least one.

    Args:
        importance: of each part; a lower number is more important.
    """
    kept: list[int] = []
    for i in sorted(range(len(parts)), key=lambda i: (importance[i], i)):
        if kept and len(GAP.join([parts[k] for k in (*kept, i)])) > columns:
            break
        kept.append(i)
    return [parts[i] for i in sorted(kept)]


def shown_path(path: Path) -> str:
    """A path, relative to the current folder if it lies in it."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the current folder is gone, or on another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def command() -> str:
    """What a reader types for `stackprop`: the name if it is found in PATH, otherwise the path of the program."""
    program = Path(sys.argv[0])
    if program.stem != "stackprop":
        return "stackprop"
    found = shutil.which("stackprop")
    return "stackprop" if found and os.path.realpath(found) == os.path.realpath(program) else str(program)


def next_line(commands: Iterable[str]) -> str:
    """`next: stackprop evaluate last; stackprop ui`, a line that the shell understands too."""
    return f"next: {'; '.join(f'{command()} {words}' for words in commands)}"
