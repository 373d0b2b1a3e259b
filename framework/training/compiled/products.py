"""Matrix products of constant shape: blocks of rows times vectors in registers, blocks of both operands in the caches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from framework.training.compiled.memory import aligned

DEPTH = 256  # columns of A and rows of B at a time: a strip of B then stays in the first-level cache
HEIGHT = 144  # rows of A at a time, about: they stay in the second-level cache
DIRECT = 32 * 1024  # bytes of B that are read where they lie
WIDE = {1: 8, 2: 4, 3: 4}  # rows of C -> vectors of a block: few rows need more of them to keep the processor busy


class Machine(NamedTuple):
    """What the compiler's target offers: bytes of a vector, and the block of a product in registers."""

    bytes: int = 32
    rows: int = 6
    vectors: int = 2


class Shape(NamedTuple):
    """C (m, n) = A (m, k) @ B (k, n); strides of rows and columns of A and B, row stride of C, and their type.

    B may be packed before: a strip of columns after the other, each with its k rows side by side, filled up with 0.
    """

    m: int
    n: int
    k: int
    a: tuple[int, int]
    b: tuple[int, int]
    c: int
    ctype: str
    packed: bool = False


class Plan:
    """How a product is computed.

    Attributes:
        rows, vectors: of a block.
        depth, height: columns and rows of A that are worked through before the next ones.
        packs_a, packs_b: whether an operand is copied, block by block, to lie as it is read.
        scratch: numbers of memory that it needs beside its operands.
    """

    def __init__(self, shape: Shape, machine: Machine) -> None:
        size = 4 if shape.ctype == "float" else 8
        self.lanes = machine.bytes // size
        vectors = -(-shape.n // self.lanes)
        self.vectors = min(WIDE.get(shape.m, machine.vectors), vectors)
        self.rows = min(machine.rows * (2 if self.vectors == 1 else 1), shape.m)
        self.width = self.vectors * self.lanes
        self.depth = _even(shape.k, DEPTH, 1)
        self.height = _even(shape.m, HEIGHT, self.rows)
        self.packs_a = shape.a[1] != 1 and shape.m > 1 and shape.m * shape.k * size > DIRECT and shape.n > self.width
        self.packs_b = not shape.packed and (shape.b[1] != 1 or shape.k * shape.n * size > DIRECT)
        self.keeps_b = self.packs_b and shape.m > self.height  # for the next rows of A
        self.rest = shape.n % self.width
        self.tile = self.rows * self.width if self.rest % self.lanes else 0
        strips = -(-shape.n // self.width) if self.keeps_b else 1
        self.b_size = self.depth * self.width * strips if self.packs_b or (self.tile and not shape.packed) else 0
        self.a_size = self.depth * self.height if self.packs_a else 0
        self.scratch = 0 if shape.n == 1 else self.tile + self.b_size + self.a_size
        self.packed_size = shape.k * -(-shape.n // self.lanes) * self.lanes  # numbers of B, packed before


class Products:
    """The functions of all products of a source. Products of any shape share the functions that do the work."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.names: dict[Shape, str] = {}
        self.shared: dict[str, str] = {}  # name -> function
        self.drivers: list[str] = []

    def name(self, shape: Shape) -> str:
        """The C function `name(A, B, C, P)`; P is scratch memory."""
        if shape not in self.names:
            self.names[shape] = f"product{len(self.names)}"
            self.drivers.append(self._driver(self.names[shape], shape))
        return self.names[shape]

    def scratch(self, shape: Shape) -> int:
        """Numbers of scratch memory that the product needs."""
        return Plan(shape, self.machine).scratch

    def packs(self, shape: Shape) -> bool:
        """Whether the product copies B, in a way that does not depend on how its columns are shared out."""
        return shape.n > 1 and shape.m > max(WIDE) and Plan(shape, self.machine).packs_b

    def bytes_packed(self, shape: Shape) -> int:
        """Memory for all of B, packed."""
        return aligned(Plan(shape, self.machine).packed_size * (4 if shape.ctype == "float" else 8))

    def packing(self, shape: Shape) -> tuple[int, list[str]]:
        """How many strips B has, and the C that packs those from `from` to `to` of S into P."""
        plan, (row, column) = Plan(shape, self.machine), shape.b
        source, to = f"S + q * {plan.width * column}", f"P + q * {plan.width * shape.k}"
        whole, strips = shape.n // plan.width, -(-shape.n // plan.width)
        each = f"{self._pack(shape.ctype, plan.width)}({shape.k}, {plan.width}, {source}, {row}, {column}, {to});"
        lines = [f"for (int64_t q = from; q < LEAST(to, {whole}); q++) {each}"]
        if plan.rest:
            width = -(-plan.rest // plan.lanes) * plan.lanes
            source, to = f"S + {whole * plan.width * column}", f"P + {whole * plan.width * shape.k}"
            call = f"{self._pack(shape.ctype, width)}({shape.k}, {plan.rest}, {source}, {row}, {column}, {to});"
            lines.append(f"if (to == {strips}) {call}")
        return strips, lines

    def code(self) -> str:
        """All functions."""
        return "\n".join([*self.shared.values(), *self.drivers])

    def _driver(self, name: str, shape: Shape) -> str:
        T = shape.ctype
        head = (
            f"static NOINLINE void {name}(const {T} *restrict A, const {T} *restrict B, {T} *restrict C, {T} *restrict P) {{"
        )
        body = _by_rows(shape) if shape.n == 1 else self._by_blocks(shape)
        return "\n".join([f"/* ({shape.m}, {shape.k}) @ ({shape.k}, {shape.n}) */", head, *body, "}"])

    def _by_blocks(self, shape: Shape) -> list[str]:
        plan = Plan(shape, self.machine)
        (a_row, a_column), whole = shape.a, shape.n - plan.rest
        lines = [
            f"for (int64_t k = 0; k < {shape.k}; k += {plan.depth}) {{",
            f"const int64_t depth = LEAST({plan.depth}, {shape.k} - k);",
            f"for (int64_t h = 0; h < {shape.m}; h += {plan.height}) {{",
            f"const int64_t end = LEAST(h + {plan.height}, {shape.m});",
        ]
        if plan.packs_a:
            to, source = f"P + {plan.tile + plan.b_size} + (i - h) * {plan.depth}", f"A + i * {a_row} + k * {a_column}"
            pack = self._pack(shape.ctype, plan.rows)
            lines.append(f"for (int64_t i = h; i < end; i += {plan.rows})")
            lines.append(f"{pack}(depth, LEAST({plan.rows}, end - i), {source}, {a_column}, {a_row}, {to});")
        if whole:
            lines += [f"for (int64_t j = 0; j < {whole}; j += {plan.width}) {{", *self._strip(shape, plan, plan.width), "}"]
        if plan.rest:
            lines += [f"{{ const int64_t j = {whole};", *self._strip(shape, plan, plan.rest), "}"]
        return [*lines, "} }"]

    def _strip(self, shape: Shape, plan: Plan, columns: int) -> Iterator[str]:
        """Some columns of C."""
        vectors, partial = -(-columns // plan.lanes), bool(columns % plan.lanes)
        width, (b_row, b_column) = vectors * plan.lanes, shape.b
        b = f"B + k * {b_row} + j * {b_column}"
        if shape.packed:
            b, b_row = f"B + j * {shape.k} + k * {width}", width
        elif plan.packs_b or partial:
            at = f"P + {plan.tile}" + (f" + j * {plan.depth}" if plan.keeps_b else "")
            once = "if (h == 0) " if plan.keeps_b else ""
            yield f"{once}{self._pack(shape.ctype, width)}(depth, {columns}, {b}, {b_row}, {b_column}, {at});"
            b, b_row = at, width
        yield f"int64_t i = h; for (; i + {plan.rows} <= end; i += {plan.rows}) {{"
        yield from self._block(shape, plan, (plan.rows, vectors), (b, b_row), columns)
        yield "}"
        if rest := shape.m % plan.rows:
            yield "if (i < end) {"
            yield from self._block(shape, plan, (rest, vectors), (b, b_row), columns)
            yield "}"

    def _block(self, shape: Shape, plan: Plan, size: tuple[int, int], b: tuple[str, int], columns: int) -> Iterator[str]:
        """Some rows of a strip."""
        (rows, vectors), width = size, size[1] * plan.lanes
        a, steps = f"A + i * {shape.a[0]} + k * {shape.a[1]}", f"{shape.a[0]}, {shape.a[1]}"
        if plan.packs_a:
            a, steps = f"P + {plan.tile + plan.b_size} + (i - h) * {plan.depth}", f"1, {plan.rows}"
        c, name = f"C + i * {shape.c} + j", self._multiply(shape.ctype, rows, vectors)
        if columns == width:
            yield f"{name}(depth, {a}, {steps}, {b[0]}, {b[1]}, {c}, {shape.c}, k > 0);"
            return
        yield f"{name}(depth, {a}, {steps}, {b[0]}, {b[1]}, P, {width}, 0);"
        each = f"for (int r = 0; r < {rows}; r++)"
        copy = f"memcpy({c} + r * {shape.c}, P + r * {width}, {columns} * sizeof({shape.ctype}));"
        add = f"for (int q = 0; q < {columns}; q++) ({c})[r * {shape.c} + q] += P[r * {width} + q];"
        yield f"{each} {copy}" if shape.k <= plan.depth else f"if (k) {each} {add} else {each} {copy}"

    def _multiply(self, ctype: str, rows: int, vectors: int) -> str:
        """C (rows, vectors), or what is added to it, in registers."""
        name = f"block_{ctype}_{rows}x{vectors}"
        self.shared.setdefault(
            name, _multiply(name, ctype, rows, vectors, self.machine.bytes // (4 if ctype == "float" else 8))
        )
        return name

    def _pack(self, ctype: str, width: int) -> str:
        """Rows copied side by side, filled up with 0."""
        name = f"pack_{ctype}_{width}"
        side = 4 if ctype == "float" else 2
        turned = TURNED.format(T=ctype, width=width, side=side) if width % side == 0 else ""
        self.shared.setdefault(name, PACK.format(name=name, T=ctype, width=width, turned=turned))
        return name


PACK = """static NOINLINE void {name}(
int64_t k, int64_t n, const {T} *restrict S, int64_t row, int64_t column, {T} *restrict P) {{
{turned}for (; k > 0; k--, S += row, P += {width})
if (n == {width} && column == 1) memcpy(P, S, {width} * sizeof({T}));
else if (n == {width}) for (int j = 0; j < {width}; j++) P[j] = S[j * column];
else for (int j = 0; j < {width}; j++) P[j] = j < n ? S[j * column] : 0;
}}"""
# Of an operand that is read transposed: squares of numbers change places in registers.
TURNED = """if (row == 1 && n == {width}) for (; k >= {side}; k -= {side}, S += {side}, P += {side} * {width})
for (int j = 0; j < {width}; j += {side}) turn_{T}(S + j * column, column, P + j, {width});
"""
TURN = """
#if defined(__clang__) || __GNUC__ >= 12
#define PICK(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(T, a, b, ...) __builtin_shuffle(a, b, (n_##T){__VA_ARGS__})
#endif
typedef float q_float __attribute__((vector_size(16), may_alias, aligned(4)));
typedef double q_double __attribute__((vector_size(16), may_alias, aligned(8)));
typedef int32_t n_float __attribute__((vector_size(16)));
typedef int64_t n_double __attribute__((vector_size(16)));
static inline void turn_float(const float *S, int64_t from, float *P, int64_t to) {
const q_float a = *(q_float *)S, b = *(q_float *)(S + from), c = *(q_float *)(S + 2 * from), d = *(q_float *)(S + 3 * from);
const q_float e = PICK(float, a, b, 0, 4, 1, 5), f = PICK(float, a, b, 2, 6, 3, 7);
const q_float g = PICK(float, c, d, 0, 4, 1, 5), h = PICK(float, c, d, 2, 6, 3, 7);
*(q_float *)P = PICK(float, e, g, 0, 1, 4, 5), *(q_float *)(P + to) = PICK(float, e, g, 2, 3, 6, 7);
*(q_float *)(P + 2 * to) = PICK(float, f, h, 0, 1, 4, 5), *(q_float *)(P + 3 * to) = PICK(float, f, h, 2, 3, 6, 7);
}
static inline void turn_double(const double *S, int64_t from, double *P, int64_t to) {
const q_double a = *(q_double *)S, b = *(q_double *)(S + from);
*(q_double *)P = PICK(double, a, b, 0, 2), *(q_double *)(P + to) = PICK(double, a, b, 1, 3);
}
"""


def vector_types(machine: Machine) -> str:
    """The vector types that products use."""
    bits = f"vector_size({machine.bytes}), may_alias"
    types = [f"typedef {t} v_{t} __attribute__(({bits}, aligned(sizeof({t}))));" for t in ("float", "double")]
    return "\n".join([*types, "#define LEAST(a, b) ((a) < (b) ? (a) : (b))", TURN])


def _even(n: int, most: int, unit: int) -> int:
    """The size of equal parts of n, each a multiple of the unit and at most about `most`."""
    parts = -(-n // most)
    return -(-n // (parts * unit)) * unit


def _multiply(name: str, ctype: str, rows: int, vectors: int, lanes: int) -> str:
    each = [(r, q) for r in range(rows) for q in range(vectors)]
    starts = [f"*A{r} = A + {r} * a_row" for r in range(0, rows, 3)]
    lines = [
        f"static NOINLINE void {name}(int64_t k, const {ctype} *A, int64_t a_row, int64_t a_column,"
        f" const {ctype} *B, int64_t b_row, {ctype} *C, int64_t c_row, int add) {{",
        f"const {ctype} {', '.join(starts)};",
        " ".join(f"v_{ctype} c{r}_{q} = {{0}};" for r, q in each),
        f"for (; k > 0; k--, B += b_row, {', '.join(f'A{r} += a_column' for r in range(0, rows, 3))}) {{",
        " ".join(f"const v_{ctype} b{q} = *(const v_{ctype} *)(B + {q * lanes});" for q in range(vectors)),
    ]
    for r in range(rows):
        sums = " ".join(f"c{r}_{q} += a * b{q};" for q in range(vectors))
        lines.append(f"{{ const {ctype} a = A{r - r % 3}[{r % 3} * a_row]; {sums} }}")
    lines.append("}")
    at = {(r, q): f"*(v_{ctype} *)(C + {r} * c_row + {q * lanes})" for r, q in each}
    lines.append("if (add) {")
    lines += [f"c{r}_{q} += {at[r, q]};" for r, q in each]
    lines.append("}")
    lines += [f"{at[r, q]} = c{r}_{q};" for r, q in each]
    return "\n".join([*lines, "}"])


def _by_rows(shape: Shape) -> list[str]:
    """A product with one column: a sum for each row."""
    (row, column), step, T = shape.a, shape.b[0], shape.ctype
    if column == 1 or shape.m == 1:
        inner = f"for (int k = 0; k < {shape.k}; k++) s += A[(int64_t)i * {row} + k * {column}] * B[k * {step}];"
        return [f"for (int i = 0; i < {shape.m}; i++) {{ {T} s = 0; {inner} C[i * {shape.c}] = s; }}"]
    add = f"C[i * {shape.c}] += A[i * {row} + (int64_t)k * {column}] * b;"
    return [
        f"for (int i = 0; i < {shape.m}; i++) C[i * {shape.c}] = 0;",
        f"for (int k = 0; k < {shape.k}; k++) {{ const {T} b = B[k * {step}]; for (int i = 0; i < {shape.m}; i++) {add} }}",
    ]
