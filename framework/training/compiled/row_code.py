"""The C of kernels that run row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework.training.compiled.expressions import Expressions, Names, least_or_largest, placed
from framework.training.compiled.functions import apply, ctype_of
from framework.training.compiled.graph import Read, Value, row_major
from framework.training.compiled.kernels import ROW, KernelCode
from framework.training.compiled.rows import Group
from framework.training.compiled.schedule import Kernel


class RowNames(Names):
    """The pointers of a group: what only the group reads is an array of one row.

    Args:
        local: value -> the name of its row.
    """

    def __init__(self, local: Mapping[int, str]) -> None:
        super().__init__()
        self.local = local

    def item(self, code: Expressions, read: Read, index: Sequence[str], written: bool = False) -> str:
        """The number of a read at an index."""
        if read.value.id not in self.local:
            return super().item(code, read, index, written)
        return f"{self.local[read.value.id]}[{placed(read, ['0' if i == ROW else i for i in index])}]"


def group_code(code: KernelCode, group: Group) -> list[str]:
    """A loop over the rows, and what each kernel does with one."""
    before, after, body = list[str](), list[str](), list[str]()
    local: dict[int, str] = {}
    for kernel in group.kernels:
        for value, place in kernel.parts:
            if value.id in group.local and code.is_stored(value, place, kernel):
                local[value.id] = f"row{len(local)}"
                body.append(f"{ctype_of(value)} {local[value.id]}[{group.local[value.id]}];")
    names = RowNames(local)
    for i, (kernel, axis) in enumerate(zip(group.kernels, group.axes, strict=True)):
        value, place = kernel.parts[0]
        if value.id in group.sums:
            before.append(f"{ctype_of(value)} total{i}[{value.size}] = {{0}};")
            after += _written(code, names, place, f"total{i}")
            body += _added(code, names, value, place, f"total{i}")
        else:
            body += _row(code, names, kernel, axis)
    lines = [*before, f"for (int64_t {ROW} = 0; {ROW} < {group.rows}; {ROW}++) {{", *body, "}", *after]
    return [code.parts.alone(names.each(), lines)]


def _index(shape: Sequence[int], row: int | None = None) -> list[str]:
    """The index of every axis."""
    return [ROW if k == row else f"i{k}" if n != 1 else "0" for k, n in enumerate(shape)]


def _loops(shape: Sequence[int], row: int | None = None, only: Sequence[int] | None = None) -> list[str]:
    """Loops over the axes of `_index`, or some of them, but not the rows."""
    axes = [k for k, n in enumerate(shape) if n != 1 and k != row and (only is None or k in only)]
    return [f"for (int64_t i{k} = 0; i{k} < {shape[k]}; i{k}++)" for k in axes]


def _written(code: KernelCode, names: Names, place: Read, total: str) -> list[str]:
    """The finished sums go where they are wanted."""
    index = _index(place.shape)
    own = placed(Read(place.value, place.shape, row_major(place.shape)), index)
    return [*_loops(place.shape), f"{names.item(code, place, index, written=True)} = {total}[{own}];"]


def _added(code: KernelCode, names: Names, value: Value, place: Read, total: str) -> list[str]:
    """A row is added to the sums."""
    ctype = ctype_of(value)
    if value.op == "matmul":
        a, b = value.args
        index = _index(value.shape)
        x = code.expression(a, ctype, [*index[:-1], ROW], names, {})
        y = code.expression(b, ctype, [*index[:-2], ROW, index[-1]], names, {})
        at = placed(Read(value, value.shape, row_major(value.shape)), index)
        return [*_loops(value.shape), f"{total}[{at}] += {x} * {y};"]
    read, axes = value.args[0], value.detail["axes"]
    axis = next(k for k, n in enumerate(read.shape) if n != 1)
    index = _index(read.shape, axis)
    at = placed(Read(value, place.shape, row_major(place.shape)), ["0" if k in axes else i for k, i in enumerate(index)])
    return [*_loops(read.shape, axis), f"{total}[{at}] += {code.expression(read, ctype, index, names, {})};"]


def _row(code: KernelCode, names: Names, kernel: Kernel, axis: int | None) -> list[str]:
    """What a kernel computes for one row."""
    value, place = kernel.parts[0]
    ctype = ctype_of(value)
    if kernel.op == "map" and axis is not None:
        return ["{", *code.rows_of(kernel, names, axis), "}"]
    if kernel.op == "matmul":
        (a, b), lead = value.args, ["0"] * (len(value.shape) - 2)
        j = _index(value.shape)[-1]

        def term(k: str) -> str:
            x = code.expression(a, ctype, [*lead, ROW, k], names, {})
            return f"{x} * {code.expression(b, ctype, [*lead, k, j], names, {})}"

        target = names.item(code, place, [*lead, ROW, j], written=True)
        if value.shape[-1] == 1:
            return [
                f"{{ {ctype} acc = 0; for (int64_t k = 0; k < {a.shape[-1]}; k++) acc += {term('k')}; {target} = acc; }}"
            ]
        return [*_loops(value.shape, axis), f"{target} = {' + '.join(term(str(k)) for k in range(a.shape[-1]))};"]
    if kernel.op == "fill":
        target = names.item(code, place, _index(place.shape, axis), written=True)
        return [*_loops(place.shape, axis), f"{target} = {code.number(value.detail['number'], ctype)};"]
    read, axes, fn = value.args[0], value.detail["axes"], value.detail["fn"]
    index = _index(read.shape, axis)
    item = code.expression(read, ctype, index, names, {})
    target = names.item(code, place, ["0" if k in axes else i for k, i in enumerate(index)], written=True)
    step = f"acc += {item};" if fn == "sum" else f"{{ const {ctype} e = {item}; acc = {apply(fn, ctype, ['e', 'acc'])}; }}"
    outer = _loops(read.shape, axis, [k for k in range(len(read.shape)) if k not in axes])
    inner = _loops(read.shape, axis, axes)
    return [*outer, f"{{ {ctype} acc = {least_or_largest(fn, ctype)};", *inner, step, f"{target} = acc; }}"]
