"""Views of recorded arrays: how ONNX reads each, and how it puts new numbers in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework.inference.export.graph import Graph

FIRST = -(2**62)  # the end of a slice that goes back to the first element


class LoopIndex:
    """The number of a step in a loop; it can only choose from an array.

    Args:
        name: of the value in the body of the loop.
    """

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(frozen=True)
class Permuted:
    """The axes in another order."""

    order: tuple[int, ...]

    def read(self, graph: Graph, a: str) -> str:
        return graph.add("Transpose", (a,), perm=list(self.order))

    def put(self, graph: Graph, _: str, part: str) -> str:
        return graph.add("Transpose", (part,), perm=[self.order.index(i) for i in range(len(self.order))])


@dataclass(frozen=True)
class Reshaped:
    """Another shape."""

    before: tuple[int, ...]
    shape: tuple[int, ...]

    def read(self, graph: Graph, a: str) -> str:
        return graph.add("Reshape", (a, graph.ints(*self.shape)), allowzero=1)

    def put(self, graph: Graph, _: str, part: str) -> str:
        return graph.add("Reshape", (part, graph.ints(*self.before)), allowzero=1)


@dataclass(frozen=True)
class Indexed:
    """A part of every axis: a slice (start, stop, step), a number, or the number of a step; and new axes of length 1."""

    before: tuple[int, ...]
    parts: tuple[Any, ...]
    new: tuple[int, ...]

    def read(self, graph: Graph, a: str) -> str:
        for axis in self._steps:
            a = graph.add("Unsqueeze", (graph.add("Gather", (a, self.parts[axis].name), axis=axis), graph.ints(axis)))
        cut = {axis: self._cut(axis) for axis in self._partial if axis not in self._steps}
        if cut:
            columns = [graph.ints(*column) for column in zip(*cut.values(), strict=True)]
            a = graph.add("Slice", (a, columns[0], columns[1], graph.ints(*cut), columns[2]))
        if gone := [axis for axis, part in enumerate(self.parts) if not isinstance(part, tuple)]:
            a = graph.add("Squeeze", (a, graph.ints(*gone)))
        return graph.add("Unsqueeze", (a, graph.ints(*self.new))) if self.new else a

    def put(self, graph: Graph, old: str, part: str) -> str:
        cut = {axis: self._cut(axis) for axis in self._partial if axis not in self._steps}
        if self._steps or any(step != 1 for _, _, step in cut.values()):
            return graph.unsupported("a write to every second place, or to the place of a step")
        if self.new:
            part = graph.add("Squeeze", (part, graph.ints(*self.new)))
        if gone := [axis for axis, each in enumerate(self.parts) if not isinstance(each, tuple)]:
            part = graph.add("Unsqueeze", (part, graph.ints(*gone)))
        if len(cut) > 1:
            return self._masked(graph, old, part, cut)
        for axis, (start, stop, _) in cut.items():
            ends = ((0, start), (stop, self.before[axis]))
            before, after = (graph.add("Slice", (old, *map(graph.ints, (i, j, axis)))) for i, j in ends)
            part = graph.add("Concat", (before, part, after), axis=axis)
        return part

    def _masked(self, graph: Graph, old: str, part: str, cut: dict[int, tuple[int, int, int]]) -> str:
        """A write to a part of several axes: the new numbers where all of them are chosen."""
        ends = [0] * len(self.before), [0] * len(self.before)
        chosen = graph.number(True, bool)
        for axis, (start, stop, _step) in cut.items():
            n, column = self.before[axis], [1] * len(self.before)
            ends[0][axis], ends[1][axis] = start, n - stop
            column[axis] = n
            places = graph.add("Range", (graph.index(0), graph.index(n), graph.index(1)))
            places = graph.add("Reshape", (places, graph.ints(*column)))
            for op, bound in (("GreaterOrEqual", start), ("Less", stop)):
                chosen = graph.add("And", (chosen, graph.add(op, (places, graph.index(bound)))))
        return graph.add("Where", (chosen, graph.add("Pad", (part, graph.ints(*ends[0], *ends[1]))), old))

    @property
    def _steps(self) -> list[int]:
        return [axis for axis, part in enumerate(self.parts) if isinstance(part, LoopIndex)]

    @property
    def _partial(self) -> list[int]:
        return [a for a, (part, n) in enumerate(zip(self.parts, self.before, strict=True)) if part != (0, n, 1)]

    def _cut(self, axis: int) -> tuple[int, int, int]:
        part = self.parts[axis]
        return part if isinstance(part, tuple) else (part, part + 1, 1)
