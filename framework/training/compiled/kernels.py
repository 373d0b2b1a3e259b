"""The C of each kernel: loops with constant bounds, sums, chosen rows and products."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from framework.training.compiled.cost import cost
from framework.training.compiled.expressions import Names, least_or_largest, merged, placed
from framework.training.compiled.functions import apply, ctype_of
from framework.training.compiled.graph import Read, Scalar, Value
from framework.training.compiled.layout import Layout
from framework.training.compiled.memory import ALIGNED, aligned
from framework.training.compiled.products import Products, Shape
from framework.training.compiled.schedule import Kernel
from framework.training.compiled.team import Parts, bounds, parts_of

CHAINS = 4  # parts of a long sum
ROW = "row"  # the index of the row in a kernel that runs row by row


class KernelCode(Layout):
    """What writes the C of kernels; an `Emitter` knows where values lie.

    Attributes:
        products, parts: functions that are called.
    """

    products: Products
    parts: Parts

    @abstractmethod
    def packed(self, b: Read, shape: Shape) -> str:
        """Where the second operand of a product lies packed since before the time loop, if that saves anything."""

    def kernel(self, kernel: Kernel) -> list[str]:
        """The C of a kernel."""
        if kernel.op == "map":
            return self.loop(kernel)
        code = {
            "fill": self.fill,
            "reduce": self.reduce,
            "argmax": self.argmax,
            "gather": self.gather,
            "matmul": self.product,
        }
        return code[kernel.op](*kernel.parts[0])

    def fill(self, value: Value, place: Read) -> list[str]:
        """An array of one number."""
        at, number = self.pointer(place.value), value.detail["number"]
        if not isinstance(number, Scalar) and number == 0:
            return [f"memset({at}, 0, {value.size * value.dtype.itemsize});"]
        return [f"for (int64_t i = 0; i < {value.size}; i++) {at}[i] = {self.number(number, ctype_of(value))};"]

    def loop(self, kernel: Kernel) -> list[str]:
        """One loop over an index for all maps of a kernel."""
        names = Names()
        sizes, index = merged(kernel.parts[0][1].shape, self.reads_of(kernel))
        lines = loops([("from", "to"), *((0, n) for n in sizes[1:])])
        unit = ALIGNED if len(sizes) == 1 else 1
        return self._cut(kernel, names, [*lines, *self.assignments(kernel, names, index), "}" * len(sizes)], sizes[0], unit)

    def rows_of(self, kernel: Kernel, names: Names, axis: int) -> list[str]:
        """The loops over what one row of a kernel's maps has."""
        shape = [1 if k == axis else n for k, n in enumerate(kernel.parts[0][1].shape)]
        sizes, index = merged(shape, self.reads_of(kernel))
        index[axis] = ROW
        heads = loops([(0, n) for n in sizes])
        return [*heads[:-2], heads[-1], *self.assignments(kernel, names, index), "}" * len(sizes)]

    def _cut(self, kernel: Kernel, names: Names, lines: Sequence[str], extent: int, unit: int = 1) -> list[str]:
        """A kernel that works from index `from` to `to` of one axis, shared out if that is worth it."""
        parts = min(parts_of(cost(kernel, self.schedule, self.products.machine).seconds), extent // unit)
        if parts < 2:
            return [self.parts.alone(names.each(), [f"const int64_t from = 0, to = {extent};", *lines])]
        count, _, limits = bounds(extent, parts, unit)
        return [self.parts.shared(names.each(), [limits, *lines], count)]

    def reduce(self, value: Value, place: Read) -> list[str]:
        """Sums, maxima or minima over axes."""
        read, fn, ctype = value.args[0], value.detail["fn"], ctype_of(value)
        axes, names = value.detail["axes"], Names()
        index = [f"i{k}" for k in range(len(read.shape))]
        item = self.expression(read, ctype, index, names, {})
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
        start = least_or_largest(fn, ctype)
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

    def _sum_of_parts(self, kernel: Kernel, names: Names, index: Sequence[str], inner: Sequence[int]) -> list[str]:
        """One sum: each part adds up a piece of the longest axis, and the parts are added in order."""
        value, place = kernel.parts[0]
        read, shape, ctype = value.args[0], value.args[0].shape, ctype_of(value)
        target = f"{self.pointer(place.value)}[{placed(place, ['0'] * len(shape))}]"
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
        self, read: Read, ctype: str, index: Sequence[str], axis: int, names: Names, start: str, end: str
    ) -> list[str]:
        """A long sum in parts side by side: additions of one part would wait for each other."""
        i = f"i{axis}"
        at = [[f"({i} + {c} * n)" if k == axis else old for k, old in enumerate(index)] for c in range(CHAINS)]
        items = [self.expression(read, ctype, each, names, {}) for each in at]
        parts = [f"chain{c}" for c in range(CHAINS)]
        adds = " ".join(f"{part} += {item};" for part, item in zip(parts, items, strict=True))
        rest = self.expression(read, ctype, index, names, {})
        return [
            f"{{ const int64_t n = ({end} - {start}) / {CHAINS}; {ctype} {', '.join(f'{part} = 0' for part in parts)};",
            f"for (int64_t {i} = {start}; {i} < {start} + n; {i}++) {{ {adds} }}",
            f"for (int64_t {i} = {start} + {CHAINS} * n; {i} < {end}; {i}++) acc += {rest};",
            f"acc += {' + '.join(parts)}; }}",
        ]

    def argmax(self, value: Value, place: Read) -> list[str]:
        """The index of the largest number along an axis, the first one if there are several."""
        read, axis, names = value.args[0], value.detail["axis"], Names()
        ctype = ctype_of(read.value)
        index = [f"i{k}" for k in range(len(read.shape))]
        item = self.expression(read, ctype, index, names, {})
        outer = [k for k in range(len(read.shape)) if k != axis]
        target = names.item(self, place, [index[k] for k in outer], written=True)
        heads = [f"for (int64_t i{k} = 0; i{k} < {read.shape[k]}; i{k}++)" for k in outer]
        better = f"i{axis} == 0 || e > best || (e != e && best == best)"
        search = f"const {ctype} e = {item}; if ({better}) {{ best = e; at = i{axis}; }}"
        inner = f"for (int64_t i{axis} = 0; i{axis} < {read.shape[axis]}; i{axis}++) {{ {search} }}"
        return [self.parts.alone(names.each(), [*heads, f"{{ {ctype} best = 0; int64_t at = 0; {inner} {target} = at; }}"])]

    def gather(self, value: Value, place: Read) -> list[str]:
        """Rows chosen by arrays of numbers."""
        table, *ids = value.args
        names, index = Names(), [f"i{k}" for k in range(len(value.shape))]
        n = len(ids[0].shape)
        rows = [self.expression(i, "int64_t", index[:n], names, {}) for i in ids]
        rows = [f"({row} < 0 ? {row} + {size} : {row})" for row, size in zip(rows, table.shape, strict=False)]
        chosen = Read(table.value, (), table.strides, table.offset, table.steps)
        source = names.item(self, chosen, [*(f"({row})" for row in rows), *index[n:]])
        target = names.item(self, place, index, written=True)
        loops = [f"for (int64_t i{k} = 0; i{k} < {size}; i{k}++)" for k, size in enumerate(value.shape)]
        return [self.parts.alone(names.each(), [*loops, f"{target} = {source};"])]

    def product(self, value: Value, place: Read) -> list[str]:
        """A matrix product, or several of equal shapes."""
        a, b = value.args
        (m, n), k = value.shape[-2:], a.shape[-1]
        lead, T, row = value.shape[:-2], ctype_of(value), place.strides[-2] if m > 1 else n
        index = [f"l{i}" for i in range(len(lead))]
        parts = parts_of(cost(Kernel([(value, place)]), self.schedule, self.products.machine).seconds)
        shape = Shape(m, n, k, a.strides[-2:], b.strides[-2:], row, T)
        before = self.packed(b, shape) if value.size == m * n and (n >= m or parts == 1) else ""
        shape = shape._replace(packed=bool(before))
        cut = next((i for i, size in enumerate(lead) if size >= parts), -1)
        ends = [("from", "to") if i == cut else (0, size) for i, size in enumerate(lead)]
        loops = [f"for (int64_t l{i} = {start}; l{i} < {end}; l{i}++)" for i, (start, end) in enumerate(ends)]
        at = [f"{name} + {placed(r, index, r.offset)}" for name, r in zip("ABC", (a, b, place), strict=True)]
        at[1] = "B" if before else at[1]
        if cut >= 0:
            count, _, limits = bounds(lead[cut], parts)
            names, offsets = [self.products.name(shape)] * 2, ["", "", ""]
            room = self.products.scratch(shape)
        else:
            count, limits, names, offsets, room = self._pieces(shape, parts)
        room = aligned(room * value.dtype.itemsize)
        extra = self.workspace.lend(room * count)
        memory = f"P + part * {room // value.dtype.itemsize}"
        first, last = (f"{name}({', '.join(map(str.__add__, at, offsets))}, {memory});" for name in names)
        call = first if names[0] == names[1] else f"{{ if (part < {count - 1}) {first} else {last} }}"
        starts = [f"{self.pointer(r.value)} + {r.offset}" for r in (a, b, place)]
        starts[1] = before or starts[1]
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
            offsets = ["", f" + from * {shape.k if shape.packed else shape.b[1]}", " + from"]
        else:
            offsets = [f" + from * {shape.a[0]}", "", f" + from * {shape.c}"]
        names = [self.products.name(piece) for piece in pieces]
        return count, limits, names, offsets, max(self.products.scratch(piece) for piece in pieces)


def loops(ends: Sequence[tuple[Any, Any]]) -> list[str]:
    """Loops over i0, i1 ..., the last of which becomes vectors; it is written out only after that."""
    heads = [f"for (int64_t i{k} = {start}; i{k} < {end}; i{k}++) {{" for k, (start, end) in enumerate(ends)]
    return [*heads[:-1], "#pragma GCC ivdep", "#pragma GCC unroll 1", heads[-1]]
