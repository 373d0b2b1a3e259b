"""NumPy or CuPy: the only module that knows which one is used.

Components receive the array module as `ctx.xp` and never import it themselves, so the same code runs on both.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from math import prod
from typing import Any, Literal

import numpy as np

from framework.core.cuda import BrokenGpuError, gpu_module
from framework.core.cuda import DeviceError as DeviceError
from framework.core.cuda import take_gpu as take_gpu
from framework.core.log import log

Array = Any  # a numpy.ndarray or a cupy.ndarray
Device = Literal["auto", "cpu", "gpu"]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def array_module(device: Device = "auto") -> Any:
    """The array module of a device; `auto` takes the GPU if one can be used.

    Raises:
        DeviceError: the device is `gpu`, and it cannot be used.
    """
    if device == "cpu":
        return np
    try:
        return gpu_module()
    except DeviceError as error:
        if device == "gpu" and not _elsewhere.get():
            raise
        if isinstance(error, BrokenGpuError):
            _report(f"device: the CPU is used: {error}")
        return np


@functools.cache
def _report(line: str) -> None:
    """Print a line once in this process."""
    log.info(line)


_elsewhere: ContextVar[bool] = ContextVar("elsewhere", default=False)


@contextlib.contextmanager
def trained_elsewhere(active: bool = True) -> Iterator[None]:
    """In this block networks are built for other machines: a GPU that is missing here is no error."""
    token = _elsewhere.set(active or _elsewhere.get())
    try:
        yield
    finally:
        _elsewhere.reset(token)


def keep_memory() -> None:
    """Let the process keep the memory of freed arrays for new ones.

    The C library returns large blocks at once, so the next array needs new pages: a step of a small convolutional
    network took 1.6 times as long.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def to_host(a: Array) -> np.ndarray:
    """A NumPy array with the values of `a`; from a GPU this waits for the device."""
    return a.get() if hasattr(a, "get") else np.asarray(a)


def T(a: Array) -> Array:
    """The last two axes swapped: (..., i, j) -> (..., j, i). A view."""
    return a.swapaxes(-1, -2)


def launches_kernels(xp: Any) -> bool:
    """Whether each operation is a launch on a GPU, which takes longer than the arithmetic of a small one."""
    return xp is not np and hasattr(xp, "cuda")


def product(a: Array, b: Array) -> Array:
    """a @ b, (..., n, k) and (..., k, m): the same values. With k = 1 each is a single product, and broadcasting is three
    times as fast as BLAS."""
    if b.shape[-2] == 1:
        return a * b
    if type(a) is not np.ndarray and hasattr(a, "get") and a.ndim > 2 and prod(a.shape[:-2]) == prod(b.shape[:-2]) == 1:
        # CuPy copies transposed operands, but not those with two axes.
        found = a[(0,) * (a.ndim - 2)] @ b[(0,) * (b.ndim - 2)]
        return found.reshape(*(1,) * (max(a.ndim, b.ndim) - 2), *found.shape)
    return a @ b


def row_sums(a: Array, xp: Any) -> Array:
    """The sum over rows, (..., n, m) -> (..., 1, m). On the CPU it is a product with ones, two to eight times as fast as
    `sum`."""
    if launches_kernels(xp):
        return a.sum(-2, keepdims=True)
    return xp.ones((1, a.shape[-2]), a.dtype) @ a
