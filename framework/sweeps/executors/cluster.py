"""Engines that run stacks on other machines, each an extra: submitit (SLURM, or local processes) and Ray.

A task of an engine is a whole stack. An engine does not know jobs: it runs `train` somewhere and returns its
result.
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
from framework.core.log import quiet_others, show
from framework.core.signals import OF_CLUSTERS, raise_on_signals
from framework.sweeps.executors.task import JobEnd, StackTask, train


class TaskLostError(RuntimeError):
    """A task was lost without results; the message gives the reason."""


class Cluster(Protocol):
    """Submits stacks and collects their results."""

    def submit(self, task: StackTask, number: int) -> Any:
        """Submit a task; returns a handle for it."""

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The results of its jobs; None while it waits or trains.

        Raises:
            TaskLostError: the task was lost.
        """

    def cancel(self, handle: Any) -> None:
        """Stop a task: its jobs end as killed, or never start."""

    def close(self) -> None:
        """Release the engine."""


def check_installed(engine: str) -> None:
    """Check that the extra of an engine is installed.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec(engine) is None:
        raise ConfigError(f"hydra/launcher: {engine} is not installed; pip install 'stackprop[{engine}]'")


def task_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are not null."""
    return {key: value for key, value in parameters.items() if value is not None}


def run_task(task: StackTask, number: int) -> list[JobEnd]:
    """Run a task of a cluster. GPUs are assigned by its number."""
    show()
    quiet_others()
    use_gpu(number)
    try:
        with raise_on_signals(OF_CLUSTERS):
            return [replace(end, reported=False) for end in train(task)]  # nothing was reported there
    except KeyboardInterrupt as stop:
        return [JobEnd({}, f"stopped by {str(stop) or 'Ctrl-C'}")] * len(task.members)


class Submitit:
    """Submitit as an engine.

    Args:
        folder: for its scripts and logs; every machine must have access.
        cluster: slurm, local; None: slurm if available.
        parameters: of submitit, for example `timeout_min` or `slurm_partition`.

    Raises:
        ConfigError: a parameter is not valid.
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
        """Submit a job to the cluster."""
        return self.executor.submit(run_task, task, number)

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The saved results of the job."""
        if not handle.done():
            return None
        error = handle.exception()
        if error is not None:
            raise TaskLostError(f"its task {handle.job_id} was ended (see {handle.paths.stderr})") from error
        return list(handle.result())

    def cancel(self, handle: Any) -> None:
        """Cancel the job, or interrupt its process."""
        handle.cancel(check=False)

    def close(self) -> None:
        """Nothing to release."""


class Ray:
    """Ray as an engine.

    Args:
        address: of a cluster; None: a local one, for the duration of the sweep.
        parameters: requirements of a task, for example `num_cpus` or `num_gpus`.

    Raises:
        ConfigError: the cluster does not exist, or a parameter is not valid.
    """

    def __init__(self, address: str | None, parameters: Mapping[str, Any]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        import ray

        self.ray = ray
        try:
            # A killed task is not restarted; `sweep.resume` can do so once the reason is known.
            self.remote = ray.remote(run_task).options(max_retries=0, **task_options(parameters))
            ray.init(address, include_dashboard=False if address is None else None, log_to_driver=False)
        except (ConnectionError, TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: {str(error).splitlines()[0]}") from error

    def submit(self, task: StackTask, number: int) -> Any:
        """Submit a task to the cluster."""
        return self.remote.remote(task, number)

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The result of the task."""
        if not self.ray.wait([handle], timeout=0)[0]:
            return None
        try:
            return list(self.ray.get(handle))
        except self.ray.exceptions.RayError as error:
            raise TaskLostError(f"its task was ended ({type(error).__name__})") from error

    def cancel(self, handle: Any) -> None:
        """Interrupt the task."""
        self.ray.cancel(handle)

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self.ray.shutdown()
