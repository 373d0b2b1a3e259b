"""Matrix products of constant shape: blocks of rows times vectors, held in registers."""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """What the compiler's target offers: bytes of a vector, and the block of a product in registers."""

    bytes: int = 32
    rows: int = 6
    vectors: int = 2


class Shape(NamedTuple):
    """C (m, n) = A (m, k) @ B (k, n); strides of rows and columns of A and B, row stride of C, and their type."""

    m: int
    n: int
    k: int
    a: tuple[int, int]
    b: tuple[int, int]
    c: int
    ctype: str


def scratch(shape: Shape, machine: Machine) -> int:
    """Numbers of memory that the product needs beside its operands: B by whole vectors, where it does not lie so."""
    return 0 if _is_direct(shape, machine) or shape.n == 1 else shape.k * _padded(shape, machine)


def product(name: str, shape: Shape, machine: Machine) -> str:
    """The C function `name(A, B, C, P)`; P is scratch memory."""
    head = f"static NOINLINE void {name}(const T *restrict A, const T *restrict B, T *restrict C, T *restrict P) {{"
    body = _by_rows(shape) if shape.n == 1 else _by_blocks(shape, machine)
    note = f"/* ({shape.m}, {shape.k}) @ ({shape.k}, {shape.n}) */"
    return "\n".join(
        [note, f"#define T {shape.ctype}", f"#define V {_vector(shape)}", head, *body, "}", "#undef T", "#undef V"]
    )


def vector_types(machine: Machine) -> str:
    """The vector types that products use."""
    bits = f"vector_size({machine.bytes}), may_alias"
    return "\n".join(f"typedef {t} v_{t} __attribute__(({bits}, aligned(sizeof({t}))));" for t in ("float", "double"))


def _vector(shape: Shape) -> str:
    return f"v_{shape.ctype}"


def _lanes(shape: Shape, machine: Machine) -> int:
    return machine.bytes // (4 if shape.ctype == "float" else 8)


def _padded(shape: Shape, machine: Machine) -> int:
    lanes = _lanes(shape, machine)
    return -(-shape.n // lanes) * lanes


def _is_direct(shape: Shape, machine: Machine) -> bool:
    return shape.b[1] == 1 and shape.n % _lanes(shape, machine) == 0


def _by_rows(shape: Shape) -> list[str]:
    """A product with one column: a sum for each row."""
    (row, column), step = shape.a, shape.b[0]
    if column == 1 or shape.m == 1:
        inner = f"for (int k = 0; k < {shape.k}; k++) s += A[(int64_t)i * {row} + k * {column}] * B[k * {step}];"
        return [f"for (int i = 0; i < {shape.m}; i++) {{ T s = 0; {inner} C[i * {shape.c}] = s; }}"]
    add = f"C[i * {shape.c}] += A[i * {row} + (int64_t)k * {column}] * b;"
    return [
        f"for (int i = 0; i < {shape.m}; i++) C[i * {shape.c}] = 0;",
        f"for (int k = 0; k < {shape.k}; k++) {{ const T b = B[k * {step}]; for (int i = 0; i < {shape.m}; i++) {add} }}",
    ]


def _by_blocks(shape: Shape, machine: Machine) -> list[str]:
    lanes, width = _lanes(shape, machine), _padded(shape, machine)
    lines, source, stride = [], "B", shape.b[0]
    if not _is_direct(shape, machine):
        source, stride = "P", width
        lines += _packed(shape, width)
    vectors, at = width // lanes, 0
    while at < vectors:
        count = min(machine.vectors, vectors - at)
        rows = machine.rows if count > 1 else machine.rows + machine.rows // 2
        whole, rest = divmod(shape.m, rows)
        if whole:
            block = _block(shape, rows, at, count, lanes, source, stride)
            lines += [f"for (int i = 0; i < {whole * rows}; i += {rows}) {{", *block, "}"]
        if rest:
            block = _block(shape, rest, at, count, lanes, source, stride)
            lines += [f"{{ const int i = {whole * rows};", *block, "}"]
        at += count
    return lines


def _packed(shape: Shape, width: int) -> list[str]:
    """B copied to P, each row filled up to whole vectors."""
    row, column = shape.b
    copy = f"P[(int64_t)k * {width} + j] = B[(int64_t)k * {row} + (int64_t)j * {column}];"
    k, j = f"for (int k = 0; k < {shape.k}; k++)", f"for (int j = 0; j < {shape.n}; j++)"
    lines = [f"{k} {j} {copy}" if column == 1 else f"{j} {k} {copy}"]
    if width > shape.n:
        lines.append(f"{k} for (int j = {shape.n}; j < {width}; j++) P[(int64_t)k * {width} + j] = 0;")
    return lines


def _block(shape: Shape, rows: int, first: int, count: int, lanes: int, source: str, stride: int) -> list[str]:
    row, column = shape.a
    each = [(r, q) for r in range(rows) for q in range(count)]
    lines = [" ".join(f"V c{r}_{q} = {{0}};" for r, q in each), f"for (int k = 0; k < {shape.k}; k++) {{"]
    at = [f"{source} + (int64_t)k * {stride} + {(first + q) * lanes}" for q in range(count)]
    lines.append(" ".join(f"const V b{q} = *(const V *)({at[q]});" for q in range(count)))
    for r in range(rows):
        sums = " ".join(f"c{r}_{q} += a * b{q};" for q in range(count))
        lines.append(f"{{ const T a = A[(int64_t)(i + {r}) * {row} + (int64_t)k * {column}]; {sums} }}")
    lines.append("}")
    for r, q in each:
        start = (first + q) * lanes
        n, to = min(lanes, shape.n - start), f"C + (int64_t)(i + {r}) * {shape.c} + {start}"
        store = f"*(V *)({to}) = c{r}_{q};" if n == lanes else f"memcpy({to}, &c{r}_{q}, {n} * sizeof(T));"
        lines.append(store)
    return lines
