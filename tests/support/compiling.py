"""Array code compiled to C, to be compared with NumPy."""

import itertools

import numpy as np

from framework.training.compiled.function import CompiledFunction, together
from framework.training.compiled.module import ArrayModule
from framework.training.compiled.products import DEPTH, HEIGHT

EDGES = [1, 3, 6, 16, 17]
DEEP = [(HEIGHT + 5, DEPTH + 3, 33), (7, 2 * DEPTH + 1, 18), (2 * HEIGHT + 1, 40, 300), (1, DEPTH + 1, 130), (3, 5, 77)]
SHAPES = [(m, 5, n) for m in EDGES for n in EDGES] + DEEP
LAYOUTS = list(itertools.product(("rows", "columns", "part"), repeat=2))  # of both operands
TOLERANCE = {"float32": 3e-6, "float64": 1e-12}


def compiled(function, arrays):
    """What the compiled function gives for these arrays."""
    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    shapes = {name: (a.shape, a.dtype) for name, a in arrays.items()}
    made = CompiledFunction(lambda given: {str(i): a for i, a in enumerate(function(ArrayModule(), **given))}, shapes)
    together([made])
    return list(made(arrays).values())


def same(function, **arrays):
    """The compiled function gives what NumPy gives."""
    found = compiled(function, arrays)
    with np.errstate(all="ignore"):
        expected = function(np, **{name: a.copy() for name, a in arrays.items()})
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        tolerance = TOLERANCE.get(str(b.dtype), 0)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def operand(rng, rows, columns, layout):
    """An array (rows, columns) as a view: row by row, column by column, or as a part of a wider one."""
    if layout == "columns":
        return rng.standard_normal((columns, rows)), lambda a: a.swapaxes(-1, -2)
    if layout == "part":
        return rng.standard_normal((rows, columns + 3)), lambda a: a[:, 2 : 2 + columns]
    return rng.standard_normal((rows, columns)), lambda a: a


def products_at_edges(layout_a, layout_b, dtype):
    """Operands of products at the edges of blocks, as they are multiplied, and what the compiled function gives."""
    rng = np.random.default_rng(0)
    arrays, views = {}, []
    for i, (m, k, n) in enumerate(SHAPES):
        (a, as_a), (b, as_b) = operand(rng, m, k, layout_a), operand(rng, k, n, layout_b)
        arrays |= {f"a{i}": a.astype(dtype), f"b{i}": b.astype(dtype)}
        views.append((as_a, as_b))
    found = compiled(lambda xp, **x: [f(x[f"a{i}"]) @ g(x[f"b{i}"]) for i, (f, g) in enumerate(views)], arrays)
    return [(f(arrays[f"a{i}"]), g(arrays[f"b{i}"]), found[i]) for i, (f, g) in enumerate(views)]
