"""Matrix products of the compiled tier, at the edges of their blocks, against NumPy in float64."""

import numpy as np
import pytest
from compiling import LAYOUTS, compiled, products_at_edges

from framework.training.compiled.products import DEPTH, HEIGHT, Machine, Plan, Products, Shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layout_a", "layout_b"), LAYOUTS)
def test_products_are_right_at_the_edges_of_blocks(layout_a, layout_b, dtype):
    for a, b, found in products_at_edges(layout_a, layout_b, dtype):
        a, b = a.astype(float), b.astype(float)
        bound = 2 * a.shape[1] * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))  # of rounding, whatever the order of a sum
        assert (np.abs(found - a @ b) <= bound).all()


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
