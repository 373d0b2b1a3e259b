"""An engine that runs stacks on other machines, and what a task of it does there.

A task of an engine is a whole stack. An engine does not know jobs: it runs `run_task` somewhere and returns its result.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from framework.core.arrays import take_gpu
from framework.core.errors import ConfigError
from framework.core.log import quiet_others, show
from framework.core.signals import OF_CLUSTERS, STOPS, StopRequest, raise_on_signals
from framework.experiments.sync import close_lost_runs
from framework.sweeps.executors.restart import saved_steps
from framework.sweeps.executors.slurm import is_cancelled, requeue
from framework.sweeps.executors.task import JobEnd, StackTask, train
from framework.tracking.folders import SWEEP

OF_TIME = ("SIGUSR1", "SIGUSR2")  # sent before the end of the time, or before another job takes the place
ALL = "all"  # GPUs
LOCAL_REQUEUE = 144  # the exit status with which submitit starts a process again
SEEN = 10.0  # seconds that a network disk may take until a machine sees what another one has written
SHARED = "put the folder of runs on a disk that every machine sees (STACKPROP_RUNS=FOLDER)"


class TaskLostError(RuntimeError):
    """A task was lost without results; the message gives the reason."""


class RefusedError(RuntimeError):
    """The engine does not take a task with these parameters; the message gives the reason."""


class NotNowError(RuntimeError):
    """The engine takes no further task at the moment; the message gives the reason."""


class Cluster:
    """Submits stacks and collects their results.

    Attributes:
        at_once: the tasks that run at once, if the user gives no number; None: the engine decides.
    """

    at_once: int | None = None

    def submit(self, task: StackTask, number: int) -> Any:
        """Submit a task; returns a handle for it.

        Args:
            number: the lowest one that no task has which waits or runs.

        Raises:
            NotNowError: a limit; a later attempt may succeed.
            RefusedError: the parameters are wrong.
            Exception: any other error of the engine.
        """
        raise NotImplementedError

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The results of its jobs; None while it waits or trains.

        Raises:
            TaskLostError: the task was lost.
        """
        raise NotImplementedError

    def cancel(self, handle: Any) -> None:
        """Stop a task: its jobs end as killed, or never start."""

    def close(self) -> None:
        """Release the engine."""

    def id_of(self, handle: Any) -> str:
        """The name by which another process finds the task; empty if it ends with this process."""
        return ""

    def find(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Id -> handle of those tasks that still wait or run.

        Raises:
            ConfigError: the engine does not answer.
        """
        return {}

    def news(self) -> list[str]:
        """Lines for the user since the last call: what the engine waits for."""
        return []


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


def run_task(task: StackTask, number: int, threads: int | None = None, gpus: str | None = None) -> list[JobEnd]:
    """Run a task of a cluster.

    Args:
        number: selects its GPU, if several are visible and free.
        threads: that it may use; None: as many as the engine gives it.
        gpus: CUDA_VISIBLE_DEVICES, or `ALL`, for an engine that hides them.
    """
    if gpus is not None:  # before CUDA is used
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
        if gpus == ALL:
            del os.environ["CUDA_VISIBLE_DEVICES"]
    show()
    quiet_others()
    if threads is not None:
        threadpool_limits(threads)
    take_gpu(number)
    ends = [JobEnd({}, reason)] * len(task.members) if (reason := unseen(task)) else stoppable(task)
    return [replace(end, reported=False, host=socket.gethostname()) for end in ends]  # nothing was reported there


def stoppable(task: StackTask) -> list[JobEnd]:
    """Train a stack. Where an engine stops it and starts it again, it then continues from its checkpoints.

    Raises:
        SystemExit: it is to be started again, so it has no result yet.
    """
    folders, engine = [place.folder for *_, place in task.members], os.environ.get("SUBMITIT_EXECUTOR", "")
    close_lost_runs(task.members[0][-1].runs, folders if restarts() else ())
    before = saved_steps(folders)
    with raise_on_signals(OF_CLUSTERS):
        try:
            # Ctrl-C, as `Cluster.cancel` sends it, has no time to save.
            return train(task, stop=StopRequest(OF_CLUSTERS, shared=True) if engine else None)
        except KeyboardInterrupt as stop:
            name = str(stop) or "Ctrl-C"
    reason = f"stopped by {name}"
    if name not in (*OF_TIME, *STOPS) or not engine:
        return [JobEnd({}, reason)] * len(folders)
    if name in OF_TIME and saved_steps(folders) <= before:
        reason += ": its time ended before the first checkpoint, so it is not started again"
    elif engine == "local" and name in OF_TIME:
        sys.exit(LOCAL_REQUEUE)
    elif engine == "slurm":
        job = os.environ["SLURM_JOB_ID"]
        if (name in STOPS and is_cancelled(job)) or not (refused := requeue(job)):
            sys.exit(1)
        reason += f", and not started again ({refused})"
    return [JobEnd({}, reason)] * len(folders)


def restarts() -> bool:
    """Whether an engine has started this task before: its earlier process is dead."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0" or "SUBMITIT_LOCAL_JOB_ID" in os.environ


def unseen(task: StackTask) -> str:
    """Why the results of a task would be lost on this machine: it does not see the folder of the sweep. Empty if it does."""
    sweep, until = Path(task.members[0][-1].folder).parent, time.monotonic() + SEEN
    while not (sweep / SWEEP).is_file():
        if time.monotonic() > until:
            return f"{socket.gethostname()} does not see the folder of the sweep, {sweep}; {SHARED}"
        time.sleep(0.5)
    return ""
