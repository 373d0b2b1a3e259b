"""A trace as numbered steps, in text and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A heading, and lines of numbers below it."""

    title: str
    lines: Sequence[str] = ()


Board = Mapping[str, Sequence[Step]]  # section -> its steps


def as_text(head: str, board: Board) -> str:
    """The steps as plain text."""
    out = [head]
    for section, steps in board.items():
        out += ["", section.upper()]
        for i, step in enumerate(steps, 1):
            out += ["", f"{i:>2}. {step.title}", *(f"    {line}" for line in step.lines)]
    return "\n".join(out)


def as_markdown(head: str, board: Board) -> str:
    """The steps as Markdown, with headings, and numbers as code blocks."""
    out = [head]
    for section, steps in board.items():
        out += ["", f"## {section}"]
        for i, step in enumerate(steps, 1):
            out += ["", f"**{i}.** {step.title}", "", *(f"    {line}" for line in step.lines)]
    return "\n".join(out)
