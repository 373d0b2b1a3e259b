"""Matrix products of the compiled tier, at the edges of their blocks, against NumPy in float64."""

import numpy as np
import pytest
from compiling import compiled

from framework.training.compiled.products import DEPTH, HEIGHT, Machine, Plan, Products, Shape

EDGES = [1, 3, 6, 16, 17]
DEEP = [(HEIGHT + 5, DEPTH + 3, 33), (7, 2 * DEPTH + 1, 18), (2 * HEIGHT + 1, 40, 300), (1, DEPTH + 1, 130), (3, 5, 77)]
SHAPES = [(m, 5, n) for m in EDGES for n in EDGES] + DEEP


def operand(rng, rows, columns, layout):
    """An array (rows, columns) as a view: row by row, column by column, or as a part of a wider one."""
    if layout == "columns":
        return rng.standard_normal((columns, rows)), lambda a: a.swapaxes(-1, -2)
    if layout == "part":
        return rng.standard_normal((rows, columns + 3)), lambda a: a[:, 2 : 2 + columns]
    return rng.standard_normal((rows, columns)), lambda a: a


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout_b", ["rows", "columns", "part"])
@pytest.mark.parametrize("layout_a", ["rows", "columns", "part"])
def test_products_are_right_at_the_edges_of_blocks(layout_a, layout_b, dtype):
    rng = np.random.default_rng(0)
    arrays, views = {}, []
    for i, (m, k, n) in enumerate(SHAPES):
        (a, as_a), (b, as_b) = operand(rng, m, k, layout_a), operand(rng, k, n, layout_b)
        arrays |= {f"a{i}": a.astype(dtype), f"b{i}": b.astype(dtype)}
        views.append((as_a, as_b))
    found = compiled(lambda xp, **x: [f(x[f"a{i}"]) @ g(x[f"b{i}"]) for i, (f, g) in enumerate(views)], arrays)
    for i, (as_a, as_b) in enumerate(views):
        a, b = as_a(arrays[f"a{i}"]).astype(float), as_b(arrays[f"b{i}"]).astype(float)
        bound = 2 * a.shape[1] * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))  # of rounding, whatever the order of a sum
        assert (np.abs(found[i] - a @ b) <= bound).all()


def test_a_product_writes_only_to_its_columns():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((7, 300)), rng.standard_normal((300, 10))

    def written(xp, a, b):
        y = xp.ones((9, 14))
        y[1:8, 2:12] = a @ b
        return [y]

    (found,) = compiled(written, {"a": a, "b": b})
    expected = np.ones((9, 14))
    expected[1:8, 2:12] = a @ b
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_products_of_many_shapes_share_their_work():
    products = Products(Machine())
    shapes = [Shape(6 * m, n, k, (k, 1), (n, 1), n, "float") for m in (1, 9) for n in (32, 64) for k in (8, 500)]
    assert len({products.name(shape) for shape in shapes}) == len(shapes)
    assert sum("block" in name for name in products.shared) == 1


@pytest.mark.parametrize("machine", [Machine(64, 12, 2), Machine(32, 6, 2), Machine(16, 6, 2)])
def test_memory_beside_a_product_is_bounded(machine):
    size = 4096
    plan = Plan(Shape(size, size, size, (1, size), (1, size), size, "double"), machine)
    assert plan.scratch <= DEPTH * (size + 2 * HEIGHT + plan.width) + plan.tile
