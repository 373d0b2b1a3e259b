"""A substitute for a GPU: an array module that wraps NumPy and is as strict as CuPy.

Its arrays reject host arrays, in arithmetic, as an index or in an assignment. They are never converted to host arrays
implicitly, results lie in memory as CuPy's do, and transfers and launches of kernels are counted.

    xp = Double()
    train([learner], [data], [0], xp=xp)
    xp.to_host, xp.to_device     # transfers so far
    xp.launches                  # kind -> launches so far
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from framework.testing import launches
from framework.testing.cupy_limits import ABSENT, METHODS, MISSING, REFUSED, UFUNCS_AT, UFUNCS_REDUCED, WAITING, Cuda
from framework.testing.shim import RawModule


class HostDeviceMixError(TypeError):
    """A host array was combined with a device array."""


class Namespace:
    """A module of the array module: functions that take and return device arrays."""

    def __init__(self, xp: Double, module: Any, name: str) -> None:
        self._xp, self._module, self._name = xp, module, name

    def __getattr__(self, name: str) -> Any:
        path = f"{self._name}.{name}" if self._name else name
        if name in MISSING.get(self._name, ABSENT if not self._name else set()):
            raise HostDeviceMixError(f"CuPy has no {path}")
        if path in REFUSED:
            raise HostDeviceMixError(f"{path} is another one in CuPy; {REFUSED[path]}")
        found = self._xp.offered(getattr(self._module, name), path)
        self.__dict__[name] = found  # the next time without this method
        return found


class Ufunc:
    """An elementwise function: it is called, or it works `at` places, by `outer`, `reduce` or `accumulate`."""

    def __init__(self, xp: Double, function: np.ufunc) -> None:
        self._xp, self._function = xp, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._xp.elementwise(self._function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        own = self._function.__name__
        offered = {"at": UFUNCS_AT, "reduce": UFUNCS_REDUCED, "accumulate": UFUNCS_REDUCED, "reduceat": {"add", "multiply"}}
        if name in offered and own not in offered[name]:
            raise HostDeviceMixError(f"CuPy has no {own}.{name}")
        found = getattr(self._function, name)
        return functools.partial(self._method, found) if callable(found) else found

    def _method(self, found: Any, *args: Any, **kwargs: Any) -> Any:
        self._xp.launch("reduction")
        return self._xp.call(found, args, kwargs)


class Double:
    """The array module. Functions are NumPy's, on `DeviceArray` only, as far as CuPy has them; `asarray` and `array` copy
    host arrays to the device.

    Args:
        free, total: bytes of its memory.
        pooled: bytes that CuPy's pool of memory holds and no array uses.

    Attributes:
        to_device, to_host: number of transfers. What makes the host wait counts as one to the host: a number out of an
            array, a boolean index, a function whose result has a shape that depends on numbers.
        launches: kind -> number of kernels that CuPy would launch: elementwise, product, product copy, reduction, fill,
            concatenation, index, assignment, copy, other.
        pointers: transfers of pointers to the device, for concatenations of many arrays.
    """

    def __init__(self, free: int = 60 << 30, total: int = 80 << 30, pooled: int = 0) -> None:
        self.to_device = 0
        self.to_host = 0
        self.pointers = 0
        self.launches: Counter[str] = Counter()
        self.cuda = Cuda(free, total)
        self.pooled = pooled

    def get_default_memory_pool(self) -> Any:
        """The pool of memory."""
        return SimpleNamespace(free_bytes=lambda: self.pooled, free_all_blocks=lambda: None)

    def RawModule(self, code: str, options: Any = ()) -> Any:
        """The module of a source in CUDA C."""
        return RawModule(self, code, options)

    def launch(self, kind: str, number: int = 1) -> None:
        """Count kernels."""
        self.launches[kind] += number

    def asarray(self, a: Any, dtype: Any = None, **_: Any) -> DeviceArray:
        """A device array; a host array or a list is copied; a list of device arrays is stacked."""
        if isinstance(a, DeviceArray):
            if dtype is None or a.held.dtype == dtype:
                return DeviceArray(a.held, self)
            self.launch("elementwise")
            return DeviceArray(np.asarray(a.held, dtype), self)
        if isinstance(a, list | tuple) and any(isinstance(each, DeviceArray) for each in a):
            self.launch("concatenation", len(a))
            return DeviceArray(np.array([getattr(each, "held", each) for each in a], dtype), self)
        self.to_device += 1
        return DeviceArray(np.array(a, dtype), self)

    asanyarray = asarray

    def array(self, a: Any, dtype: Any = None, **_: Any) -> DeviceArray:
        """As asarray, but always a copy."""
        if isinstance(a, DeviceArray):
            self.launch("copy")
        return DeviceArray(self.asarray(a, dtype).held.copy(), self)

    def ascontiguousarray(self, a: Any, dtype: Any = None) -> DeviceArray:
        """As asarray, in C order."""
        found = self.asarray(a, dtype)
        if found.held.flags.c_contiguous:
            return found
        self.launch("copy")
        return DeviceArray(np.ascontiguousarray(found.held), self)

    def concatenate(self, arrays: Any, axis: int = 0, **kwargs: Any) -> DeviceArray:
        """Arrays joined along an axis."""
        held = [self.bare(a) for a in arrays]
        found = np.concatenate(held, axis, **{name: self.bare(value) for name, value in kwargs.items()})
        number, pointers = launches.of_concatenation(held, axis, found)
        self.launch("concatenation", number)
        self.pointers += pointers
        return self.wrapped(in_order(found))  # type: ignore[no-any-return]

    def stack(self, arrays: Any, axis: int = 0, **kwargs: Any) -> DeviceArray:
        """Arrays joined along a new axis."""
        held = [np.asarray(self.bare(a)) for a in arrays]
        at = axis % (held[0].ndim + 1)
        return self.concatenate([DeviceArray(np.expand_dims(a, at), self) for a in held], at, **kwargs)

    def take_along_axis(self, a: DeviceArray, indices: DeviceArray, axis: Any = -1) -> Any:
        """Numbers of `a` by their place along an axis: CuPy makes an index of all axes."""
        self.launch("fill", a.ndim - 1)
        self.launch("index", 1 + 3 * a.ndim)
        return self.call(np.take_along_axis, (a, indices, axis), {})

    @property
    def ndarray(self) -> type:
        """The type of its arrays."""
        return DeviceArray

    def __getattr__(self, name: str) -> Any:
        found = getattr(Namespace(self, np, ""), name)
        self.__dict__[name] = found
        return found

    def offered(self, found: Any, path: str) -> Any:
        """A member of NumPy, for device arrays."""
        if isinstance(found, ModuleType):
            return Namespace(self, found, path)
        if isinstance(found, np.ufunc):
            return Ufunc(self, found)
        if not callable(found) or isinstance(found, type):
            return found
        kind, number = launches.of_function(path.rpartition(".")[2])

        def function(*args: Any, **kwargs: Any) -> Any:
            if path in WAITING or (path == "where" and len(args) == 1):
                self.to_host += 1
            if number:
                self.launches[kind] += number
            return self.call(found, args, kwargs, kind != "free" and not path.endswith("_like"))

        return function

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any, ordered: bool = False) -> Any:
        """A function of NumPy on device arrays; `ordered`: its result is in C order."""
        found = function(*map(self.bare, args), **{k: self.bare(v) for k, v in kwargs.items()})
        return self.wrapped(in_order(found) if ordered and isinstance(found, np.ndarray) else found)

    def elementwise(self, function: np.ufunc, inputs: Any, kwargs: Any) -> Any:
        """An elementwise function, or a product of matrices. Its result is in C order, whatever the operands' is."""
        outs, bare = kwargs.pop("out", None), self.bare
        out = outs[0] if isinstance(outs, tuple) else outs
        held = [bare(each) for each in inputs]
        if kwargs:
            kwargs = {name: bare(value) for name, value in kwargs.items()}
        into = bare(out)
        found = function(*held, **kwargs) if into is None else function(*held, out=into, **kwargs)
        if function is np.matmul:
            number, copies = launches.of_product(held[0], held[1], found)
            self.launch("product", number)
            self.launch("product copy", copies)
        else:
            self.launches["elementwise"] += 1
        if into is None:
            return self.wrapped(found if isinstance(found, tuple) else in_order(found))
        for each in inputs:
            if isinstance(each, DeviceArray) and each is not out and np.may_share_memory(each.held, into):
                self.launch("copy")  # of an operand that overlaps with the result
        return out

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
        if isinstance(value, np.ndarray):
            return DeviceArray(value, self)
        if isinstance(value, np.generic):
            return DeviceArray(np.asarray(value), self)
        if isinstance(value, tuple) and hasattr(value, "_fields"):  # of linalg: named
            return type(value)(*map(self.wrapped, value))
        return type(value)(map(self.wrapped, value)) if isinstance(value, list | tuple) else value


def in_order(a: Any) -> Any:
    """The array in C order."""
    return a if not isinstance(a, np.ndarray) or a.flags.c_contiguous else np.ascontiguousarray(a)


def _arrays(index: Any) -> list[np.ndarray]:
    """The arrays of an index."""
    parts = index if isinstance(index, tuple) else (index,)
    return [part.held for part in parts if isinstance(part, DeviceArray)]


def _waits(parts: list[np.ndarray]) -> int:
    """Transfers that an index costs: 1 for a boolean array, whose numbers tell the shape of the result."""
    return int(any(part.dtype == bool and part.ndim for part in parts))


class DeviceArray(NDArrayOperatorsMixin):
    """An array on the substitute device."""

    def __init__(self, held: np.ndarray, xp: Double) -> None:
        self.held, self.xp = held, xp

    @property
    def dtype(self) -> Any:
        """The type of its numbers."""
        return self.held.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.held.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self.held.ndim

    @property
    def data(self) -> Any:
        """Its memory."""
        return SimpleNamespace(ptr=self.held.ctypes.data)

    def get(self) -> np.ndarray:
        """A copy on the host."""
        self.xp.to_host += 1
        return self.held.copy()

    def reshape(self, *shape: Any) -> DeviceArray:
        """A view, or a copy where the layout has none."""
        found = self.held.reshape(*shape)
        if not self.held.flags.c_contiguous and found.size and not np.may_share_memory(found, self.held):
            self.xp.launch("copy")
        return DeviceArray(found, self.xp)

    def ravel(self) -> DeviceArray:
        """As reshape(-1)."""
        return self.reshape(-1)

    def astype(self, dtype: Any, copy: bool = True, **_: Any) -> DeviceArray:
        """With another type, in the same layout."""
        if not copy and self.held.dtype == dtype:
            return self
        self.xp.launches["elementwise"] += 1
        return DeviceArray(self.held.astype(dtype), self.xp)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return self.xp.elementwise(ufunc, inputs, kwargs)
        self.xp.launch("reduction")
        return self.xp.call(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> Any:
        raise HostDeviceMixError(f"numpy.{function.__name__} was called on a device array; use ctx.xp.{function.__name__}")

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise HostDeviceMixError("a device array is not converted to a host array implicitly; use to_host")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array"):  # the attributes through which NumPy would reach the content
            raise AttributeError(name)
        if name in METHODS:
            raise HostDeviceMixError(f"an array of CuPy has no {name}")
        found = getattr(self.held, name)
        if not callable(found):
            return self.xp.wrapped(found) if isinstance(found, np.ndarray) else found
        if name in ("item", "tolist", "tobytes", "nonzero", "compress"):
            self.xp.to_host += 1
            return lambda *args: self.xp.call(found, args, {})
        kind, number = launches.of_function(name)

        def method(*args: Any, **kwargs: Any) -> Any:
            if number:
                self.xp.launches[kind] += number
            return self.xp.call(found, args, kwargs, kind != "free")

        return method

    def __getitem__(self, index: Any) -> Any:
        parts = _arrays(index)
        if parts:
            self.xp.to_host += _waits(parts)
            self.xp.launch("index", launches.of_index(parts, self.held.ndim))
        found = self.held[self.xp.bare(index)]
        return self.xp.wrapped(in_order(found) if parts else found)

    def __complex__(self) -> complex:
        return complex(self._number(complex))

    def __setitem__(self, index: Any, value: Any) -> None:
        parts, into, held = _arrays(index), self.xp.bare(index), self.xp.bare(value)
        many = isinstance(value, DeviceArray) and value.held.ndim
        if not parts and many and _same(self.held[into], held):
            return  # a[...] += 1 has changed the view already
        if parts and many:  # a number is put where a mask says without waiting
            self.xp.to_host += _waits(parts)
        self.xp.launch("assignment", launches.of_index(parts, self.held.ndim) if parts and many else 1)
        self.held[into] = held

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


def _same(one: Any, other: np.ndarray) -> bool:
    """Whether two arrays are the same view."""
    return bool(
        one.shape == other.shape
        and one.strides == other.strides
        and one.__array_interface__["data"][0] == other.__array_interface__["data"][0]
    )
