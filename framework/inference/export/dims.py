"""Sizes of an exported network that depend on its data: how many examples and steps there are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any


class ExportError(Exception):
    """A network, or a part of it, that cannot be exported."""


class Dims:
    """Nodes that compute sizes when the network runs.

    Args:
        helper: of the library `onnx`.
        sizes: axis -> its size, of either recording.
    """

    def __init__(self, helper: Any, sizes: Sequence[Mapping[str, int]]) -> None:
        self.helper, self.sizes = helper, sizes
        self.nodes: list[Any] = []
        self.axes: dict[str, str] = {}  # axis -> the vector with its size
        self.known: dict[tuple[str, int, int], str] = {}

    def add_input(self, name: str, one: Sequence[int], other: Sequence[int]) -> None:
        """Read from an input the sizes of its axes that differ."""
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            axis = self.letter(a, b)
            if isinstance(axis, str) and axis not in self.axes:
                self.axes[axis] = f"size_{axis}"
                self.nodes.append(self.helper.make_node("Shape", [name], [self.axes[axis]], start=place, end=place + 1))

    def depends(self, one: float, other: float) -> tuple[str, int, int] | None:
        """How a whole number depends on the data: (axes, factor, term), it is factor * their sizes + term; None: not at all.

        Raises:
            ExportError: in another way.
        """
        if one == other:
            return None
        names, found = list(self.sizes[0]), []
        for axes in itertools.chain.from_iterable(itertools.combinations(names, k) for k in range(1, len(names) + 1)):
            a, b = 1, 1
            for axis in axes:
                a, b = a * self.sizes[0][axis], b * self.sizes[1][axis]
            factor = (other - one) / (b - a)
            term = one - factor * a
            if factor == int(factor) and factor > 0 and term == int(term) and (len(axes) == 1 or not term):
                found.append((term != 0, int(factor), axes, int(term)))
        if not found:
            raise ExportError("a size depends on the number of examples or steps in a way that cannot be expressed")
        _, factor, axes, term = min(found)
        return "".join(axes), factor, term

    def letter(self, one: int, other: int) -> Any:
        """The size, or the letters of the axes that it is made of."""
        found = self.depends(one, other)
        if found is None:
            return one
        axes, factor, term = found
        return f"{factor if factor > 1 else ''}{axes}{f'{term:+}' if term else ''}"

    def vector(self, one: int, other: int) -> int | str:
        """The size as a number, or the name of a vector that holds it."""
        found = self.depends(one, other)
        if found is None:
            return int(one)
        if found not in self.known:
            axes, factor, term = found
            name = self.axes[axes[0]]
            for axis in axes[1:]:
                name = self._made("Mul", name, self.axes[axis])
            name = self._made("Mul", name, self._constant(factor)) if factor != 1 else name
            self.known[found] = self._made("Add", name, self._constant(term)) if term else name
        return self.known[found]

    def number(self, name: str, one: float, other: float, dtype: int) -> Any:
        """The node of a number that depends on the data, or is 1 divided by such a number."""
        inverse = one != int(one)
        sizes = [round(1 / v, 6) if inverse else v for v in (one, other)]
        if any(size != int(size) for size in sizes):
            raise ExportError("a number depends on the number of examples or steps in a way that cannot be expressed")
        size = self._made("Squeeze", str(self.vector(*map(int, sizes))))
        cast = f"{name}_size" if inverse else name
        node = self.helper.make_node("Cast", [size], [cast], to=dtype)
        if not inverse:
            return node
        self.nodes.append(node)
        return self.helper.make_node("Reciprocal", [cast], [name])

    def _constant(self, value: int) -> str:
        name = f"term{len(self.nodes)}"
        self.nodes.append(self.helper.make_node("Constant", [], [name], value_ints=[value]))
        return name

    def _made(self, op: str, *inputs: str) -> str:
        name = f"dim{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [name]))
        return name
