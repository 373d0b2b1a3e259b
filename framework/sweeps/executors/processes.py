"""Runs stacks in separate processes, `n_jobs` at a time. A killed process affects only its own jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from framework.core.arrays import take_gpu
from framework.core.callback import Callback, StartedRun, TrainingResult
from framework.core.log import quiet_others, show
from framework.core.process import limit_heaps, without_main
from framework.core.signals import OF_CLUSTERS, deferred, raise_on_signals
from framework.experiments.sync import close_lost_runs
from framework.sweeps.executors.task import JobEnd, task_of, train, values
from framework.sweeps.jobs import Job
from framework.sweeps.progress import Progress, StackCallback


class Worker:
    """A process that trains one stack after another.

    Args:
        slot: its number, which also selects its GPU.
        threads: number of threads it may use.
    """

    def __init__(self, slot: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.slot = slot
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, slot, threads), daemon=True)
        with without_main():
            self.process.start()
        theirs.close()
        self.group: list[Job] = []
        self.observed: StackCallback | None = None

    def start(self, group: list[Job], progress: Progress) -> None:
        """Let the process train a stack."""
        self.group, self.observed = group, progress.callback(group)
        with contextlib.suppress(OSError):  # a process that was killed is detected when its results are read
            self.pipe.send(task_of(group))

    def end(self) -> None:
        """Stop the process; its training ends as killed."""
        if self.process.is_alive():
            self.process.terminate()
        self.process.join()


def run_in_workers(groups: Sequence[list[Job]], n_jobs: int, progress: Progress) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job."""
    waiting, found = list(groups), dict[int, Any]()
    n_jobs = min(n_jobs, len(groups))
    threads = max(1, (os.cpu_count() or 1) // n_jobs)
    workers = [Worker(slot, threads) for slot in range(n_jobs)]
    try:
        for worker in workers:
            worker.start(waiting.pop(0), progress)
        while any(worker.group for worker in workers):
            for pipe in wait([worker.pipe for worker in workers if worker.group]):
                i = next(i for i, worker in enumerate(workers) if worker.pipe is pipe)
                ends = _receive(workers[i])
                if ends is None:
                    continue
                found |= values(workers[i].group, ends, progress)
                workers[i].group = []
                if waiting:
                    if not workers[i].process.is_alive():
                        workers[i] = Worker(workers[i].slot, threads)
                    workers[i].start(waiting.pop(0), progress)
        return found
    finally:
        with deferred():
            for worker in workers:
                worker.end()


def _receive(worker: Worker) -> list[JobEnd] | None:
    """A message from a worker: how its jobs ended, or None while they train."""
    try:
        what, *content = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        close_lost_runs(worker.group[0].place.runs)
        return [JobEnd({}, f"its process was ended ({exit_reason(worker.process.exitcode)})")] * len(worker.group)
    if what == "done":
        return list(content[0])
    getattr(worker.observed, what)(*content)
    return None


def exit_reason(code: int | None) -> str:
    """The description of an exit code."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


def work(pipe: Connection, slot: int, threads: int) -> None:
    """The main loop of a worker: trains stacks until there are no more, or the sweep has ended."""
    limit_heaps()
    show()
    quiet_others()
    threadpool_limits(threads)
    take_gpu(slot)
    with contextlib.suppress(EOFError, KeyboardInterrupt), raise_on_signals(OF_CLUSTERS):
        while True:
            callback = PipeCallback(pipe)
            callback.send("done", train(pipe.recv(), [callback]))


class PipeCallback(Callback):
    """Sends the progress to the process of the sweep. If that has ended, the training continues, since its results are
    recorded."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def send(self, *message: Any) -> None:
        """Send a message to the process of the sweep."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def on_start(self, runs: Sequence[StartedRun]) -> None:
        """Send which runs train, without their configurations."""
        self.send("on_start", [replace(run, config={}) for run in runs])

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Send the step."""
        self.send("on_steps", member, first, (), rows[:, :0])

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Send the metrics, for the best value so far."""
        self.send("on_metrics", member, step, dict(values))

    def on_end(self, outcome: TrainingResult) -> None:
        """Send the result, without its weights."""
        self.send("on_end", replace(outcome, weights={}))
