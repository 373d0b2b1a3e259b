"""Array code, traced and compiled, against NumPy: the same results, whatever views and in-place writes it uses."""

import numpy as np
import pytest
from compiling import compiled, same

from framework.training.compiled import build
from framework.training.compiled.array import contiguous, new
from framework.training.compiled.emit import Emitter
from framework.training.compiled.function import CompiledFunction, together
from framework.training.compiled.graph import UntraceableError
from framework.training.compiled.module import ArrayModule
from framework.training.compiled.products import Machine
from framework.training.compiled.schedule import Schedule


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def numbers(dtype, *shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_elementwise_functions_are_those_of_numpy(dtype):
    x = np.concatenate([numbers(dtype, 40) * 3, [0.0, 0.5, -0.5, 20, -20, 1e-4]]).astype(dtype)

    def functions(xp, x):
        positive = xp.abs(x) + 0.001
        each = [xp.exp(x), xp.log(positive), xp.sqrt(positive), xp.tanh(x), xp.sign(x), xp.log1p(positive), -x]
        return [*each, x**2, x**3, positive**0.5, positive**-1.5, xp.clip(x, -1, 1), xp.maximum(x, 0.2), 1 / positive]

    same(functions, x=x)


@pytest.mark.parametrize("function", ["exp", "log", "tanh", "sqrt", "maximum", "minimum", "max", "sign"])
def test_nan_and_infinity_are_those_of_numpy(dtype, function):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0, 1e30, -1e30], dtype)

    def apply(xp, x):
        if function in ("maximum", "minimum"):
            return [getattr(xp, function)(x, x[::-1]), getattr(xp, function)(x, 0.5)]
        return [xp.max(x[1:]), xp.max(x)] if function == "max" else [getattr(xp, function)(x)]

    same(apply, x=x)


def test_exp_is_right_to_two_ulp_over_its_whole_range(dtype):
    top = 88 if dtype == "float32" else 709
    x = np.linspace(-top, top, 20_001).astype(dtype)
    (found,) = compiled(lambda xp, x: [xp.exp(x)], {"x": x})
    exact = np.exp(x.astype(np.longdouble))
    ulp = np.spacing(exact.astype(dtype)).astype(np.longdouble)
    assert np.abs((found - exact) / ulp).max() < 2.5


@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (3, 5, 7), (64, 64, 10), (13, 1, 16), (1, 40, 33), (20, 17, 1), (33, 31, 48)]
)
def test_products_of_any_shape_and_layout(dtype, m, k, n):
    a, b = numbers(dtype, m, k), numbers(dtype, k, n, seed=1)
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)

    def products(xp, a, b, at, bt):
        return [a @ b, at.swapaxes(-1, -2) @ b, a @ bt.swapaxes(-1, -2), at.swapaxes(-1, -2) @ bt.swapaxes(-1, -2)]

    same(products, a=a, b=b, at=at, bt=bt)


def test_reductions_over_any_axes(dtype):
    x = numbers(dtype, 3, 4, 5)

    def reductions(xp, x):
        each = [x.sum(axis, keepdims=keep) for axis in (None, 0, 1, -1, (0, 2), (1, 2)) for keep in (False, True)]
        each += [x.max(-1), x.min(0), x.mean((0, 1)), (x > 0).any(-1), (x > -3).all(0), (x > 0).mean(-1), x.argmax(-1)]
        return each

    same(reductions, x=x)


def test_results_lie_in_memory_as_those_of_numpy():
    x = np.zeros((2, 3, 4, 5)).transpose(3, 0, 2, 1)

    def layouts(xp, x):
        x = x.transpose(3, 0, 2, 1)
        row = x[:1, :1, :1]
        return [
            x * 2,
            row + x,
            x > 0,
            xp.zeros_like(x),
            xp.empty_like(x, shape=(5, 2, 3, 3)),
            x.astype(np.float32),
            x[1:] - 1,
        ]

    found = layouts(ArrayModule(), new("input", (2, 3, 4, 5), float, name="x"))
    expected = layouts(np, x.base)
    assert [a.strides for a in found] == [tuple(s // a.itemsize for s in a.strides) for a in expected]


def test_sums_and_writes_follow_the_order_in_memory(dtype):
    def steps(xp, x):
        y = xp.exp(x.transpose(2, 0, 1))
        y[:, ::2] += y[:, :1] * 2
        y *= y
        y[...] = y + x.transpose(2, 0, 1)
        return [y.sum(0), y.max((0, -1)), y.sum((1, 2), keepdims=True), y.reshape(-1), y.min(-1)]

    same(steps, x=numbers(dtype, 3, 4, 5))


def test_long_sums_are_right(dtype):
    def sums(xp, x):
        return [x.sum(-1), (x * x).sum(), x[1:2] @ x[2:].swapaxes(-1, -2)]

    same(sums, x=numbers(dtype, 3, 1003))


def test_writes_through_views_are_seen_by_every_view(dtype):
    def writes(xp, x, y):
        whole = x * 1
        part, turned = whole[1:, ::2], whole.swapaxes(0, 1)
        part += 1
        before = whole * 2
        turned[0] = y[: turned.shape[1], 0]
        whole[0, :3] *= part[0, :3]
        flat = whole.reshape(-1)
        flat[3:7] = 5
        return [whole, part, turned, before, flat]

    same(writes, x=numbers(dtype, 4, 6), y=numbers(dtype, 6, 4, seed=2))


def test_arithmetic_on_some_columns_leaves_the_others(dtype):
    def columns(xp, x, y):
        z, whole, ends = x * 1, x - y, x + y
        z[..., :3] *= 0.5
        xp.tanh(z, out=z)
        z[..., :3] += y[..., 3:]
        z[..., 2:5] = 1 - whole[..., 2:5] * whole[..., 2:5] * y[..., :1]
        ends[..., 4:] = xp.exp(ends[..., 4:]) + ends[..., 4:].sum(-1, keepdims=True)
        ends[..., 1:5] -= ends[..., :4]
        return [z, whole, ends, z.sum(0), (z * 2).sum(-1)]

    same(columns, x=numbers(dtype, 3, 4, 6), y=numbers(dtype, 3, 4, 6, seed=1))


def test_overlapping_writes_read_what_was_there_before():
    def shifted(xp, x):
        a, b = x * 1, x * 1
        a[1:] = a[:-1] * 2
        b[:-1] += b[1:]
        return [a, b]

    same(shifted, x=numbers("float64", 9))


def test_types_meet_as_in_numpy():
    def mixed(xp, x, n, b):
        return [
            x * 2,
            x + n,
            n / 2,
            n * 3,
            b & (x > 0),
            xp.where(b, x, n),
            b * x,
            (n == 2) | b,
            ~b,
            x.astype(np.float64) + 1e-12,
        ]

    same(mixed, x=numbers("float32", 5), n=np.arange(5), b=np.array([True, False, True, True, False]))


def test_stacks_and_pieces(dtype):
    def pieces(xp, x, y):
        a, b = xp.split(xp.concatenate([x, y], -1), 2, -1)
        return [xp.stack([x, y], 1), a, b, xp.broadcast_to(x[:, :1], x.shape), x[None, :, None], xp.ones_like(x) - y]

    same(pieces, x=numbers(dtype, 3, 4), y=numbers(dtype, 3, 4, seed=1))


REFUSED = {
    "a truth value": lambda xp, x: [x if x.sum() > 0 else -x],
    "a number": lambda xp, x: [x * float(x.max())],
    "an unknown function": lambda xp, x: [xp.fft(x)],
    "an unknown method": lambda xp, x: [x.cumsum(0)],
    "numpy itself": lambda xp, x: [np.exp(x)],
    "an index that is an array": lambda xp, x: [x[x > 0]],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_only_values_decide_is_rejected(what):
    with pytest.raises((UntraceableError, TypeError)):
        compiled(REFUSED[what], {"x": numbers("float64", 4)})


def test_adding_in_place_writes_once():
    def added(xp, x):
        a = x * 1
        for i in range(4):
            a[i : i + 2] += x[i : i + 2]
        return [a]

    x = numbers("float64", 6, 3)
    same(added, x=x)
    a, *_ = added(ArrayModule(), new("input", x.shape, x.dtype, name="x"))
    kernels = Schedule({"out": a.storage.value}).kernels
    assert len(kernels) == 5  # one for each line


def test_loops_over_the_same_indices_are_joined():
    def apart(xp, x, w):
        a = xp.tanh(x)
        product = x @ w
        b = a * 2  # joins the loop of a, past the product
        c = product + b  # cannot: it reads the product
        return [b, c, xp.exp(c).sum(0)]

    x, w = numbers("float64", 6, 5), numbers("float64", 5, 5, seed=1)
    same(apart, x=x, w=w)
    traced = [new("input", a.shape, a.dtype, name=name) for name, a in (("x", x), ("w", w))]
    results = {str(i): a.storage.value for i, a in enumerate(apart(ArrayModule(), *traced))}
    assert [kernel.op for kernel in Schedule(results).kernels] == ["map", "matmul", "map", "reduce"]


def test_a_new_state_may_read_the_old_one_backwards():
    def turned(given):
        w = given["w"]
        old = w[...]
        w[0] = 5
        w[...] = old[::-1] * 2
        return {"w": w}

    function, x = CompiledFunction(turned, {"w": ((4, 3), np.float64)}), np.arange(12.0).reshape(4, 3)
    together([function])
    expected = x.copy()
    expected[0] = 5
    function({"w": x})
    np.testing.assert_array_equal(x, expected[::-1] * 2)


def test_a_sum_of_chosen_rows_counts_repeated_rows_twice(monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O3", *build.FLAGS[1:]))

    def chosen(xp, v):
        rows = (v * 1)[np.array([0, 3, 1, 3])] * 1
        return [rows.sum(0, keepdims=True) * 0.1]

    same(chosen, v=numbers("float32", 7))


def test_equal_kernels_are_one_function():
    def deep(depth):
        x = {f"x{i}": new("input", (64, 9), np.float32, name=f"x{i}") for i in range(depth + 1)}
        y = x["x0"]
        for i in range(depth):
            y = contiguous(ArrayModule().exp(y + x[f"x{i + 1}"])).sum(-1, keepdims=True) * y
        return Emitter({"out": contiguous(y, copy=True).storage.value}, Machine()).parts.kernels

    assert len(deep(9)) == len(deep(3))


def test_a_kernel_reads_and_writes_several_places_of_one_array(dtype):
    def steps(xp, x):
        y = x * 1
        y[4:8] = y[:4] * 2 + x[8:12]
        y[8:] -= y[4:8] + x[:4]
        return [y, y[2:10] + x[1:9] * x[3:11]]

    same(steps, x=numbers(dtype, 12))


def test_states_may_exchange_their_values():
    def exchanged(given):
        a, b = given["a"], given["b"]
        return {"a": b, "b": b * 2 + a}

    function = CompiledFunction(exchanged, dict.fromkeys("ab", ((3, 4), "float64")))
    together([function])
    a, b = numbers("float64", 3, 4), numbers("float64", 3, 4, seed=1)
    states = {"a": a.copy(), "b": b.copy()}
    function(states)
    np.testing.assert_allclose(states["a"], b)
    np.testing.assert_allclose(states["b"], b * 2 + a)


def test_conditions_may_be_numbers():
    def conditions(xp, x, n):
        each = [xp.where(x, x, 2.0), xp.where(n, 1.0, x), xp.logical_not(x), xp.logical_and(n, x), xp.logical_or(n, 0)]
        return [*each, ~(n == 1), xp.logical_not(n)]

    same(conditions, x=np.array([0.0, 0.5, -2.0, np.nan]), n=np.array([0, 1, 2, 0]))


def test_axes_of_length_0(dtype):
    def empty(xp, x, y):
        return [x @ y, y.swapaxes(0, 1) @ y, x.sum(), x.sum(-1), y.sum(-1)]

    same(empty, x=numbers(dtype, 3, 0), y=numbers(dtype, 0, 4))


def test_rounding_to_a_narrow_type_is_kept():
    def rounded(xp, n, x):
        return [n.astype(np.float32) * x, x.astype(np.float32).astype(np.float64) * 3]

    same(rounded, n=np.array([2**24 + 1, 7], np.int32), x=np.array([1.1, 2.3]))


def test_a_row_is_chosen_from_the_end_by_a_negative_number():
    same(lambda xp, x, i: [x[i] * 1], x=numbers("float64", 5, 3), i=np.array([-1, 0, -5, 4]))


def test_columns_are_not_widened_beyond_an_array():
    def strided(xp, x, y):
        z = y * 2
        z[..., :2] *= x[:, ::2, 2:4]
        return [z]

    same(strided, x=numbers("float64", 1, 3, 4), y=numbers("float64", 1, 2, 6, seed=1))
