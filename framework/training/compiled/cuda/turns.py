"""Which parts of a step may run side by side. Between two turns stands a barrier, or the end of a launch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from framework.training.compiled.graph import Read, Value


class Span(NamedTuple):
    """Numbers of one memory, from the first to the last.

    Attributes:
        memory: the name of an array, or the number of a root.
        read: which of them, where that is known.
    """

    memory: str | int
    first: float
    last: float
    read: Read | None = None

    def meets(self, other: Span) -> bool:
        """Whether both have a number in common."""
        if self.read is not None and other.read is not None and self.read.is_apart(other.read):
            return False
        return self.first <= other.last and other.first <= self.last


class Code(NamedTuple):
    """The code of a unit, and the number of blocks that can share it."""

    lines: list[str]
    blocks: int = 1


@dataclass(eq=False)
class Unit:
    """What needs no barrier inside: a kernel of the schedule, rows of a batch, random numbers. Or a loop over time.

    Attributes:
        write: makes the code, once the memory of its turn is taken.
        needs: the roots whose memory it uses.
        loop: makes the turns of a loop.
        copies: the array that gets a copy of a root.
    """

    reads: Sequence[Span]
    writes: Sequence[Span]
    write: Callable[[], Code]
    needs: dict[int, Value] = field(default_factory=dict)
    loop: Callable[[], Any] | None = None
    copies: tuple[str, Value] | None = None

    def reaches(self, memory: str | int, writes: bool) -> bool:
        """Whether it writes to a memory, or reads from it."""
        return any(each.memory == memory for each in (self.writes if writes else self.reads))


def span(read: Read, root: Value) -> Span:
    """The place of a read in its memory."""
    first, last = read.span
    return Span(root.detail["name"] if root.op == "input" else root.id, first, last, read)


def everything(memory: str | int) -> Span:
    """The whole of a memory."""
    return Span(memory, 0, float("inf"))


def in_turns(units: Sequence[Unit]) -> list[list[Unit]]:
    """Each unit in the first turn after all earlier ones that it reads from, or whose memory it overwrites."""
    seen: dict[str | int, list[tuple[int, Span, bool]]] = defaultdict(list)
    turns: list[list[Unit]] = []
    for unit in units:
        own = [*((each, False) for each in unit.reads), *((each, True) for each in unit.writes)]
        before = [
            turn
            for each, writes in own
            for turn, other, wrote in seen[each.memory]
            if (writes or wrote) and each.meets(other)
        ]
        turn = max(before, default=-1) + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(unit)
        for each, writes in own:
            seen[each.memory].append((turn, each, writes))
    return turns
