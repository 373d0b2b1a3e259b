"""What `device` finds: a GPU on which CuPy computes, or what is missing and the command that repairs it."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from framework.cli.commands import doctor
from framework.core import arrays, cuda
from framework.core.arrays import DeviceError, array_module, take_gpu
from framework.core.cuda import gpu_module
from framework.testing.double import Double


class WithoutCublas(Double):
    def launch(self, kind, number=1):
        if kind == "product":
            raise ImportError("libcublas.so.12: cannot open shared object file: No such file or directory")
        super().launch(kind, number)


class WithoutNvrtc(Double):
    def ones(self, *_, **__):
        raise RuntimeError("Failure finding libnvrtc.so.12")


class WithoutDevice(Double):
    def __init__(self, driver, toolkit=12090, error=None):
        super().__init__()
        run = self.cuda.runtime
        run.driverGetVersion, run.runtimeGetVersion, run.getDeviceCount = lambda: driver, lambda: toolkit, self.count
        self.error = error

    def count(self):
        if self.error:
            raise RuntimeError(self.error)
        return 0


@pytest.fixture
def installed(monkeypatch):
    """Replace CuPy by a double."""

    def replace(cupy):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        for name in ("_taken", "_wanted", "_chosen"):
            monkeypatch.setattr(cuda, name, [])
        cuda._tried.cache_clear()
        return cupy

    yield replace
    cuda._tried.cache_clear()


def reason():
    with pytest.raises(DeviceError) as error:
        gpu_module()
    return str(error.value)


def test_a_gpu_is_tried_once_per_process(installed):
    xp = installed(Double())
    assert gpu_module() is xp
    assert (xp.launches["product"], xp.to_host) == (1, 2)
    assert array_module("gpu") is array_module("auto") is xp
    assert xp.launches["product"] == 1


OLD = "the NVIDIA driver is too old: it supports CUDA 11.8, and this CuPy needs 12; install version 525 or newer"
OLDER = "needs 13; install version 580 or newer, or CuPy for it: pip install 'cupy-cuda12x[ctk]'"


@pytest.mark.parametrize(
    ("cupy", "expected"),
    [
        (WithoutCublas(), "it lacks cuBLAS (libcublas.so.12: cannot open"),
        (WithoutCublas(), "; pip install 'cupy-cuda12x[ctk]'"),
        (
            WithoutNvrtc(),
            "it lacks NVRTC or the headers of CUDA (Failure finding libnvrtc.so.12); pip install 'cupy-cuda12x[ctk]'",
        ),
        (WithoutDevice(0, error="cudaErrorInsufficientDriver"), "CuPy sees no NVIDIA driver; install version 525 or newer"),
        (WithoutDevice(11080, error="cudaErrorInsufficientDriver"), OLD),
        (WithoutDevice(12040, 13000, error="cudaErrorInsufficientDriver"), OLDER),
        (WithoutDevice(13000, error="cudaErrorNoDevice: none"), "CuPy sees no CUDA device (cudaErrorNoDevice: none)"),
        (WithoutDevice(13000), "CUDA_VISIBLE_DEVICES may hide them"),
    ],
)
def test_what_is_missing_is_named_with_its_repair(cupy, expected, installed):
    installed(cupy)
    assert expected in reason()


def test_cupy_that_is_not_installed_is_named(installed):
    installed(None)
    assert reason() == "CuPy is not installed; pip install 'stackprop[gpu]' (CUDA 12) or 'stackprop[gpu13]' (CUDA 13)"


@pytest.mark.parametrize("error", [ImportError("\n=====\nOriginal error:\n  ImportError: libX\n====="), ValueError("libX")])
def test_cupy_that_fails_to_import_is_named(error, installed, monkeypatch):
    def fail(name, *_):
        raise error

    installed(None)
    monkeypatch.setattr(cuda.importlib, "import_module", fail)
    assert reason().startswith("CuPy cannot be imported (")
    assert reason().endswith("libX)")


def test_auto_says_once_why_a_gpu_is_not_used(installed, caplog):
    installed(WithoutCublas())
    arrays._report.cache_clear()
    with caplog.at_level(logging.INFO, "stackprop"):
        assert array_module("auto") is array_module("auto") is np
    (record,) = caplog.records
    assert record.getMessage().startswith("device: the CPU is used: CuPy cannot multiply matrices")


def test_auto_says_nothing_where_there_is_no_gpu(installed, caplog):
    installed(WithoutDevice(0))
    with caplog.at_level(logging.INFO, "stackprop"):
        assert array_module("auto") is np
    assert not caplog.records


def test_the_gpu_of_a_process_is_chosen_when_one_is_used(installed):
    xp = installed(Double())
    xp.cuda.runtime.getDeviceCount = lambda: 4
    take_gpu(6)
    array_module("cpu")
    assert xp.cuda.used == []
    gpu_module()
    assert set(xp.cuda.used) == {2}


def test_a_process_on_the_cpu_imports_no_cupy():
    code = "import sys; from framework.core.arrays import *; take_gpu(3); array_module('cpu'); print('cupy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_doctor_shows_the_gpu_and_its_memory(installed):
    installed(Double(total=80 * 10**9))
    assert doctor._gpu() == "Double (80 GB)"
    installed(WithoutNvrtc())
    assert doctor._gpu().startswith("none: CuPy cannot compile its kernels")
