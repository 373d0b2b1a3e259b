"""`stackprop doctor`: versions, devices, compiled steps, plugins, store; ends interrupted runs, sends missing data to the
store."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from framework.core.cuda import DeviceError, gpu_module
from framework.core.memory import format_bytes
from framework.core.trust import trusting
from framework.experiments.deletion import finish_all
from framework.experiments.labels import send_all
from framework.experiments.lost import remedies
from framework.experiments.resending import send_artifacts
from framework.experiments.strays import strays
from framework.experiments.sync import Stores, close_lost_runs, close_unlocked, repair, sync_to_mlflow
from framework.registry.discovery import discover
from framework.sweeps.executors.submitted import not_started
from framework.sweeps.summary import send_later
from framework.tracking.folders import Found, walk
from framework.tracking.run_dir import by_launch, runs_dir
from framework.training.compiled import cache
from framework.training.compiled.build import NoCompilerError, compiler, version

PACKAGES = (
    "numpy",
    "hydra-core",
    "omegaconf",
    "mlflow",
    "pluggy",
    "scikit-learn",
    "ziglang",
    "cupy-cuda12x",
    "cupy-cuda13x",
)


def main(arguments: Sequence[str]) -> int:
    """Print a line per finding; returns 1 if there is a problem that it could not repair."""
    parser = argparse.ArgumentParser("stackprop doctor", description=__doc__)
    parser.add_argument("--trust", action="store_true", help="send runs to the stores that their records name, known or not")
    parser.add_argument("--clear", action="store_true", help="remove the compiled training steps")
    given, runs = parser.parse_args(arguments), runs_dir()
    if given.clear:
        cache.clear()
    for line in _versions():
        print(line)
    print(f"cpu       {os.cpu_count()} cores")
    print(f"gpu       {_gpu()}")
    print(f"compiler  {_compiler()}")
    for folder in filter(Path.is_dir, cache.folders()):
        steps = list(cache.content(folder))
        print(f"steps     {folder}: {len(steps)} compiled, {format_bytes(sum(each.size for each in steps))}")
    for problem in discover().problems:
        print(f"plugin    {problem}", file=sys.stderr)
    found = walk(runs)
    print(f"runs      {runs.resolve()}: {len(found.runs)}")
    with trusting(given.trust):
        return max(1 if discover().problems else 0, _store(runs, found))


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
    run, found = cupy.cuda.runtime, []
    for number in range(run.getDeviceCount()):
        properties = run.getDeviceProperties(number)
        found.append(f"{properties['name'].decode()} ({format_bytes(properties['totalGlobalMem'])})")
    return ", ".join(found)


def _compiler() -> str:
    try:
        return f"{' '.join(compiler())}: {version()}"
    except NoCompilerError as error:
        return f"none: {error}"


def _store(runs: Path, found: Found) -> int:
    for line in remedies([*close_lost_runs(runs), *close_unlocked(runs, found.records)]):
        print(f"ended     {line}")
    for line in not_started(by_launch(found.sweeps)):
        print(f"waiting   {line}")
    for line in finish_all(runs, found.marked):
        print(line)
    found, stores = walk(runs) if found.marked else found, Stores(runs)
    sent, unsent = sync_to_mlflow(runs, found.records, stores)
    for folder in sent:
        print(f"sent      {folder}: now in the store")
    for line in send_artifacts(sent, runs):
        print(f"partly    {line}", file=sys.stderr)
    for folder, why in unsent:
        print(f"unsent    {folder}: {why}", file=sys.stderr)
    for sweep, why in send_later(runs, by_launch(found.sweeps), stores):
        print(f"unsent    {sweep}: {why}" if why else f"sent      {sweep}: its summary is now in the store")
        unsent += [(sweep, why)] if why else []
    if sent:
        stores.known.clear()  # their content has changed
    for line in (*repair(runs, stores), *send_all(found), *strays(runs, stores)):
        print(line)
    if not unsent:
        print("store     has every run")
    return 1 if unsent else 0
