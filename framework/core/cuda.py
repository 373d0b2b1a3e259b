"""CuPy, tried once per process: what it lacks here, and the command that repairs it."""

from __future__ import annotations

import functools
import importlib
import re
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from framework.core.home import temporary

DRIVERS = {12: 525, 13: 580}  # CUDA -> the oldest NVIDIA driver for Linux, by NVIDIA's table of compatible versions


class DeviceError(RuntimeError):
    """The device that was requested cannot be used here."""


class BrokenGpuError(DeviceError):
    """There is a GPU, and CuPy cannot compute on it."""


def gpu_module() -> ModuleType:
    """CuPy, if it computes here.

    Raises:
        DeviceError: with the reason why no GPU can be used, and what repairs it.
    """
    found = _tried()
    if isinstance(found, DeviceError):
        raise type(found)(*found.args)
    _select(found)
    return found


def take_gpu(number: int) -> None:
    """Let this process use a GPU that no other one has taken, until it ends, once it uses one. A process that never does
    imports no CuPy.

    Args:
        number: the first one to try; if all are taken, this one, modulo their number.
    """
    _wanted[:] = [number]


_wanted: list[int] = []  # the number of the process
_chosen: list[int] = []  # its GPU
_taken: list[FileLock] = []  # the lock on it


def _select(cupy: Any) -> None:
    """Use the GPU of the process in this thread: CUDA remembers the device of each thread."""
    if not _wanted:
        return
    cuda = cupy.cuda
    if not _chosen:
        count = cuda.runtime.getDeviceCount()
        order = [(_wanted[0] + i) % count for i in range(count)]
        # By its address on the bus: CUDA_VISIBLE_DEVICES may number the same GPUs differently in each process.
        free = (i for i in order if count == 1 or _take(cuda.runtime.deviceGetPCIBusId(i)))
        _chosen.append(next(free, order[0]))
    cuda.Device(_chosen[0]).use()


def _take(gpu: str) -> bool:
    """Take a GPU of this machine for this process; False if another process of this user has it."""
    lock = FileLock(temporary() / f"gpu-{re.sub(r'[^0-9A-Za-z]', '-', gpu)}.lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (OSError, Timeout):
        return False
    _taken.append(lock)
    return True


@functools.cache
def _tried() -> ModuleType | DeviceError:
    """CuPy after a small product and an elementwise kernel, or what is wrong."""
    try:
        cupy: Any = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            return DeviceError(f"CuPy cannot be imported ({_line(error)})")
        return DeviceError("CuPy is not installed; pip install 'stackprop[gpu]' (CUDA 12) or 'stackprop[gpu13]' (CUDA 13)")
    except Exception as error:
        return DeviceError(f"CuPy cannot be imported ({_line(error)})")
    try:
        if reason := _no_device(cupy):
            return DeviceError(reason)
        reason = _no_arithmetic(cupy)
    except Exception as error:
        reason = f"CuPy cannot use the GPU ({_line(error)})"
    return BrokenGpuError(reason) if reason else cupy


def _no_device(cupy: Any) -> str:
    """Why there is no device, or nothing."""
    run = cupy.cuda.runtime
    major = run.runtimeGetVersion() // 1000
    try:
        if run.getDeviceCount():
            return ""
        reason = "no CUDA-capable device is detected"
    except Exception as error:  # of CuPy's own class, which only an imported CuPy has
        reason = _line(error)
    try:
        driver = run.driverGetVersion()
    except Exception:
        driver = 0
    if not driver:
        return f"CuPy sees no NVIDIA driver; install version {DRIVERS.get(major, DRIVERS[13])} or newer"
    if driver // 1000 < major:
        older = f", or CuPy for it: pip install {toolkit(driver // 1000)}" if driver // 1000 in DRIVERS else ""
        able = f"{driver // 1000}.{driver % 1000 // 10}"
        need = f"install version {DRIVERS.get(major, DRIVERS[13])} or newer"
        return f"the NVIDIA driver is too old: it supports CUDA {able}, and this CuPy needs {major}; {need}{older}"
    return f"CuPy sees no CUDA device ({reason}); nvidia-smi lists them, and CUDA_VISIBLE_DEVICES may hide them"


def _no_arithmetic(cupy: Any) -> str:
    """Which library is missing, found by using it, or nothing."""
    _select(cupy)
    repair = f"pip install {toolkit(cupy.cuda.runtime.runtimeGetVersion() // 1000)}"
    try:
        (cupy.ones((2, 3), "float32") + 1).sum().get()
    except Exception as error:
        return f"CuPy cannot compile its kernels: it lacks NVRTC or the headers of CUDA ({_line(error)}); {repair}"
    try:
        a = cupy.ones((2, 3, 3), "float32")
        (a @ a).get()
    except Exception as error:
        return f"CuPy cannot multiply matrices: it lacks cuBLAS ({_line(error)}); {repair}"
    return ""


def toolkit(major: int) -> str:
    """The argument of pip that installs CuPy with its libraries of CUDA."""
    return f"'cupy-cuda{major}x[ctk]'"


def _line(error: BaseException) -> str:
    """The last line of an error that says something: CuPy's begin with a frame of signs."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip("= \t")]
    return lines[-1] if lines else type(error).__name__
