"""Products of matrices in CUDA C: a tile of the result for each block of threads, a piece of the tile for each thread."""

from __future__ import annotations

from typing import NamedTuple

DEPTH = 16  # of the slices of both operands that lie in shared memory
MOST = 4  # rows and columns of the piece of a thread
BYTES = {"float": 4, "double": 8}


class Shape(NamedTuple):
    """(m, k) @ (k, n): steps in memory from row to row and from column to column, of the result from row to row."""

    m: int
    n: int
    k: int
    a: tuple[int, ...]
    b: tuple[int, ...]
    c: int
    ctype: str


class Tile(NamedTuple):
    """How many threads share the rows and the columns of a tile, and how many of them each has."""

    down: int
    across: int
    rows: int
    columns: int

    @property
    def height(self) -> int:
        """Rows of the tile."""
        return self.down * self.rows

    @property
    def width(self) -> int:
        """Columns of the tile."""
        return self.across * self.columns


class Products:
    """The functions of all products of a source.

    Args:
        threads: of a block.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.functions: dict[Shape, str] = {}
        self.scratch = 0  # bytes of shared memory that they need

    def tile(self, shape: Shape) -> Tile:
        """The tile of a product: as square as the threads allow."""
        across = min(1 << (self.threads.bit_length() - 1) // 2, power(shape.n))
        down = min(self.threads // across, power(shape.m))
        across = min(self.threads // down, power(shape.n))
        rows, columns = (min(MOST, power(-(-size // of))) for size, of in ((shape.m, down), (shape.n, across)))
        return Tile(down, across, rows, columns)

    def tiles(self, shape: Shape) -> int:
        """How many tiles the result has."""
        tile = self.tile(shape)
        return -(-shape.m // tile.height) * -(-shape.n // tile.width)

    def name(self, shape: Shape) -> str:
        """The name of the function that computes one tile."""
        return self.functions.setdefault(shape, f"product{len(self.functions)}")

    def code(self) -> str:
        """All functions."""
        return "\n".join(self._function(shape, name) for shape, name in self.functions.items())

    def _function(self, shape: Shape, name: str) -> str:
        """A function of one tile; every thread of the block calls it."""
        T, tile, depth = shape.ctype, self.tile(shape), min(DEPTH, power(shape.k))
        height, width, pitch = tile.height, tile.width, tile.height + 1
        self.scratch = max(self.scratch, (pitch + width) * depth * BYTES[T])
        (down_a, along_a), (down_b, along_b) = shape.a, shape.b
        slices = [
            *self._slice("a", height, depth, pitch, ("top", shape.m, down_a), ("from", shape.k, along_a), along_a != 1),
            *self._slice("b", width, depth, width, ("left", shape.n, along_b), ("from", shape.k, down_b), along_b == 1),
        ]
        inner = [
            "#pragma unroll 4",
            f"for (int k = 0; k < {depth}; k++) {{",
            f"{T} x[{tile.rows}], y[{tile.columns}];",
            "#pragma unroll",
            f"for (int i = 0; i < {tile.rows}; i++) x[i] = a[k * {pitch} + down + i * {tile.down}];",
            "#pragma unroll",
            f"for (int j = 0; j < {tile.columns}; j++) y[j] = b[k * {width} + across + j * {tile.across}];",
            "#pragma unroll",
            f"for (int i = 0; i < {tile.rows}; i++)",
            "#pragma unroll",
            f"for (int j = 0; j < {tile.columns}; j++) c[i][j] += x[i] * y[j];",
            "}",
        ]
        inside = f"down < {tile.down} && row < {shape.m} && column < {shape.n}"
        return "\n".join([
            f"DEVICE void {name}(const {T} *A, const {T} *B, {T} *C, int tile, char *scratch) {{",
            f"{T} *a = ({T} *)scratch, *b = a + {pitch * depth};",
            f"const int thread = threadIdx.x, down = thread / {tile.across}, across = thread % {tile.across};",
            f"const int top = tile / {-(-shape.n // width)} * {height}, left = tile % {-(-shape.n // width)} * {width};",
            f"{T} c[{tile.rows}][{tile.columns}] = {{{{0}}}};",
            f"for (int from = 0; from < {shape.k}; from += {depth}) {{",
            *slices,
            "__syncthreads();",
            *([f"if (down < {tile.down}) {{", *inner, "}"] if tile.down * tile.across < self.threads else inner),
            "__syncthreads();",
            "}",
            f"for (int i = 0; i < {tile.rows}; i++) for (int j = 0; j < {tile.columns}; j++) {{",
            f"const int row = top + down + i * {tile.down}, column = left + across + j * {tile.across};",
            f"if ({inside}) C[row * {shape.c} + column] = c[i][j];",
            "}",
            "}",
        ])  # fmt: skip

    def _slice(
        self,
        name: str,
        extent: int,
        depth: int,
        pitch: int,
        outer: tuple[str, int, int],
        inner: tuple[str, int, int],
        outer_first: bool,
    ) -> list[str]:
        """Copy a slice to shared memory, beyond the edges zeros; neighbouring threads read neighbouring numbers.

        Args:
            outer, inner: where the rows or columns begin, how many there are, and the step in memory; the same of k.
        """
        (start, end, step), (first, last, along) = outer, inner
        o, k = (f"i % {extent}", f"i / {extent}") if outer_first else (f"i / {depth}", f"i % {depth}")
        source = f"{name.upper()}[({start} + o) * {step} + ({first} + k) * {along}]"
        return [
            "#pragma unroll 2",  # more takes long to compile
            f"for (int i = thread; i < {extent * depth}; i += {self.threads}) {{",
            f"const int o = {o}, k = {k};",
            f"{name}[k * {pitch} + o] = {start} + o < {end} && {first} + k < {last} ? {source} : 0;",
            "}",
        ]


def power(n: int) -> int:
    """The smallest power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()
