"""NumPy or CuPy: the only module that knows which one is used.

Components receive the array module as `ctx.xp` and never import it themselves, so the same code runs on both.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from framework.core.home import temporary

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
        if device == "gpu" and not _elsewhere.get():
            raise
        return np


_elsewhere: ContextVar[bool] = ContextVar("elsewhere", default=False)


@contextlib.contextmanager
def trained_elsewhere(active: bool = True) -> Iterator[None]:
    """In this block networks are built for other machines: a GPU that is missing here is no error."""
    token = _elsewhere.set(active or _elsewhere.get())
    try:
        yield
    finally:
        _elsewhere.reset(token)


def take_gpu(number: int) -> None:
    """Let this process use a GPU that no other one has taken, until it ends; without a GPU, do nothing.

    Args:
        number: the first one to try; if all are taken, this one, modulo their number.
    """
    with contextlib.suppress(DeviceError):
        cuda = gpu_module().cuda
        count = cuda.runtime.getDeviceCount()
        order = [(number + i) % count for i in range(count)]
        if not _taken:
            # By its address on the bus: CUDA_VISIBLE_DEVICES may number the same GPUs differently in each process.
            free = (i for i in order if count == 1 or _take(cuda.runtime.deviceGetPCIBusId(i)))
            cuda.Device(next(free, order[0])).use()


def _take(gpu: str) -> bool:
    """Take a GPU of this machine for this process; False if another process of this user has it."""
    lock = FileLock(temporary() / f"gpu-{re.sub(r'[^0-9A-Za-z]', '-', gpu)}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (OSError, Timeout):
        return False
    _taken.append(lock)
    return True


_taken: list[FileLock] = []  # the GPU of this process


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
