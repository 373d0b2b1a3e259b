"""Layers against values of PyTorch 2.13.0 in float64: outputs, and the gradients of x and of every tensor.

x, tensors and dy are sines and cosines of the number of their position, so that only results are kept, in our shapes.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from framework import Context, discover

CASES = json.loads((Path(__file__).parents[1] / "support" / "pytorch_layers.json").read_text())


def wave(shape, rate, start):
    return np.sin(rate * np.arange(np.prod(shape)) + start).reshape(shape)


@pytest.mark.parametrize("name", CASES)
def test_a_layer_equals_pytorch(name):
    case = CASES[name]
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in case["options"].items()}
    layer = discover().get("layer", case["layer"])(**options)
    x = wave(case["x"], 0.7, 0.3)
    p = {tensor: wave(shape, 1.3, 0.1 + i) for i, (tensor, shape) in enumerate(case["tensors"].items())}
    ctx = Context(batch={} if case["mask"] is None else {"mask": np.array(case["mask"], float)})
    y, cache = layer.forward(p, x, ctx)
    assert y.shape == tuple(case["y_shape"])
    dy = np.cos(0.9 * np.arange(y.size) + 0.2).reshape(y.shape)
    dx, grads = layer.backward(p, cache, dy, ctx)
    assert grads.keys() == p.keys()
    for got, wanted in ((y, "y"), (dx, "dx")):
        assert np.ravel(got) == pytest.approx(case[wanted], rel=0, abs=1e-9)
    for tensor, wanted in case["grads"].items():
        assert grads[tensor].shape == p[tensor].shape
        assert np.ravel(grads[tensor]) == pytest.approx(wanted, rel=0, abs=1e-9)
