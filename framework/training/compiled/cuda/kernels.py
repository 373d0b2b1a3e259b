"""The CUDA C of each kernel, for the threads of one block or of several. `at` is the number of a thread among `every`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from framework.training.compiled.cuda.products import Products, Shape
from framework.training.compiled.cuda.turns import Code
from framework.training.compiled.expressions import Names, least_or_largest, merged, placed
from framework.training.compiled.functions import apply, ctype_of
from framework.training.compiled.graph import Read, Value
from framework.training.compiled.layout import Layout
from framework.training.compiled.schedule import Kernel

SIDE_BY_SIDE = 32  # threads that add up a row of memory, so that they read it together
ALONE = 8  # terms of a sum that one thread adds up at most as fast as several


class CudaKernels(Layout):
    """What writes the CUDA C of kernels.

    Attributes:
        threads: of a block.
        products: the functions of products.
        scratch: bytes of shared memory that sums need.
    """

    threads: int
    products: Products
    scratch: int

    def kernel(self, kernel: Kernel) -> Code:
        """The code of a kernel. Where threads share memory of their block, it ends with a barrier."""
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

    def loop(self, kernel: Kernel) -> Code:
        """All maps of a kernel at each index."""
        names = Names()
        sizes, index = merged(kernel.parts[0][1].shape, self.reads_of(kernel))
        return self._each(names, sizes, self.assignments(kernel, names, index))

    def fill(self, value: Value, place: Read) -> Code:
        """An array of one number."""
        at, number = self.pointer(place.value), self.number(value.detail["number"], ctype_of(value))
        return self._each(Names(), [value.size], [f"{at}[i0] = {number};"])

    def argmax(self, value: Value, place: Read) -> Code:
        """The index of the largest number along an axis, the first one if there are several."""
        read, axis, names = value.args[0], value.detail["axis"], Names()
        ctype, index = ctype_of(read.value), [f"i{k}" for k in range(len(read.shape))]
        outer = [k for k in range(len(read.shape)) if k != axis]
        item = self.expression(read, ctype, index, names, {})
        target = names.item(self, place, [index[k] for k in outer], written=True)
        better = f"i{axis} == 0 || e > best || (e != e && best == best)"
        lines = [
            f"{ctype} best = 0; int where = 0;",
            f"for (int i{axis} = 0; i{axis} < {read.shape[axis]}; i{axis}++) {{",
            f"const {ctype} e = {item}; if ({better}) {{ best = e; where = i{axis}; }}",
            "}",
            f"{target} = where;",
        ]
        return self._each(names, [read.shape[k] for k in outer], lines, [index[k] for k in outer])

    def gather(self, value: Value, place: Read) -> Code:
        """Rows chosen by arrays of numbers."""
        table, *ids = value.args
        names, index, n = Names(), [f"i{k}" for k in range(len(value.shape))], len(ids[0].shape)
        rows = [self.expression(i, "int64_t", index[:n], names, {}) for i in ids]
        rows = [f"({row} < 0 ? {row} + {size} : {row})" for row, size in zip(rows, table.shape, strict=False)]
        chosen = Read(table.value, (), table.strides, table.offset, table.steps)
        source = names.item(self, chosen, [*(f"({row})" for row in rows), *index[n:]])
        return self._each(names, value.shape, [f"{names.item(self, place, index, written=True)} = {source};"])

    def reduce(self, value: Value, place: Read) -> Code:
        """Sums, maxima or minima over axes."""
        read, fn, axes, names = value.args[0], value.detail["fn"], list(value.detail["axes"]), Names()
        index = [f"i{k}" for k in range(len(read.shape))]
        outer = [k for k in range(len(read.shape)) if k not in axes]
        item = self.expression(read, ctype_of(value), index, names, {})
        target = names.item(self, place, ["0" if k in axes else i for k, i in enumerate(index)], written=True)
        is_row = bool(axes) and axes[-1] == len(read.shape) - 1
        sizes, terms = [(index[k], read.shape[k]) for k in outer], [(index[k], read.shape[k]) for k in axes]
        return self._folded(names, fn, ctype_of(value), sizes, terms, (item, target), is_row)

    def product(self, value: Value, place: Read) -> Code:
        """A product of matrices, or several of equal shapes."""
        a, b = value.args
        (m, n), k, lead, T = value.shape[-2:], a.shape[-1], value.shape[:-2], ctype_of(value)
        index = [f"i{i}" for i in range(len(lead))]
        if value.size * 2 <= self.threads and k >= ALONE:  # few sums of many terms: threads share each
            names, row, column = Names(), f"i{len(lead)}", f"i{len(lead) + 1}"
            x, y = names.item(self, a, [*index, row, "k"]), names.item(self, b, [*index, "k", column])
            target = names.item(self, place, [*index, row, column], written=True)
            sizes = [*zip(index, lead, strict=True), (row, m), (column, n)]
            return self._folded(names, "sum", T, sizes, [("k", k)], (f"{x} * {y}", target), True)
        shape = Shape(m, n, k, a.strides[-2:], b.strides[-2:], place.strides[-2] if m > 1 else n, T)
        tiles, count = self.products.tiles(shape), prod(lead)
        at = [f"{self.pointer(r.value)} + {placed(r, index)}" for r in (a, b, place)]
        lines = [
            f"for (int tile = block; tile < {tiles * count}; tile += blocks) {{",
            *indices(f"tile / {tiles}", list(zip(index, lead, strict=True))),
            f"{self.products.name(shape)}({', '.join(at)}, tile % {tiles}, scratch);",
            "}",
        ]
        return Code(lines, tiles * count)

    def _folded(
        self,
        names: Names,
        fn: str,
        ctype: str,
        sizes: Sequence[tuple[str, int]],
        terms: Sequence[tuple[str, int]],
        made: tuple[str, str],
        is_row: bool,
    ) -> Code:
        """Terms folded into one number for each index.

        Args:
            sizes, terms: index -> size, of the results and of the terms of each.
            made: the expressions of a term and of a result.
            is_row: whether the terms lie side by side.
        """
        (item, target), results, count = made, prod(n for _, n in sizes), prod(n for _, n in terms)
        start, lanes = least_or_largest(fn, ctype), 1
        while lanes < min(self.threads, count) and (results * lanes < self.threads or (is_row and lanes < SIDE_BY_SIDE)):
            lanes *= 2
        if lanes == 1 or count <= ALONE:
            loops = [f"for (int {i} = 0; {i} < {n}; {i}++)" for i, n in terms]
            lines = [f"{ctype} acc = {start};", *loops, f"{{ {_fold(fn, ctype, 'acc', item)} }}", f"{target} = acc;"]
            return self._each(names, [n for _, n in sizes], lines, [i for i, _ in sizes])
        self.scratch = max(self.scratch, 8 * self.threads)
        here = self.threads // lanes
        lines = [
            f"for (int base = block * {here}; base < {results}; base += blocks * {here}) {{",
            f"const int o = base + thread / {lanes}, lane = thread % {lanes};",
            f"{ctype} acc = {start};",
            f"if (o < {results} && thread < {here * lanes}) {{",
            *indices("o", sizes),
            f"for (int j = lane; j < {count}; j += {lanes}) {{",
            *indices("j", terms),
            f"{_fold(fn, ctype, 'acc', item)} }} }}",
            f"{ctype} *parts = ({ctype} *)scratch;",
            "parts[thread] = acc;",
            "__syncthreads();",
            f"for (int half = {lanes // 2}; half; half /= 2) {{",
            f"if (lane < half) {{ {_fold(fn, ctype, 'parts[thread]', 'parts[thread + half]')} }}",
            "__syncthreads(); }",
            f"if (lane == 0 && o < {results} && thread < {here * lanes}) {{",
            *indices("o", sizes),
            f"{target} = parts[thread]; }}",
            "__syncthreads();",
            "}",
        ]
        return Code(scoped(names, lines), -(-results // here))

    def _each(self, names: Names, sizes: Sequence[int], lines: Sequence[str], index: Sequence[str] | None = None) -> Code:
        """Lines for every index i0, i1, ..., each computed by one thread."""
        total, axes = prod(sizes), [*zip(index or [f"i{k}" for k in range(len(sizes))], sizes, strict=True)]
        if len(axes) == 1:
            head = [f"for (int {axes[0][0]} = at; {axes[0][0]} < {total}; {axes[0][0]} += every) {{"]
        else:
            head = [f"for (int i = at; i < {total}; i += every) {{", *indices("i", axes)]
        return Code(scoped(names, [*head, *lines, "}"]), -(-total // self.threads))


def indices(number: str, sizes: Sequence[tuple[str, int]]) -> list[str]:
    """The index of every axis from the number of an element, the last axis being the fastest."""
    lines, step = [], 1
    for k, (name, size) in reversed(list(enumerate(sizes))):
        at = f"({number})" if step == 1 else f"({number}) / {step}"
        lines.append(f"const int {name} = {'0' if size == 1 else at if k == 0 else f'{at} % {size}'};")
        step *= size
    return lines


def scoped(names: Names, lines: Sequence[str]) -> list[str]:
    """Lines with the pointers that they use."""
    pointers = [f"{declared.replace('restrict ', '')} = {at};" for declared, at in names.each().items()]
    return ["{", *pointers, *lines, "}"]


def _fold(fn: str, ctype: str, total: str, item: str) -> str:
    """Fold a term into a number."""
    if fn == "sum":
        return f"{total} += {item};"
    return f"const {ctype} e = {item}; {total} = {apply(fn, ctype, ['e', total])};"
