"""The engines that take stacks to other machines, each an extra: submitit (SLURM, or processes here) and Ray.

A task of the engine is a whole stack. An engine knows nothing of jobs: it runs `train` somewhere and hands back what that
returns.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from framework.core.arrays import use_gpu
from framework.core.errors import ConfigError
from framework.core.signals import OF_CLUSTERS, raise_on_signals
from framework.sweeps.executors.task import JobEnd, StackTask, train


class TaskLostError(RuntimeError):
    """A task will never tell how its jobs ended; the message says why."""


class Cluster(Protocol):
    """Takes stacks away and brings back how they ended."""

    def submit(self, task: StackTask, number: int) -> Any:
        """Hand it over; returns what is asked for it later."""

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """How its jobs ended; None while it waits or trains.

        Raises:
            Lost: it is gone.
        """

    def cancel(self, handle: Any) -> None:
        """Let it end its jobs as killed, or never begin."""

    def close(self) -> None:
        """Let go of the engine."""


def check_installed(engine: str) -> None:
    """
    Raises:
        ConfigError: the extra is not installed.
    """
    if importlib.util.find_spec(engine) is None:
        raise ConfigError(f"hydra/launcher: {engine} is not installed; pip install 'stackprop[{engine}]'")


def task_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not null."""
    return {key: value for key, value in parameters.items() if value is not None}


def run_task(task: StackTask, number: int) -> list[JobEnd]:
    """What runs in a task of a cluster. The GPUs it sees are shared out by its number."""
    use_gpu(number)
    try:
        with raise_on_signals(OF_CLUSTERS):
            return [replace(end, told=False) for end in train(task)]  # nobody has heard anything of it yet
    except KeyboardInterrupt as stop:
        return [JobEnd({}, f"stopped by {str(stop) or 'Ctrl-C'}")] * len(task.members)


class Submitit:
    """
    Args:
        folder: for its scripts and logs; every machine has to see it.
        cluster: slurm, local; None: slurm where there is one.
        parameters: submitit's, `timeout_min` or `slurm_partition` for example.

    Raises:
        ConfigError: it does not take these.
    """

    def __init__(self, folder: Path, cluster: str | None, parameters: Mapping[str, Any]) -> None:
        import submitit

        self.folder = folder
        try:
            self.executor = submitit.AutoExecutor(folder, cluster)
            self.executor.update_parameters(**{"name": "stackprop", **task_options(parameters)})
        except (AssertionError, NameError, RuntimeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: {str(error).splitlines()[0]}") from error

    def submit(self, task: StackTask, number: int) -> Any:
        """A job of the cluster."""
        return self.executor.submit(run_task, task, number)

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """What it has written down."""
        if not handle.done():
            return None
        error = handle.exception()
        if error is not None:
            raise TaskLostError(f"its task {handle.job_id} was ended (see {handle.paths.stderr})") from error
        return list(handle.result())

    def cancel(self, handle: Any) -> None:
        """scancel, or Ctrl-C to a process."""
        handle.cancel(check=False)

    def close(self) -> None:
        """There is nothing to let go of."""


class Ray:
    """
    Args:
        address: of a cluster; None: one of this machine, for as long as the sweep takes.
        parameters: what a task needs, `num_cpus` or `num_gpus` for example.

    Raises:
        ConfigError: there is no such cluster, or it does not take these.
    """

    def __init__(self, address: str | None, parameters: Mapping[str, Any]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        import ray

        self.ray = ray
        try:
            # A task that has died is not begun anew: `sweep.resume` does that, when the reason is known.
            self.remote = ray.remote(run_task).options(max_retries=0, **task_options(parameters))
            ray.init(address, include_dashboard=False if address is None else None, log_to_driver=False)
        except (ConnectionError, TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: {str(error).splitlines()[0]}") from error

    def submit(self, task: StackTask, number: int) -> Any:
        """A task of the cluster."""
        return self.remote.remote(task, number)

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """What it returned."""
        if not self.ray.wait([handle], timeout=0)[0]:
            return None
        try:
            return list(self.ray.get(handle))
        except self.ray.exceptions.RayError as error:
            raise TaskLostError(f"its task was ended ({type(error).__name__})") from error

    def cancel(self, handle: Any) -> None:
        """Ctrl-C to it."""
        self.ray.cancel(handle)

    def close(self) -> None:
        """Leave the cluster; one of this machine ends."""
        self.ray.shutdown()
