"""Which GPU a process uses, and which device a login node assumes."""

from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock

from framework.config.composition import compose
from framework.core import arrays, cuda
from framework.core.arrays import DeviceError, array_module, take_gpu, trained_elsewhere
from framework.core.cuda import gpu_module
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with GPUs, on which this process has taken none; `used` are those that it has used."""
    found = SimpleNamespace(count=3, used=[], folder=tmp_path)
    runtime = SimpleNamespace(getDeviceCount=lambda: found.count, deviceGetPCIBusId=lambda i: f"0000:0{i}:00.0")
    device = lambda number: SimpleNamespace(use=lambda: found.used.append(number))  # noqa: E731
    monkeypatch.setattr(cuda, "_tried", lambda: SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=device)))
    monkeypatch.setattr(cuda, "temporary", lambda: tmp_path)
    for name in ("_taken", "_wanted", "_chosen"):
        monkeypatch.setattr(cuda, name, [])
    return found


def held(machine, number):
    """The lock of another process on a GPU."""
    lock = FileLock(machine.folder / f"gpu-0000-0{number}-00-0.lock")
    lock.acquire(timeout=0)
    return lock


def test_a_process_takes_the_gpu_of_its_number(machine):
    take_gpu(5)
    gpu_module()
    assert machine.used == [2]


def test_a_gpu_that_another_process_has_is_left_to_it(machine):
    with held(machine, 0), held(machine, 1):
        take_gpu(0)
        gpu_module()
    assert machine.used == [2]


def test_processes_share_gpus_only_where_none_is_free(machine):
    with held(machine, 0), held(machine, 1), held(machine, 2):
        take_gpu(4)
        gpu_module()
    assert machine.used == [1]


def test_a_process_keeps_its_gpu(machine):
    take_gpu(1)
    gpu_module()
    take_gpu(2)
    gpu_module()
    assert machine.used == [1, 1]


def test_a_single_visible_gpu_needs_no_lock(machine):
    machine.count = 1
    take_gpu(7)
    gpu_module()
    assert machine.used == [0]
    assert list(machine.folder.iterdir()) == []


def test_a_missing_gpu_is_no_error_for_another_machine(monkeypatch):
    def missing():
        raise DeviceError("CuPy is not installed")

    monkeypatch.setattr(arrays, "gpu_module", missing)
    settings = compose(["device=gpu", "dataset=iris"])
    with pytest.raises(ConfigError, match="device: 'gpu' cannot be used here: CuPy is not installed"):
        prepare(settings)
    with trained_elsewhere():
        assert prepare(settings).xp is np
    with trained_elsewhere(False), pytest.raises(DeviceError):
        array_module("gpu")
