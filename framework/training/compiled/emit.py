"""From a schedule to C: loops with constant bounds over memory with a fixed layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.training.compiled.cost import cost
from framework.training.compiled.functions import CTYPES, PREAMBLE, apply
from framework.training.compiled.graph import Read, Scalar, Value, literal
from framework.training.compiled.loops import Loop
from framework.training.compiled.products import Machine, Products, Shape, vector_types
from framework.training.compiled.schedule import Kernel, Schedule
from framework.training.compiled.team import RUNTIME, Parts, bounds, parts_of

ALIGNED = 64  # bytes
COMMON = f"{PREAMBLE}\n{RUNTIME}"
TIMER = """
#include <time.h>
int64_t ticks[{n}];
static int64_t last;
static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000 + t.tv_nsec; }
static void tick(int i) { const int64_t t = now(); ticks[i] += t - last; last = now(); }
"""
CHAINS = 4  # parts of a long sum


class Emitter:
    """
    Args:
        outputs: name -> value; see `Schedule`.
        machine: what products are made for.
        parent: the emitter of what stands around a loop, for the loop's step.
        loop: that loop.
        timed: whether the code adds up the time of each kernel, in nanoseconds, in `ticks`.

    Attributes:
        workspace: bytes of memory that one call needs.
        body: the C that computes everything once.
        products, constants, scalars: what stands before it.
    """

    def __init__(
        self,
        outputs: Mapping[str, Value],
        machine: Machine,
        timed: bool = False,
        parent: Emitter | None = None,
        loop: Loop | None = None,
    ) -> None:
        self.schedule, self.timed = Schedule(outputs, loop.is_given if loop else None), timed
        self.parent, self.ws = parent, f"ws_{loop.name}" if loop else "ws"
        self.products: Products = parent.products if parent else Products(machine)
        self.constants: dict[int, tuple[str, str]] = parent.constants if parent else {}
        self.scalars: dict[str, str] = parent.scalars if parent else {}
        self.parts: Parts = parent.parts if parent else Parts()
        self.free: list[tuple[int, int]] = []  # (start, size) of memory that is free again
        self.workspace, self.operations = 0, len(self.schedule.order)
        self.memory: dict[int, str] = {}
        self.starts: dict[int, int] = {}  # where a value's memory begins
        self._outputs_in_place()
        self.body = "\n".join([*self._kernels(), *self._copies()])

    def head(self) -> str:
        """What stands before the function."""
        constants = (text for _, text in self.constants.values())
        timer = [TIMER.replace("{n}", str(len(self.schedule.kernels)))] if self.timed else []
        types = vector_types(self.products.machine)
        return "\n".join([COMMON, *timer, types, self.products.code(), *constants, self.parts.code()])

    def code(self) -> str:
        """What computes everything once; it reads inputs, the numbers of scalars, `ws` and `team` by their names."""
        scalars = [f"const double {name} = {code};" for code, name in self.scalars.items()]
        return "\n".join([*scalars, *(["last = now();"] if self.timed else []), self.body])

    # ---- memory

    def _outputs_in_place(self) -> None:
        """Compute an output where it is wanted, if nothing else decides on its memory."""
        states = {value.detail["name"] for value in self.schedule.order if value.op == "input"}
        for name, value in self.schedule.outputs.items():
            root = self.schedule.root[value.id]
            if name not in states and not self.schedule.is_given(root) and root.size == value.size:
                self.memory.setdefault(root.id, name)

    def _kernels(self) -> list[str]:
        """The code of every kernel, memory taken before its first and given back after its last use."""
        kernels, schedule = self.schedule.kernels, self.schedule
        needed = [self._roots(kernel) for kernel in kernels]
        last = {root: i for i, roots in enumerate(needed) for root in roots}
        ends = {schedule.root[value.id].id for value in schedule.outputs.values()}
        lines: list[str] = []
        for i, kernel in enumerate(kernels):
            for root, value in needed[i].items():
                self._take(root, value)
            lines += [*self._code(kernel), *([f"tick({i});"] if self.timed else [])]
            for root, value in needed[i].items():
                if last[root] == i and root not in ends:
                    self._give(root, value)
        return lines

    def _roots(self, kernel: Kernel) -> dict[int, Value]:
        """The values whose memory a kernel uses."""
        here = {value.id for value, place in kernel.parts if not self._is_stored(value, place, kernel)}
        used = [read.value for value, _ in kernel.parts for read in self.schedule.leaves(value) if read.value.id not in here]
        used += [place.value for value, place in kernel.parts if value.id not in here]
        roots = [self.schedule.root[value.id] for value in used]
        return {root.id: root for root in roots}

    def _is_stored(self, value: Value, place: Read, kernel: Kernel) -> bool:
        """Whether anything but this kernel reads a value from memory."""
        if place.value is not value or value.id in self.schedule.ends or value.op == "loop":
            return True
        reads = [read for part, _ in kernel.parts for read in part.reads]
        here = sum(read.value is value and read.is_whole and read.shape == value.shape for read in reads)
        return here < len(self.schedule.uses[value.id])

    def _take(self, root: int, value: Value) -> None:
        if root in self.memory:
            return
        if value.op == "constant":
            self.memory[root] = self._constant(value)
        elif value.op == "input" and (not self.parent or value.detail["name"] in self.schedule.outputs):
            self.memory[root] = value.detail["name"]
        elif self.parent and self.schedule.is_given(value):
            self.memory[root] = self.parent.pointer(value)
        else:
            self.starts[root] = self._room(_bytes(value))
            self.memory[root] = f"(({_ctype(value)} *)({self.ws} + {self.starts[root]}))"

    def _room(self, size: int) -> int:
        fitting = [(room, start) for start, room in self.free if room >= size]
        if fitting:
            room, start = min(fitting)
            self.free.remove((start, room))
            if room > size:
                self.free.append((start + size, room - size))
            return start
        self.workspace += size
        return self.workspace - size

    def _give(self, root: int, value: Value) -> None:
        if root in self.starts:
            del self.memory[root]
            self._free(self.starts.pop(root), _bytes(value))

    def _free(self, start: int, size: int) -> None:
        """Give memory back, together with what is free beside it."""
        for other, room in list(self.free):
            if other + room == start or start + size == other:
                self.free.remove((other, room))
                start, size = min(start, other), size + room
        self.free.append((start, size))

    def _constant(self, value: Value) -> str:
        if value.id in self.constants:
            return self.constants[value.id][0]
        name, ctype, data = f"k{len(self.constants)}", _ctype(value), np.asarray(value.detail["data"])
        numbers = ", ".join(literal(x, ctype) for x in data.reshape(-1).tolist())
        self.constants[value.id] = (name, f"static const {ctype} {name}[] = {{{numbers}}};")
        return name

    def pointer(self, value: Value) -> str:
        """Where a value lies."""
        root = self.schedule.root[value.id]
        self._take(root.id, root)
        return self.memory[root.id]

    def _copies(self) -> list[str]:
        """Outputs that do not lie where they are wanted."""
        lines = []
        for name, value in self.schedule.outputs.items():
            if (at := self.pointer(value)) != name:
                lines.append(f"memcpy({name}, {at}, {value.size * value.dtype.itemsize});")
        return lines

    # ---- code

    def _code(self, kernel: Kernel) -> list[str]:
        value, place = kernel.parts[0]
        if kernel.op == "map":
            return self._loop(kernel)
        if kernel.op == "fill":
            return self._fill(value, place)
        if kernel.op == "loop":
            return self._time_loop(kernel)
        code = {"reduce": self._reduce, "argmax": self._argmax, "gather": self._gather, "matmul": self._product}
        return code[kernel.op](value, place)

    def _time_loop(self, kernel: Kernel) -> list[str]:
        """A loop over time: the state is copied to its memory, and every step overwrites it."""
        loop: Loop = kernel.parts[0][0].detail["loop"]
        states, steps, t = [], [], loop.name
        for value, place in kernel.parts:
            part, at, ctype = value.detail["part"], self.pointer(value), _ctype(value)
            if part < len(loop.carries):
                states += [*self._loop(Kernel([(_first(value), place)])), f"{ctype} *{loop.output_name(part)} = {at};"]
            else:
                steps.append(f"{ctype} *{loop.output_name(part)} = {at} + {t} * {value.size // loop.n};")
        parts = [value.detail["part"] for value, _ in kernel.parts]
        inner = Emitter({loop.output_name(i): loop.outputs[i] for i in parts}, self.products.machine, parent=self, loop=loop)
        loop.schedule = inner.schedule
        self.operations += inner.operations
        start = self._room(inner.workspace)
        self._free(start, inner.workspace)
        order = f"int64_t {t} = {loop.n - 1}; {t} >= 0; {t}--" if loop.reverse else f"int64_t {t} = 0; {t} < {loop.n}; {t}++"
        head = [f"{{ char *{inner.ws} = {self.ws} + {start};", *states, f"for ({order}) {{", *steps]
        return [*head, inner.body, "} }"]

    def _fill(self, value: Value, place: Read) -> list[str]:
        at, number = self.pointer(place.value), value.detail["number"]
        if not isinstance(number, Scalar) and number == 0:
            return [f"memset({at}, 0, {value.size * value.dtype.itemsize});"]
        return [f"for (int64_t i = 0; i < {value.size}; i++) {at}[i] = {self._number(number, _ctype(value))};"]

    def _number(self, number: Any, ctype: str) -> str:
        if isinstance(number, Scalar):
            return f"({ctype}){self.scalars.setdefault(number.code, f's{len(self.scalars)}')}"
        return literal(number, ctype)

    def _expression(self, arg: Any, ctype: str, index: Sequence[str], names: _Names, known: Mapping[int, str]) -> str:
        """An argument as C, of that type."""
        if not isinstance(arg, Read):
            return self._number(arg, ctype)
        value = arg.value
        if value.id in known and arg.is_whole:
            text = known[value.id]
        elif value.id in self.schedule.inlined and value.op == "fill":
            return self._number(value.detail["number"], ctype)
        elif value.id in self.schedule.inlined:
            text = self._map(value, index, names, known)
        else:
            text = names.item(self, arg, index)
        if value.dtype == bool and ctype in ("float", "double"):
            return f"({text} ? {literal(1, ctype)} : {literal(0, ctype)})"  # compilers make vectors of that
        return text if _ctype(value) == ctype else f"(({ctype}){text})"

    def _map(self, value: Value, index: Sequence[str], names: _Names, known: Mapping[int, str]) -> str:
        """The expression of a map."""
        fn = value.detail["fn"]
        if fn == "columns":
            rest, chosen = (self._expression(arg, _ctype(value), index, names, known) for arg in value.args)
            (first, last), i = value.detail["columns"], index[-1]
            inside = [f"{i} >= {first}"] * (first > 0) + [f"{i} < {last}"] * (last < value.shape[-1])
            return f"({' && '.join(inside)} ? {chosen} : {rest})"
        common = CTYPES[str(value.detail.get("common", value.dtype))]
        kinds = [common] * len(value.args)
        if fn == "where":
            kinds[0] = "uint8_t"
        if fn == "not":
            kinds = common_bool = ["uint8_t"]
            common = common_bool[0]
        arguments = [self._expression(arg, kind, index, names, known) for arg, kind in zip(value.args, kinds, strict=True)]
        if fn == "pow" and value.args[1] in (2, 0.5, -1, 3) and not isinstance(value.args[1], Read | Scalar):
            x = arguments[0]
            power = {2: f"({x} * {x})", 3: f"({x} * {x} * {x})", -1: f"(1 / {x})", 0.5: apply("sqrt", common, [x])}
            return power[value.args[1]]
        return apply(fn, common, arguments)

    def _loop(self, kernel: Kernel) -> list[str]:
        """One loop over an index for all maps of a kernel."""
        shape = kernel.parts[0][1].shape
        reads = [place for _, place in kernel.parts]
        reads += [read for value, _ in kernel.parts for read in self._all_reads(value)]
        if any(self._has_columns(value) for value, _ in kernel.parts):
            reads.append(Read(kernel.parts[0][0], shape, (*[0] * (len(shape) - 1), 1)))  # the number of a column is known
        sizes, index = _merged(shape, reads)
        names, body = _Names(), []
        known: dict[int, str] = {}
        for i, (value, place) in enumerate(kernel.parts):  # names do not depend on ids: equal steps are equal sources
            ctype, name = "_Bool" if value.dtype == bool else _ctype(value), f"t{i}"
            body.append(f"const {ctype} {name} = {self._map(value, index, names, known)};")
            known[value.id] = name
            if self._is_stored(value, place, kernel):
                body.append(f"{names.item(self, place, index, written=True)} = {name};")
        lines = []
        for depth, n in enumerate(sizes):
            if depth == len(sizes) - 1:
                lines += ["#pragma GCC ivdep", "#pragma GCC unroll 1"]  # a loop is written out only after it has vectors
            start, end = (0, n) if depth else ("from", "to")
            lines.append(f"for (int64_t i{depth} = {start}; i{depth} < {end}; i{depth}++) {{")
        return self._cut(kernel, names, [*lines, *body, "}" * len(sizes)], sizes[0], ALIGNED if len(sizes) == 1 else 1)

    def _cut(self, kernel: Kernel, names: _Names, lines: Sequence[str], extent: int, unit: int = 1) -> list[str]:
        """A kernel that works from index `from` to `to` of one axis, shared out if that is worth it."""
        parts = min(parts_of(cost(kernel, self.schedule, self.products.machine).seconds), extent // unit)
        if parts < 2:
            return [self.parts.alone(names.each(), [f"const int64_t from = 0, to = {extent};", *lines])]
        count, _, limits = bounds(extent, parts, unit)
        return [self.parts.shared(names.each(), [limits, *lines], count)]

    def _has_columns(self, value: Value) -> bool:
        """Whether a map treats some columns in another way."""
        inner = [read.value for read in value.reads if read.value.id in self.schedule.inlined and read.value.op == "map"]
        return value.detail["fn"] == "columns" or any(map(self._has_columns, inner))

    def _all_reads(self, value: Value) -> list[Read]:
        found = []
        for read in value.reads:
            if read.value.id not in self.schedule.inlined:
                found.append(read)
            elif read.value.op == "map":
                found += self._all_reads(read.value)
        return found

    def _reduce(self, value: Value, place: Read) -> list[str]:
        read, fn, ctype = value.args[0], value.detail["fn"], _ctype(value)
        axes, names = value.detail["axes"], _Names()
        index = [f"i{k}" for k in range(len(read.shape))]
        item = self._expression(read, ctype, index, names, {})
        target = names.item(self, place, ["0" if k in axes else i for k, i in enumerate(index)], written=True)
        outer, inner = [k for k in range(len(read.shape)) if k not in axes], list(axes)
        cut = next((k for k in outer if read.shape[k] > 1), -1)  # the axis that threads share
        extent = read.shape[cut] if cut >= 0 else 1
        ends = [("from", "to") if k == cut else (0, n) for k, n in enumerate(read.shape)]
        loop = [f"for (int64_t i{k} = {a}; i{k} < {b}; i{k}++)" for k, (a, b) in enumerate(ends)]
        by_columns = fn == "sum" and outer and outer[-1] == len(loop) - 1 and read.shape[-1] >= 4 and inner
        kernel = Kernel([(value, place)])
        if by_columns:
            head, last = [loop[k] for k in outer[:-1]], loop[outer[-1]]
            add = [*(loop[k] for k in inner), "\n#pragma GCC ivdep\n#pragma GCC unroll 1\n", last, f"{target} += {item};"]
            lines = [*head, "{", last, f"{target} = 0;", *add, "}"]
            return self._cut(kernel, names, lines, extent, ALIGNED if cut == outer[-1] else 1)
        start = {"sum": "0", "max": _least(ctype), "min": _largest(ctype)}[fn]
        step = (
            f"acc += {item};" if fn == "sum" else f"{{ const {ctype} e = {item}; acc = {apply(fn, ctype, ['e', 'acc'])}; }}"
        )
        if cut < 0 and fn == "sum" and inner:
            return self._sum_of_parts(kernel, names, index, inner)
        if fn == "sum" and inner and read.shape[inner[-1]] >= CHAINS * 64:
            n = read.shape[inner[-1]]
            inside = [*(loop[k] for k in inner[:-1]), *self._chains(read, ctype, index, inner[-1], names, "0", str(n))]
        else:
            inside = [*(loop[k] for k in inner), step]
        lines = [*(loop[k] for k in outer), f"{{ {ctype} acc = {start};", *inside, f"{target} = acc; }}"]
        return self._cut(kernel, names, lines, extent)

    def _sum_of_parts(self, kernel: Kernel, names: _Names, index: Sequence[str], inner: Sequence[int]) -> list[str]:
        """One sum: each part adds up a piece of the longest axis, and the parts are added in order."""
        value, place = kernel.parts[0]
        read, shape, ctype = value.args[0], value.args[0].shape, _ctype(value)
        target = f"{self.pointer(place.value)}[{_place(place, ['0'] * len(shape))}]"
        cut = max(inner, key=lambda k: shape[k])
        loops = [f"for (int64_t i{k} = 0; i{k} < {shape[k]}; i{k}++)" for k in inner if k != cut]
        fixed = [f"const int64_t i{k} = 0; (void)i{k};" for k in range(len(shape)) if k not in inner]
        adds = self._chains(read, ctype, index, cut, names, "from", "to")
        lines = [*fixed, f"{ctype} acc = 0;", *loops, *adds, "sums[part] = acc;"]
        seconds = cost(kernel, self.schedule, self.products.machine).seconds
        count, _, limits = bounds(shape[cut], min(parts_of(seconds), shape[cut] // ALIGNED), ALIGNED)
        pointers = {**names.each(), f"{ctype} *restrict sums": "sums"}
        if count == 1:
            work = self.parts.alone(pointers, [f"const int64_t part = 0, from = 0, to = {shape[cut]};", *lines])
        else:
            work = self.parts.shared(pointers, [limits, *lines], count)
        total = f"{ctype} total = 0; for (int part = 0; part < {count}; part++) total += sums[part];"
        return [f"{{ {ctype} sums[{count}];", work, f"{total} {target} = total; }}"]

    def _chains(
        self, read: Read, ctype: str, index: Sequence[str], axis: int, names: _Names, start: str, end: str
    ) -> list[str]:
        """A long sum in parts side by side: additions of one part would wait for each other."""
        i = f"i{axis}"
        at = [[f"({i} + {c} * n)" if k == axis else old for k, old in enumerate(index)] for c in range(CHAINS)]
        items = [self._expression(read, ctype, each, names, {}) for each in at]
        parts = [f"chain{c}" for c in range(CHAINS)]
        adds = " ".join(f"{part} += {item};" for part, item in zip(parts, items, strict=True))
        rest = self._expression(read, ctype, index, names, {})
        return [
            f"{{ const int64_t n = ({end} - {start}) / {CHAINS}; {ctype} {', '.join(f'{part} = 0' for part in parts)};",
            f"for (int64_t {i} = {start}; {i} < {start} + n; {i}++) {{ {adds} }}",
            f"for (int64_t {i} = {start} + {CHAINS} * n; {i} < {end}; {i}++) acc += {rest};",
            f"acc += {' + '.join(parts)}; }}",
        ]

    def _argmax(self, value: Value, place: Read) -> list[str]:
        read, axis, names = value.args[0], value.detail["axis"], _Names()
        ctype = _ctype(read.value)
        index = [f"i{k}" for k in range(len(read.shape))]
        item = self._expression(read, ctype, index, names, {})
        outer = [k for k in range(len(read.shape)) if k != axis]
        target = names.item(self, place, [index[k] for k in outer], written=True)
        heads = [f"for (int64_t i{k} = 0; i{k} < {read.shape[k]}; i{k}++)" for k in outer]
        better = f"i{axis} == 0 || e > best || (e != e && best == best)"
        search = f"const {ctype} e = {item}; if ({better}) {{ best = e; at = i{axis}; }}"
        inner = f"for (int64_t i{axis} = 0; i{axis} < {read.shape[axis]}; i{axis}++) {{ {search} }}"
        return [self.parts.alone(names.each(), [*heads, f"{{ {ctype} best = 0; int64_t at = 0; {inner} {target} = at; }}"])]

    def _gather(self, value: Value, place: Read) -> list[str]:
        table, *ids = value.args
        names, index = _Names(), [f"i{k}" for k in range(len(value.shape))]
        n = len(ids[0].shape)
        rows = [self._expression(i, "int64_t", index[:n], names, {}) for i in ids]
        chosen = Read(table.value, (), table.strides, table.offset, table.steps)
        source = names.item(self, chosen, [*(f"({row})" for row in rows), *index[n:]])
        target = names.item(self, place, index, written=True)
        loops = [f"for (int64_t i{k} = 0; i{k} < {size}; i{k}++)" for k, size in enumerate(value.shape)]
        return [self.parts.alone(names.each(), [*loops, f"{target} = {source};"])]

    def _product(self, value: Value, place: Read) -> list[str]:
        a, b = value.args
        (m, n), k = value.shape[-2:], a.shape[-1]
        row = place.strides[-2] if m > 1 else n
        shape, lead, T = Shape(m, n, k, a.strides[-2:], b.strides[-2:], row, _ctype(value)), value.shape[:-2], _ctype(value)
        index = [f"l{i}" for i in range(len(lead))]
        parts = parts_of(cost(Kernel([(value, place)]), self.schedule, self.products.machine).seconds)
        cut = next((i for i, size in enumerate(lead) if size >= parts), -1)
        ends = [("from", "to") if i == cut else (0, size) for i, size in enumerate(lead)]
        loops = [f"for (int64_t l{i} = {start}; l{i} < {end}; l{i}++)" for i, (start, end) in enumerate(ends)]
        at = [f"{name} + {_place(r, index, r.offset)}" for name, r in zip("ABC", (a, b, place), strict=True)]
        if cut >= 0:
            count, _, limits = bounds(lead[cut], parts)
            names, offsets = [self.products.name(shape)] * 2, ["", "", ""]
            room = self.products.scratch(shape)
        else:
            count, limits, names, offsets, room = self._pieces(shape, parts)
        room = _aligned(room * value.dtype.itemsize)
        extra = self._room(room * count) if room else 0
        if room:
            self._free(extra, room * count)
        memory = f"P + part * {room // value.dtype.itemsize}"
        first, last = (f"{name}({', '.join(map(str.__add__, at, offsets))}, {memory});" for name in names)
        call = first if names[0] == names[1] else f"{{ if (part < {count - 1}) {first} else {last} }}"
        starts = [f"{self.pointer(r.value)} + {r.offset}" for r in (a, b, place)]
        pointers = dict(zip((f"const {T} *A", f"const {T} *B", f"{T} *C"), starts, strict=True))
        pointers[f"{T} *P"] = f"({T} *)({self.ws} + {extra})"
        if count > 1:
            return [self.parts.shared(pointers, [limits, *loops, call], count)]
        limits = f"const int64_t part = 0, from = 0, to = {lead[cut] if cut >= 0 else m};"
        return [self.parts.alone(pointers, [limits, *loops, call])]

    def _pieces(self, shape: Shape, parts: int) -> tuple[int, str, list[str], list[str], int]:
        """A product cut by its rows or columns: how many pieces, their limits, the functions of all but the last and of the
        last, what is added to A, B and C, and the scratch memory of one."""
        by_columns = shape.n >= shape.m  # what the pieces copy of the other operand is less
        extent, unit = (shape.n, ALIGNED // 2) if by_columns else (shape.m, self.products.machine.rows)
        count, step, limits = bounds(extent, min(parts, extent // unit), unit)
        sizes = [step, extent - step * (count - 1)]
        pieces = [shape._replace(n=size) if by_columns else shape._replace(m=size) for size in sizes]
        if count == 1:
            offsets = ["", "", ""]
        elif by_columns:
            offsets = ["", f" + from * {shape.b[1]}", " + from"]
        else:
            offsets = [f" + from * {shape.a[0]}", "", f" + from * {shape.c}"]
        names = [self.products.name(piece) for piece in pieces]
        return count, limits, names, offsets, max(self.products.scratch(piece) for piece in pieces)


class _Names:
    """The pointers of a kernel: one for each memory, so that the compiler knows that they never meet.

    A pointer is to the place that is used first: kernels that do the same elsewhere in memory are then equal.
    """

    def __init__(self) -> None:
        self.pointers: dict[str, tuple[str, str, int]] = {}
        self.written: set[str] = set()

    def item(self, emitter: Emitter, read: Read, index: Sequence[str], written: bool = False) -> str:
        """The number of a read at an index."""
        at = emitter.pointer(read.value)
        name, _, start = self.pointers.setdefault(at, (f"p{len(self.pointers)}", _ctype(read.value), read.offset))
        if written:
            self.written.add(at)
        return f"{name}[{_place(read, index, start)}]"

    def each(self) -> dict[str, str]:
        """The declaration of each -> what it points to."""
        parts = self.pointers.items()
        return {
            f"{'' if at in self.written else 'const '}{t} *restrict {name}": f"{at} + {start}" if start else at
            for at, (name, t, start) in parts
        }


def _merged(shape: Sequence[int], reads: Sequence[Read]) -> tuple[list[int], list[str]]:
    """Sizes of the loops, and the index of every axis: axes that all reads walk through as one are one loop."""
    axes = [[i] for i, n in enumerate(shape) if n != 1] or [[]]
    merged = [axes[0]]
    for axis in axes[1:]:
        i, j = merged[-1][-1], axis[0]
        if all(read.strides[i] == read.strides[j] * shape[j] for read in reads):
            merged[-1] = merged[-1] + axis
        else:
            merged.append(axis)
    index = ["0"] * len(shape)
    for k, group in enumerate(merged):
        if group:
            index[group[-1]] = f"i{k}"
    return [math.prod(shape[i] for i in group) for group in merged], index


def _place(read: Read, index: Sequence[str], start: int = 0) -> str:
    """Where a read is at an index, counted from a start."""
    steps = [(name, stride) for name, stride in read.steps if stride]
    along = [*zip(index, read.strides, strict=False), *steps]
    terms = [i if s == 1 else f"{i} * {s}" for i, s in along if s and i != "0"]
    offset = read.offset - start
    return " + ".join([*terms, str(offset)] if offset or not terms else terms)


def _first(value: Value) -> Value:
    """A copy of the state before the first step."""
    return Value("map", value.shape, value.dtype, (value.args[0],), {"fn": "id"})


def _ctype(value: Value) -> str:
    return CTYPES[str(value.dtype)]


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _bytes(value: Value) -> int:
    return _aligned(value.size * value.dtype.itemsize)


def _least(ctype: str) -> str:
    return {"int64_t": "INT64_MIN", "int32_t": "INT32_MIN", "uint8_t": "0"}.get(ctype, "-INFINITY")


def _largest(ctype: str) -> str:
    return {"int64_t": "INT64_MAX", "int32_t": "INT32_MAX", "uint8_t": "1"}.get(ctype, "INFINITY")
