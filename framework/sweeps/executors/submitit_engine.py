"""Submitit as an engine, for SLURM or for processes of this machine; the extra `submitit`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError
from framework.sweeps.executors import slurm
from framework.sweeps.executors.cluster import ALL, Cluster, NotNowError, RefusedError, TaskLostError, run_task, task_options
from framework.sweeps.executors.task import JobEnd, StackTask

GONE = 30.0  # seconds until a task that SLURM has ended counts as lost: its result may be on the way, or it is requeued
EXTRA = "slurm_additional_parameters"


class Submitit(Cluster):
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

        given = {"name": "stackprop", **task_options(parameters)}
        try:
            self.executor = submitit.AutoExecutor(folder, cluster)
            self.on_slurm = self.executor.cluster == "slurm"
            if self.on_slurm:  # so that a stack goes on after its node has failed, was taken away, or its time has ended
                given[EXTRA] = {"requeue": True, **(given.get(EXTRA) or {})}
            self.executor.update_parameters(**given)
            if self.on_slurm:
                own: Any = self.executor._executor
                slurm.check(own._make_submission_file_text("true", "check"))
        except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"hydra.launcher.parameters: {next(iter(str(error).splitlines()), type(error).__name__)}"
            ) from error
        self.cores = max(1, given.get("cpus_per_task") or 1)
        if not self.on_slurm:
            self.at_once = max(1, cores() // self.cores)
        self.queue, self.gone, self.cancelled = slurm.Queue(), dict[str, float](), set[str]()

    def submit(self, task: StackTask, number: int) -> Any:
        """Submit a job to the cluster."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        if not self.on_slurm:  # submitit hides the GPUs of the machine; each task takes a free one
            threads = max(self.cores, cores() // (self.at_once or 1))
            return self.executor.submit(run_task, task, number, threads, os.environ.get("CUDA_VISIBLE_DEVICES", ALL))
        try:
            handle = self.executor.submit(run_task, task, number)
            for link in self.executor.folder.glob(".submission_file_*.sh"):
                link.unlink(missing_ok=True)  # to the script; a folder with links cannot be resumed
            return handle
        except (FailedJobError, FailedSubmissionError) as error:
            reason, later = slurm.refusal(str(error))
            if later:
                raise NotNowError(f"SLURM takes no further job now ({reason})") from error
            raise RefusedError(f"SLURM refuses the job: {reason}") from error

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The saved results of the job."""
        if not handle.paths.result_pickle.exists():
            if self._goes_on(handle):
                return None
            if not handle.paths.result_pickle.exists():
                raise TaskLostError(self._lost(handle))
        with suppress(ValueError):
            self.queue.forget(handle.job_id)
        error = handle.exception()
        if error is not None:
            raise TaskLostError(
                f"its task {handle.job_id} failed: {last_error(str(error))} (see {handle.paths.stderr})"
            ) from error
        return list(handle.result())

    def _goes_on(self, handle: Any) -> bool:
        """Whether a task without a result may still have one."""
        job = handle.job_id
        if not self.on_slurm:
            return not handle.done()
        state = self.queue.state(job)
        if state not in (*slurm.ENDED, "GONE"):
            self.gone.pop(job, None)
            return True
        since = self.gone.setdefault(job, time.monotonic())
        with suppress(OSError):
            os.listdir(handle.paths.folder)  # a network disk then looks for the result again
        return job not in self.cancelled and time.monotonic() - since < GONE

    def _lost(self, handle: Any) -> str:
        job, state = handle.job_id, ""
        if self.on_slurm:
            state = self.queue.state(job)
            state = slurm.reasons(state if state in slurm.ENDED else slurm.final_state(job) or "SLURM no longer knows it")
            self.queue.forget(job)
        return f"its task {job} was ended without a result{f' ({state})' if state else ''} (see {handle.paths.stderr})"

    def cancel(self, handle: Any) -> None:
        """Cancel the job, or interrupt its process."""
        self.cancelled.add(handle.job_id)
        with suppress(OSError):
            handle.cancel(check=False)

    def id_of(self, handle: Any) -> str:
        """The number of the job in SLURM."""
        return str(handle.job_id) if self.on_slurm else ""

    def find(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """The jobs that SLURM still has."""
        from submitit import SlurmJob

        numbers = [job for job in ids if re.fullmatch(r"\d+", job)]
        if not (self.on_slurm and numbers):
            return {}
        self.queue.ids |= set(numbers)
        self.queue.ask()
        if self.queue.fault:
            raise ConfigError(
                f"hydra.launcher: SLURM does not answer ({self.queue.fault}), so it is not known whether jobs "
                f"{', '.join(numbers[:5])} still wait; try again later"
            )
        going = [job for job in numbers if self.queue.state(job) not in (*slurm.ENDED, "GONE")]
        self.queue.ids -= set(numbers) - set(going)
        return {job: SlurmJob(folder=self.executor.folder, job_id=job) for job in going}

    def news(self) -> list[str]:
        """Jobs that cannot start."""
        return self.queue.news()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def last_error(text: str) -> str:
    """The exception at the end of a traceback in a message of submitit."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)), lines[0])
