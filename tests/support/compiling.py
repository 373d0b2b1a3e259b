"""Array code compiled to C, to be compared with NumPy."""

import numpy as np

from framework.training.compiled.function import CompiledFunction, together
from framework.training.compiled.module import ArrayModule

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
