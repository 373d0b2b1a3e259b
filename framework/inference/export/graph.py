"""The nodes of an ONNX graph while they are recorded, and the sizes among them that depend on the data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

INTS, NUMBER, UNSUPPORTED = "Ints", "Number", "Unsupported"  # not operators of ONNX; `onnx.Writer` replaces the first two


@dataclass
class GraphNode:
    """An operator with its inputs and outputs, by name.

    Attributes:
        attributes: those of the operator; a `Graph` is the body of a loop.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


class Graph:
    """Nodes in the order in which they are computed.

    Args:
        outer: the graph around a loop's body, whose names the body may read.

    Attributes:
        inputs, outputs: (name, dtype, shape).
    """

    def __init__(self, outer: Graph | None = None) -> None:
        self.outer = outer
        self.nodes: list[GraphNode] = []
        self.inputs: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
        self.outputs: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
        self._counted: Iterator[int] = outer._counted if outer else itertools.count()
        self._known: dict[Any, str] = {}

    def new_name(self) -> str:
        """A name that no other value has."""
        return f"v{next(self._counted)}"

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """The output of an operator; the same operator on the same inputs is recorded once."""
        key = (op, *inputs, repr(sorted(attributes.items())))
        if key not in self._known:
            self._known[key] = name = self.new_name()
            self.nodes.append(GraphNode(op, list(inputs), [name], attributes))
        return self._known[key]

    def ints(self, *values: int) -> str:
        """Sizes or places as a vector; they may depend on the number of examples and of steps."""
        return self.add(INTS, (), values=tuple(map(int, values)))

    def index(self, value: int) -> str:
        """One such number, without an axis."""
        return self.add("Squeeze", (self.ints(value),))

    def number(self, value: Any, dtype: Any) -> str:
        """A number that the code computes with."""
        return self.add(NUMBER, (), value=np.asarray(value, dtype).item(), dtype=np.dtype(dtype).name)

    def constant(self, a: np.ndarray, name: str = "") -> str:
        """A constant array."""
        name = name or self.new_name()
        self.nodes.append(GraphNode("Constant", [], [name], {"value": a}))
        return name

    def unsupported(self, why: str) -> str:
        """A value that cannot be expressed; an error if the result needs it."""
        return self.add(UNSUPPORTED, (), why=why)


def needed(graph: Graph, outputs: Sequence[str]) -> list[GraphNode]:
    """The nodes on which outputs depend, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(graph.nodes):
        if wanted.isdisjoint(node.outputs):
            continue
        kept.append(node)
        wanted.update(node.inputs)
        body = node.attributes.get("body")
        if isinstance(body, Graph):
            inside = needed(body, [name for name, *_ in body.outputs])
            wanted.update(name for each in inside for name in each.inputs)
            wanted.update(name for name, *_ in body.outputs)
    return kept[::-1]
