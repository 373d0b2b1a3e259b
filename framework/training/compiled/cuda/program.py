"""The functions of a step in CUDA C: one that takes many steps, or one for each turn of a step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from framework.training.compiled.cuda.emit import Turn

NAME = re.compile(r"\b[A-Za-z_]\w*\b")
BARRIER = "__syncthreads();"
WIDEST = 1024  # blocks that share a turn of one replica


class Launch(NamedTuple):
    """A kernel, and the blocks for each replica."""

    name: str
    blocks: int


class Repeat(NamedTuple):
    """What is launched again for every step of a loop over time."""

    n: int
    reverse: bool
    parts: tuple[Launch | Repeat, ...]


@dataclass
class Program:
    """
    Args:
        base: name -> the declaration of what a replica has for all steps.
        of_step: the same for one step.
        of_loops: the same for one step of a loop over time, by the name of its index.
        turns: of a step.
        workspace: bytes of a replica.
        scratch: bytes of shared memory that sums and products need.
        threads: of a block.
        fast: whether the workspace lies in shared memory, in a function that takes many steps.
    """

    base: Mapping[str, str]
    of_step: Mapping[str, str]
    of_loops: Mapping[str, Mapping[str, str]]
    turns: Sequence[Turn]
    workspace: int
    scratch: int
    threads: int
    fast: bool = False

    def whole(self) -> str:
        """One function: a block for each replica takes many steps, and waits between turns for all of its threads."""
        body = [*self._turns(self.turns)]
        step = ["for (int64_t step = 0; step < steps; step++) {", *used(self.of_step, body), *body, "}"]
        shared = "fast_ws" if self.fast else ""
        block = [f"const int thread = threadIdx.x, block = 0, blocks = 1, at = thread, every = {self.threads};"]
        head = [*self._head(shared), *block, *used(self.base, step)]
        text = "const struct array *table, char *memory, int64_t steps, int64_t first"
        return "\n".join([f"KERNEL run({text}) {{", *head, *step, "}", ""])

    def pieces(self) -> tuple[str, tuple[Launch | Repeat, ...]]:
        """A function for each turn, which several blocks share, and the order in which they are launched."""
        functions: list[str] = []
        plan = tuple(self._pieces(self.turns, functions, ()))
        return "\n".join(functions), plan

    def _turns(self, turns: Sequence[Turn]) -> Iterator[str]:
        for turn in turns:
            yield from turn.lines
            for each in turn.loops:
                loop, body = each.loop, [*self._turns(each.turns)]
                last, t = loop.n - 1, loop.name
                order = f"int {t} = {last}; {t} >= 0; {t}--" if loop.reverse else f"int {t} = 0; {t} < {loop.n}; {t}++"
                yield f"for ({order}) {{"
                yield from used(self.of_loops[t], body)
                yield from body
                yield "}"
            yield BARRIER

    def _pieces(self, turns: Sequence[Turn], functions: list[str], around: tuple[str, ...]) -> Iterator[Launch | Repeat]:
        for turn in turns:
            if turn.lines:
                name, blocks = f"run_{len(functions)}", min(turn.blocks, WIDEST)
                functions.append(self._piece(name, turn.lines, around))
                yield Launch(name, blocks)
            for each in turn.loops:
                inner = tuple(self._pieces(each.turns, functions, (*around, each.loop.name)))
                yield Repeat(each.loop.n, each.loop.reverse, inner)

    def _piece(self, name: str, lines: Sequence[str], around: Sequence[str]) -> str:
        numbers = "".join(f", int64_t {t}" for t in around)
        step: list[str] = []
        for t in reversed(around):
            step = [*used(self.of_loops[t], [*step, *lines]), *step]
        step = [*used(self.of_step, [*step, *lines]), *step]
        block = [
            "const int thread = threadIdx.x, block = blockIdx.y, blocks = gridDim.y;",
            f"const int at = block * {self.threads} + thread, every = blocks * {self.threads};",
        ]
        head = [*self._head(""), *block, *used(self.base, [*step, *lines])]
        text = f"const struct array *table, char *memory, int64_t step, int64_t first{numbers}"
        return "\n".join([f"KERNEL {name}({text}) {{", *head, *step, *lines, "}"])

    def _head(self, shared: str) -> list[str]:
        """The replica, and its memory."""
        lines = ["const int64_t r = blockIdx.x;"]
        if self.scratch:
            lines += [f"SHARED double scratch_room[{-(-self.scratch // 8)}];", "char *scratch = (char *)scratch_room;"]
        if shared:
            return [*lines, f"SHARED double {shared}[{-(-self.workspace // 8)}];", f"char *ws = (char *){shared};"]
        return [*lines, f"char *ws = memory + r * {self.workspace}LL;"]


def used(declared: Mapping[str, str], lines: Sequence[str]) -> list[str]:
    """The declarations, in their order, that lines and other declarations use."""
    names = {name for line in lines for name in NAME.findall(line)}
    found: list[str] = []
    for name, text in reversed(list(declared.items())):
        if name in names:
            found.append(text)
            names |= set(NAME.findall(text))
    return found[::-1]
