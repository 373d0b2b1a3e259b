"""NumPy or CuPy: the only module that knows which one is used.

Components receive the array module as `ctx.xp` and never import it themselves, so the same code runs on both.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import sys
from types import ModuleType
from typing import Any, Literal

import numpy as np

Array = Any  # a numpy.ndarray or a cupy.ndarray
Device = Literal["auto", "cpu", "gpu"]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class DeviceError(RuntimeError):
    """The device that was requested cannot be used here."""


def gpu_module() -> ModuleType:
    """CuPy, if it is installed and sees a device.

    Raises:
        DeviceError: with the reason why no GPU can be used.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError("CuPy is not installed; pip install 'stackprop[gpu]'") from error
    if not cupy.cuda.is_available():
        raise DeviceError("CuPy is installed but sees no CUDA device")
    return cupy


def array_module(device: Device = "auto") -> Any:
    """The array module of a device; `auto` takes the GPU if one can be used.

    Raises:
        DeviceError: the device is `gpu`, and it cannot be used.
    """
    if device == "cpu":
        return np
    try:
        return gpu_module()
    except DeviceError:
        if device == "gpu":
            raise
        return np


def use_gpu(number: int) -> None:
    """Let this process use GPU `number`, modulo the number of GPUs; without a GPU, do nothing."""
    with contextlib.suppress(DeviceError):
        cupy = gpu_module()
        cupy.cuda.Device(number % cupy.cuda.runtime.getDeviceCount()).use()


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


def product(a: Array, b: Array) -> Array:
    """a @ b, (..., n, k) and (..., k, m): the same values. With k = 1 each is a single product, and broadcasting is three
    times as fast as BLAS."""
    return a * b if b.shape[-2] == 1 else a @ b


def row_sums(a: Array, xp: Any) -> Array:
    """The sum over rows, (..., n, m) -> (..., 1, m), as a product with ones: two to eight times as fast as `sum`."""
    return xp.ones((1, a.shape[-2]), a.dtype) @ a
