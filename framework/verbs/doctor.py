"""`stackprop doctor`: what is there, what is wrong; ends lost runs, sends the store what it missed."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from framework.arrays import DeviceError, gpu_module
from framework.discovery import discover
from framework.refilling import Stores, end_lost, end_unclaimed, refill, repair
from framework.runs import all_runs, runs_dir

PACKAGES = ("numpy", "hydra-core", "omegaconf", "mlflow", "pluggy", "scikit-learn", "numba", "cupy-cuda12x")


def main(arguments: Sequence[str]) -> int:
    """Print a line per finding; 1 if something is wrong that it could not mend."""
    runs = runs_dir()
    for line in _versions():
        print(line)
    print(f"cpu       {os.cpu_count()} cores")
    print(f"gpu       {_gpu()}")
    for problem in discover().problems:
        print(f"plugin    {problem}", file=sys.stderr)
    print(f"runs      {runs.resolve()}: {sum(1 for _ in all_runs(runs))}")
    return max(1 if discover().problems else 0, _store(runs))


def _versions() -> Iterator[str]:
    yield f"python    {platform.python_version()} on {platform.system()}"
    for name in PACKAGES:
        try:
            yield f"{name:9} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def _gpu() -> str:
    try:
        cupy = gpu_module()
    except DeviceError as error:
        return f"none: {error}"
    names = [cupy.cuda.runtime.getDeviceProperties(i)["name"].decode() for i in range(cupy.cuda.runtime.getDeviceCount())]
    return ", ".join(names)


def _store(runs: Path) -> int:
    for folder in [*end_lost(runs), *end_unclaimed(runs)]:
        print(f"ended     {folder}: its process is gone; stackprop resume {folder}")
    stores = Stores(runs)
    sent, unsent = refill(runs, stores=stores)
    for folder in sent:
        print(f"sent      {folder}: the store has it now")
    for folder, why in unsent:
        print(f"unsent    {folder}: {why}", file=sys.stderr)
    if sent:
        stores.known.clear()  # what they have has changed
    for line in repair(runs, stores):
        print(line)
    if not unsent:
        print("store     has every run")
    return 1 if unsent else 0
