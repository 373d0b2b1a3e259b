"""Array code compiled to C, to be compared with NumPy."""

import ctypes

import numpy as np

from framework.training.compiled.array import contiguous, new
from framework.training.compiled.build import load, machine
from framework.training.compiled.emit import Emitter
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.module import ArrayModule
from framework.training.compiled.trainer import aligned

TOLERANCE = {"float32": 3e-6, "float64": 1e-12}


def address(a):
    return a.ctypes.data_as(ctypes.c_void_p)


def compiled(function, arrays):
    """What the compiled function gives for these arrays."""
    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    traced = {name: new("input", a.shape, a.dtype, name=name) for name, a in arrays.items()}
    results = function(ArrayModule(), **traced)
    outputs = {f"out{i}": contiguous(a, copy=True).storage.value for i, a in enumerate(results)}
    emitter = Emitter(outputs, machine())
    parts = [f"const {CTYPES[str(a.dtype)]} *{name}" for name, a in arrays.items()]
    parts += [f"{CTYPES[str(value.dtype)]} *{name}" for name, value in outputs.items()]
    body = f"struct team *team = 0; {emitter.code()}"
    library = load(f"{emitter.head()}\nvoid run({', '.join(parts)}, char *ws) {{ {body} }}\n")
    found = [np.zeros(a.shape, a.dtype) for a in results]
    library.run(*map(address, [*arrays.values(), *found, aligned(emitter.workspace)]))
    return found


def same(function, **arrays):
    """The compiled function gives what NumPy gives."""
    found = compiled(function, arrays)
    with np.errstate(all="ignore"):
        expected = function(np, **{name: a.copy() for name, a in arrays.items()})
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        tolerance = TOLERANCE.get(str(b.dtype), 0)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
