"""A traced step as formulas, kernel by kernel: what is computed together, from what, and for which part of the step."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from types import FrameType
from typing import Any, NamedTuple

from framework.nn.arena import Arena
from framework.training.compiled.cost import Cost, cost, times
from framework.training.compiled.graph import Read, Scalar, Value, origins, row_major
from framework.training.compiled.products import Machine
from framework.training.compiled.schedule import Kernel, Schedule

PARTS = {
    "total_loss": "loss",
    "add": "metrics",
    "add_penalties": "penalty",
    "norms": "norms",
    "clip": "clipping",
    "update": "optimizer",
    "after": "after the update",
    "lookahead": "optimizer",
}
INFIX = {"add": (1, "+"), "sub": (1, "-"), "mul": (2, "*"), "div": (2, "/"), "pow": (3, "**")}
INFIX |= {"lt": (0, "<"), "le": (0, "<="), "gt": (0, ">"), "ge": (0, ">="), "eq": (0, "=="), "ne": (0, "!=")}
INFIX |= {"and": (-1, "and"), "or": (-1, "or")}
ATOM = 9
SHORT = 48  # characters of a formula that is put into the one that uses it


class Origin(NamedTuple):
    """Where a value was made: `forward hidden`, `loss`, `optimizer` ...; and the name of its node, if any."""

    part: str
    node: str = ""


class Formulas(NamedTuple):
    """A kernel as it is shown: its number, the parts of the step that it belongs to, how it runs, its formulas, what it
    costs in a step of training, and the number of the kernel that it runs with, row by row, if that is another."""

    number: str
    parts: tuple[str, ...]
    form: str
    lines: tuple[str, ...]
    cost: Cost
    within: str = ""


@contextmanager
def noting_origins() -> Iterator[None]:
    """Values made inside know their origin."""
    origins.append(_origin)
    try:
        yield
    finally:
        origins.pop()


def _origin() -> Origin:
    """The part of the step that runs now, from the functions that are being called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        if file.endswith("nn/network.py") and name in ("forward", "backward", "after"):
            node = str(frame.f_locals.get("name", ""))
            return Origin(f"{name} {node}" if name != "after" else PARTS[name], node)
        caller = frame.f_back
        if caller is not None and caller.f_code.co_name in ("gradient", "train_step", "measure") and name in PARTS:
            return Origin(PARTS[name])
        frame = caller
    return Origin("step")


class Listing:
    """
    Args:
        schedule: of a step that was traced while origins were noted.
        arena: names the tensors in the weights and in the gradient.
        columns: names the numbers of a step's row.
        fields: name in C -> name, of fields, states and metrics.
        parent: the listing of what stands around a loop, for the loop's step.
    """

    def __init__(
        self,
        schedule: Schedule,
        arena: Arena,
        columns: Sequence[str],
        fields: Mapping[str, str],
        parent: Listing | None = None,
    ) -> None:
        self.schedule, self.arena, self.columns, self.parent = schedule, arena, columns, parent
        self.slots = {(slot.start, prod(slot.shape)): name for name, slot in arena.slots.items()}
        self.fields, self.gradient = fields, arena.P
        self.counted: dict[str, int] = parent.counted if parent else {}
        self.times: dict[str, str] = dict(parent.times) if parent else {}  # the index of a loop in C -> as it is shown
        self.names: dict[int, str] = {}
        self.outputs = {schedule.root[value.id].id: name for name, value in schedule.outputs.items()}

    def kernels(self, machine: Machine, before: str = "", steps: int = 1) -> Iterator[Formulas]:
        """Every kernel of the schedule, in order, and after a loop those of its step.

        Args:
            before: what the number of each kernel begins with.
            steps: how often the schedule runs in a step.
        """
        first = {id(kernel): id(group[0]) for group in self.schedule.together for kernel in group}
        numbers = {id(kernel): f"{before}{i}" for i, kernel in enumerate(self.schedule.kernels, 1)}
        for i, kernel in enumerate(self.schedule.kernels, 1):
            made = [place.value for _, place in kernel.parts]  # an update, and not the copy that it needs
            parts = tuple(dict.fromkeys(_part(value) for value in made))
            price = times(steps, [cost(kernel, self.schedule, machine)])
            if kernel.op != "loop":
                within = numbers.get(first.get(id(kernel), 0), "")
                form = f"{_form(kernel)}, row by row" if within == f"{before}{i}" else _form(kernel)
                within = "" if within == f"{before}{i}" else within
                yield Formulas(f"{before}{i}", parts, form, tuple(self._lines(kernel)), price, within)
                continue
            loop, inner = kernel.parts[0][0].detail["loop"], self._of_loop(kernel)
            form = f"{loop.n} time steps" + (", the last first" if loop.reverse else "")
            yield Formulas(f"{before}{i}", parts, form, tuple(self._states(kernel)), price)
            yield from inner.kernels(machine, f"{before}{i}.", steps * loop.n)

    def _of_loop(self, kernel: Kernel) -> Listing:
        """The listing of a loop's step: each state has the name that the last one has outside."""
        loop = kernel.parts[0][0].detail["loop"]
        fields = {}
        for value, _ in kernel.parts:
            part = value.detail["part"]
            fields[loop.output_name(part)] = self._name(value) + ("" if part < len(loop.carries) else "[t]")
        inner = Listing(loop.schedule, self.arena, self.columns, {**self.fields, **fields}, self)
        inner.times[loop.name] = f"t{len(inner.times) + 1}" if inner.times else "t"
        return inner

    def _states(self, kernel: Kernel) -> Iterator[str]:
        """The states before the first step."""
        for value, _ in kernel.parts:
            if value.detail["part"] < len(value.detail["loop"].carries):
                yield f"{self._name(value)} = {self._argument(value.args[0], {})[0]}"

    def _lines(self, kernel: Kernel) -> Iterator[str]:
        known: dict[int, tuple[str, int]] = {}
        for i, (value, place) in enumerate(kernel.parts):
            text, strength = self._formula(value, known)
            later = [read for part, _ in kernel.parts[i + 1 :] for read in part.reads if read.value is value]
            uses = len(self.schedule.uses.get(value.id, ()))
            if (
                place.value is value
                and len(later) == uses == 1
                and len(text) <= SHORT
                and value.id not in self.schedule.ends
            ):
                known[value.id] = (text, strength)
            else:
                yield f"{self._target(value, place)} = {text}"

    def _target(self, value: Value, place: Read) -> str:
        """The name of what a kernel writes."""
        if place.value is value and self.schedule.root[value.id] is value and value.id not in self.schedule.ends:
            return self._name(value)
        return self._read(place)

    def _name(self, value: Value) -> str:
        """The name of a value's memory."""
        root = self.schedule.root.get(value.id, value)
        if root.id not in self.names:
            self.names[root.id] = self._new_name(root)
        return self.names[root.id]

    def _new_name(self, root: Value) -> str:
        if self.parent and self.schedule.is_given(root) and root.detail.get("name") not in self.schedule.outputs:
            return self.parent._name(root)
        if root.op == "input":
            given = str(root.detail["name"])
            return self.fields.get(given, given)
        if root.id in self.outputs:
            given = self.outputs[root.id]
            return self.fields.get(given, given)
        if root.op == "constant":
            return self._constant(root)
        if root.op == "fill" and root.shape == (1, self.gradient) and not isinstance(root.detail["number"], Scalar):
            return "g"
        origin = root.origin or Origin("step")
        base = f"d_{origin.node}" if origin.part.startswith("backward") else origin.node or origin.part.split()[0]
        self.counted[base] = self.counted.get(base, 0) + 1
        return f"{base}.{self.counted[base]}"

    def _constant(self, root: Value) -> str:
        data = root.detail["data"].reshape(-1).tolist()
        if len(data) > 1 and data == list(range(len(data))):
            return f"(0..{len(data) - 1})"
        return f"({', '.join(_number(x)[0] for x in data)})" if len(data) <= 6 else f"({len(data)} constants)"

    def _formula(self, value: Value, known: Mapping[int, tuple[str, int]]) -> tuple[str, int]:
        """The formula of a value, and how strongly it binds."""
        if value.op == "fill":
            return _number(value.detail["number"])
        fn = str(value.detail.get("fn", ""))
        args = [self._argument(arg, known) for arg in value.args]
        if value.op == "matmul":
            return f"{_within(args[0], 2)} @ {_within(args[1], 3)}", 2
        if value.op == "gather":
            return f"{_within(args[0], ATOM)}[{', '.join(text for text, _ in args[1:])}]", ATOM
        if value.op in ("reduce", "argmax"):
            axes = value.detail.get("axes", (value.detail.get("axis"),))
            return f"{fn or 'argmax'}({args[0][0]}, axis {', '.join(str(axis) for axis in axes)})", ATOM
        if value.op == "update":
            return args[1]
        if fn == "id":
            return args[0]
        if fn == "columns":
            first, last = value.detail["columns"]
            return f"{args[1][0]} in columns {first}..{last - 1}, else {args[0][0]}", -2
        if fn in INFIX:
            strength, sign = INFIX[fn]
            return f"{_within(args[0], strength)} {sign} {_within(args[1], strength + 1)}", strength
        if fn == "neg":
            return f"-{_within(args[0], 3)}", 2
        return f"{fn}({', '.join(text for text, _ in args)})", ATOM

    def _argument(self, arg: Any, known: Mapping[int, tuple[str, int]]) -> tuple[str, int]:
        if not isinstance(arg, Read):
            return _number(arg)
        if arg.value.id in known:
            return known[arg.value.id]
        if arg.value.id in self.schedule.inlined:
            return self._formula(arg.value, known)
        return self._read(arg), ATOM

    def _read(self, read: Read) -> str:
        """A name, with the part of it that is read."""
        name, at = self._name(read.value), (read.offset, prod(n for n, s in zip(read.shape, read.strides, strict=True) if s))
        turned = "'" if _is_turned(read) else ""
        if name in ("w", "g") and at in self.slots and not read.steps:
            node, tensor = self.slots[at]
            return f"{node}.{'d' if name == 'g' else ''}{tensor}{turned}"
        if name == "row" and self.outputs.get(self.schedule.root[read.value.id].id) == "row":
            return f"row[{', '.join(self.columns[read.offset : read.offset + at[1]])}]"
        if at == (0, read.value.size) and not read.steps:
            return f"{name}{turned}"
        return f"{name}{_indexed(read, self.times)}{turned}"


def _indexed(read: Read, shown: Mapping[str, str]) -> str:
    """The part of a value that is read, as an index."""
    offset, parts = read.offset, []
    by_stride = {abs(s): (n, s) for n, s in zip(read.shape, read.strides, strict=True) if s and n > 1}
    by_time = dict(read.steps)
    for size, own in zip(read.value.shape, row_major(read.value.shape), strict=True):
        if size == 1:
            continue
        first, offset = divmod(offset, own)
        moving = ""
        for name, stride in list(by_time.items()):
            if stride % own == 0 and stride // own < size:
                times, t = by_time.pop(name) // own, shown[name]
                moving = f"{t} + " if times == 1 else f"{times} {t} + "
        steps = [(stride // own, n, s) for stride, (n, s) in by_stride.items() if stride % own == 0 and stride // own < size]
        if not steps:
            parts.append(f"{moving}{first}" if first or not moving else moving.removesuffix(" + "))
            continue
        step, n, sign = max(steps)
        del by_stride[step * own]
        last = first + (n - 1) * step * (1 if sign > 0 else -1)
        parts.append(":" if n == size else f"{moving}{first}..{last}" + (f" by {step}" if step > 1 else ""))
    return f"[{', '.join(parts)}]" if not by_stride and not by_time and not offset else "[a view]"


def _is_turned(read: Read) -> bool:
    """Whether the last two axes are exchanged."""
    steps = [s for s, n in zip(read.strides, read.shape, strict=True) if n > 1]
    return len(steps) > 1 and 0 < steps[-2] < steps[-1]


def _part(value: Value) -> str:
    return str(value.origin.part) if value.origin else "step"


def _form(kernel: Kernel) -> str:
    value, place = kernel.parts[0]
    if kernel.op == "matmul":
        a, b = (arg.shape[-2:] for arg in value.args)
        many = prod(value.shape[:-2])
        return f"product {_shape(a)} @ {_shape(b)}" + (f", {many:,} times" if many > 1 else "")
    shape = value.args[0].shape if kernel.op in ("reduce", "argmax") else place.shape
    names = {"map": "loop", "reduce": "sum" if value.detail.get("fn") == "sum" else "reduction", "gather": "rows chosen"}
    return f"{names.get(kernel.op, kernel.op)} over {_shape([n for n in shape if n != 1] or [1])}"


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(f"{n}" for n in sizes)


def _number(number: Any) -> tuple[str, int]:
    if isinstance(number, Scalar):
        text = re.sub(r"\bn_(\w+)", r"\1", number.code)
        text = re.sub(r"\b(\d+)\.0\b", r"\1", text)  # 1.0 is 1
        text = re.sub(r", \(([^()]*)\)\)", r", \1)", text)  # pow(a, (b)) is pow(a, b)
        return (text[1:-1], 1) if re.fullmatch(r"\([^()]*\)", text) else (text, ATOM)
    text = f"{number:.6g}" if isinstance(number, float) else str(number)
    return text, 3 if text.startswith("-") else ATOM


def _within(formula: tuple[str, int], strength: int) -> str:
    """A formula in brackets, if it binds less."""
    text, own = formula
    return text if own >= strength else f"({text})"
