"""Where the values of a schedule lie: in arrays that a call is given, in constants, or in its workspace."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from framework.training.compiled.expressions import Expressions
from framework.training.compiled.functions import ctype_of
from framework.training.compiled.graph import Scalar, Value, literal
from framework.training.compiled.memory import Workspace, aligned


class Layout(Expressions):
    """Takes memory for the values of a schedule.

    Attributes:
        workspace, ws: the memory that a call needs, and the name of its pointer.
        parent: the layout of what stands around a loop.
        constants: value -> its name and its definition.
        scalars: code -> name.
        memory: root -> its pointer.
        starts: root -> where it begins in the workspace.
    """

    storage: ClassVar[str] = "static const"  # of a constant
    workspace: Workspace
    ws: str
    parent: Any
    constants: dict[int, tuple[str, str]]
    scalars: dict[str, str]
    memory: dict[int, str]
    starts: dict[int, int]

    def outputs_in_place(self) -> None:
        """Compute an output where it is wanted, if nothing else decides on its memory."""
        states = {value.detail["name"] for value in self.schedule.order if value.op == "input"}
        for name, value in self.schedule.outputs.items():
            root = self.schedule.root[value.id]
            if name not in states and not self.schedule.is_given(root) and root.size == value.size:
                self.memory.setdefault(root.id, name)

    def take(self, root: int, value: Value) -> None:
        """Memory for a value, unless it has some."""
        if root in self.memory:
            return
        if value.op == "constant":
            self.memory[root] = self._constant(value)
        elif value.op == "input" and (not self.parent or value.detail["name"] in self.schedule.outputs):
            self.memory[root] = value.detail["name"]
        elif self.parent and self.schedule.is_given(value):
            self.memory[root] = self.parent.pointer(value)
        else:
            self.starts[root] = self.workspace.take(size_of(value))
            self.memory[root] = f"(({ctype_of(value)} *)({self.ws} + {self.starts[root]}))"

    def give(self, root: int, value: Value) -> None:
        """Memory that nobody reads any more."""
        if root in self.starts:
            del self.memory[root]
            self.workspace.give(self.starts.pop(root), size_of(value))

    def _constant(self, value: Value) -> str:
        if value.id in self.constants:
            return self.constants[value.id][0]
        name, ctype, data = f"k{len(self.constants)}", ctype_of(value), np.asarray(value.detail["data"])
        numbers = ", ".join(literal(x, ctype) for x in data.reshape(-1).tolist())
        self.constants[value.id] = (name, f"{self.storage} {ctype} {name}[] = {{{numbers}}};")
        return name

    def pointer(self, value: Value) -> str:
        """Where a value lies."""
        root = self.schedule.root[value.id]
        self.take(root.id, root)
        return self.memory[root.id]

    def scalar(self, number: Scalar) -> str:
        """The name of a number that is known when the step runs."""
        return self.scalars.setdefault(number.code, f"s{len(self.scalars)}")


def size_of(value: Value) -> int:
    """Bytes of memory for a value."""
    return aligned(value.size * value.dtype.itemsize)
