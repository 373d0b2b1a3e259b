"""A substitute for a GPU: an array module that wraps NumPy and is as strict as CuPy.

Its arrays reject host arrays, in arithmetic, as an index or in an assignment. They are never converted to host arrays
implicitly, and every transfer is counted.

    xp = Double()
    train([learner], [data], [0], xp=xp)
    xp.to_host, xp.to_device     # transfers so far
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class HostDeviceMixError(TypeError):
    """A host array was combined with a device array."""


class Double:
    """The array module. Functions are NumPy's, on `DeviceArray` only; `asarray` and `array` copy host arrays to the device.

    Attributes:
        to_device, to_host: number of transfers.
    """

    def __init__(self) -> None:
        self.to_device = 0
        self.to_host = 0

    def asarray(self, a: Any, dtype: Any = None) -> DeviceArray:
        """A device array; a host array or a list is copied."""
        if isinstance(a, DeviceArray):
            return DeviceArray(np.asarray(a.held, dtype), self)
        self.to_device += 1
        return DeviceArray(np.array(a, dtype), self)

    array = asarray

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type):
            return found

        def function(*args: Any, **kwargs: Any) -> Any:
            return self.wrapped(found(*map(self.bare, args), **{k: self.bare(v) for k, v in kwargs.items()}))

        return function

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
        return type(value)(map(self.wrapped, value)) if isinstance(value, list | tuple) else value


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
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.xp.wrapped(found(*map(self.xp.bare, args), **{k: self.xp.bare(v) for k, v in kwargs.items()}))

        return method

    def __getitem__(self, index: Any) -> Any:
        return self.xp.wrapped(self.held[self.xp.bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
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
