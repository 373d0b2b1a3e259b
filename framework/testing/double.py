"""A substitute for a GPU: an array module that wraps NumPy and is as strict as CuPy.

Its arrays reject host arrays, in arithmetic, as an index or in an assignment. They are never converted to host arrays
implicitly, and every transfer is counted.

    xp = Double()
    train([learner], [data], [0], xp=xp)
    xp.to_host, xp.to_device     # transfers so far
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class HostDeviceMixError(TypeError):
    """A host array was combined with a device array."""


# What NumPy has and CuPy has not, and what a device array must not be given to.
MISSING = {"linalg": {"eig", "eigvals", "cond", "multi_dot"}}
ABSENT = {"asmatrix", "bmat", "emath", "float128", "fromiter", "insert", "ma", "matrix", "memmap", "nditer"}
ABSENT |= {"ndenumerate", "nested_iters", "random", "recarray", "spacing", "vectorize", "char", "strings", "longdouble"}
# Functions whose result has a shape that only the numbers tell: the host waits for the device.
WAITING = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique", "setdiff1d", "union1d", "intersect1d"}
WAITING |= {"allclose", "array_equal", "trim_zeros", "unique_all", "unique_counts", "unique_inverse", "unique_values"}
UFUNCS_AT = {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"}
UFUNCS_REDUCED = {"add", "multiply", "maximum", "minimum"}


class Namespace:
    """A module of the array module: functions that take and return device arrays."""

    def __init__(self, xp: Double, module: Any, name: str) -> None:
        self._xp, self._module, self._name = xp, module, name

    def __getattr__(self, name: str) -> Any:
        path = f"{self._name}.{name}" if self._name else name
        if name in MISSING.get(self._name, ABSENT if not self._name else set()):
            raise HostDeviceMixError(f"CuPy has no {path}" + ("; draw with ctx.uniform" if name == "random" else ""))
        return self._xp.offered(getattr(self._module, name), path)


class Ufunc:
    """An elementwise function: it is called, or it works `at` places, by `outer`, `reduce` or `accumulate`."""

    def __init__(self, xp: Double, function: np.ufunc) -> None:
        self._xp, self._function = xp, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._xp.call(self._function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        own = self._function.__name__
        offered = {"at": UFUNCS_AT, "reduce": UFUNCS_REDUCED, "accumulate": UFUNCS_REDUCED, "reduceat": {"add", "multiply"}}
        if name in offered and own not in offered[name]:
            raise HostDeviceMixError(f"CuPy has no {own}.{name}")
        found = getattr(self._function, name)
        return functools.partial(self._method, found) if callable(found) else found

    def _method(self, found: Any, *args: Any, **kwargs: Any) -> Any:
        return self._xp.call(found, args, kwargs)


class Double:
    """The array module. Functions are NumPy's, on `DeviceArray` only, as far as CuPy has them; `asarray` and `array` copy
    host arrays to the device.

    Attributes:
        to_device, to_host: number of transfers. What makes the host wait counts as one to the host: a number out of an
            array, a boolean index, a function whose result has a shape that depends on numbers.
    """

    def __init__(self) -> None:
        self.to_device = 0
        self.to_host = 0

    def asarray(self, a: Any, dtype: Any = None, **_: Any) -> DeviceArray:
        """A device array; a host array or a list is copied; a list of device arrays is stacked."""
        if isinstance(a, DeviceArray):
            return DeviceArray(np.asarray(a.held, dtype), self)
        if isinstance(a, list | tuple) and any(isinstance(each, DeviceArray) for each in a):
            return DeviceArray(np.array([getattr(each, "held", each) for each in a], dtype), self)
        self.to_device += 1
        return DeviceArray(np.array(a, dtype), self)

    def array(self, a: Any, dtype: Any = None, **_: Any) -> DeviceArray:
        """As asarray, but always a copy."""
        return DeviceArray(self.asarray(a, dtype).held.copy(), self)

    asanyarray = ascontiguousarray = asarray

    @property
    def ndarray(self) -> type:
        """The type of its arrays."""
        return DeviceArray

    def __getattr__(self, name: str) -> Any:
        return getattr(Namespace(self, np, ""), name)

    def offered(self, found: Any, path: str) -> Any:
        """A member of NumPy, for device arrays."""
        if isinstance(found, ModuleType):
            return Namespace(self, found, path)
        if isinstance(found, np.ufunc):
            return Ufunc(self, found)
        if not callable(found) or isinstance(found, type):
            return found

        def function(*args: Any, **kwargs: Any) -> Any:
            if path in WAITING or (path == "where" and len(args) == 1):
                self.to_host += 1
            return self.call(found, args, kwargs)

        return function

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A function of NumPy on device arrays."""
        return self.wrapped(function(*map(self.bare, args), **{k: self.bare(v) for k, v in kwargs.items()}))

    def bare(self, value: Any) -> Any:
        """The NumPy array inside a device array; a host array is rejected."""
        if isinstance(value, DeviceArray):
            return value.held
        if isinstance(value, np.ndarray):
            raise HostDeviceMixError(f"expected a device array (got a host array {value.shape}); use ctx.xp")
        if isinstance(value, list | tuple):
            return type(value)(map(self.bare, value))
        return value

    def wrapped(self, value: Any) -> Any:
        """A result, on the device; even a single number stays on the device."""
        if isinstance(value, np.ndarray | np.generic):
            return DeviceArray(np.asarray(value), self)
        if isinstance(value, tuple) and hasattr(value, "_fields"):  # of linalg: named
            return type(value)(*map(self.wrapped, value))
        return type(value)(map(self.wrapped, value)) if isinstance(value, list | tuple) else value


def _counts(index: Any) -> int:
    """Transfers that an index costs: 1 for a boolean array, whose numbers tell the shape of the result."""
    parts = index if isinstance(index, tuple) else (index,)
    return int(any(isinstance(part, DeviceArray) and part.dtype == bool and part.ndim for part in parts))


class DeviceArray(NDArrayOperatorsMixin):
    """An array on the substitute device."""

    def __init__(self, held: np.ndarray, xp: Double) -> None:
        self.held, self.xp = held, xp

    def get(self) -> np.ndarray:
        """A copy on the host."""
        self.xp.to_host += 1
        return self.held.copy()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        bare = self.xp.bare
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = tuple(map(bare, out))
        result = getattr(ufunc, method)(*map(bare, inputs), **{k: v if k == "out" else bare(v) for k, v in kwargs.items()})
        return out[0] if out is not None else self.xp.wrapped(result)

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> Any:
        raise HostDeviceMixError(f"numpy.{function.__name__} was called on a device array; use ctx.xp.{function.__name__}")

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise HostDeviceMixError("a device array is not converted to a host array implicitly; use to_host")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array"):  # the attributes through which NumPy would reach the content
            raise AttributeError(name)
        found = getattr(self.held, name)
        if not callable(found):
            return self.xp.wrapped(found) if isinstance(found, np.ndarray) else found
        if name in ("item", "tolist", "tobytes", "nonzero", "compress"):
            self.xp.to_host += 1

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.xp.wrapped(found(*map(self.xp.bare, args), **{k: self.xp.bare(v) for k, v in kwargs.items()}))

        return method

    def __getitem__(self, index: Any) -> Any:
        self.xp.to_host += _counts(index)
        return self.xp.wrapped(self.held[self.xp.bare(index)])

    def __complex__(self) -> complex:
        return complex(self._number(complex))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, DeviceArray) and value.ndim:  # a number is put where a mask says without waiting
            self.xp.to_host += _counts(index)
        self.held[self.xp.bare(index)] = self.xp.bare(value)

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Any]:
        return map(self.xp.wrapped, self.held)

    def _number(self, kind: Callable[[Any], Any]) -> Any:
        self.xp.to_host += 1
        return kind(self.held)

    def __float__(self) -> float:
        return float(self._number(float))

    def __int__(self) -> int:
        return int(self._number(int))

    def __bool__(self) -> bool:
        return bool(self._number(bool))

    def __index__(self) -> int:
        return int(self._number(int))

    def __repr__(self) -> str:
        return f"device {self.held!r}"
