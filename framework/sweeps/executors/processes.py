"""Stacks in processes of their own, `n_jobs` at a time. A process that is killed costs its jobs, not the sweep."""

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

from framework.core.arrays import use_gpu
from framework.core.callback import Callback, TrainingResult
from framework.core.process import without_main
from framework.core.signals import OF_CLUSTERS, deferred, raise_on_signals
from framework.experiments.sync import close_lost_runs
from framework.sweeps.executors.task import JobEnd, task_of, train, values
from framework.sweeps.jobs import Job
from framework.sweeps.progress import Progress, StackCallback


class Worker:
    """A process that trains one stack after another.

    Args:
        slot: its number; the GPUs are shared out by it.
        threads: it may use.
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
        """Let it train a stack."""
        self.group, self.observed = group, progress.callback(group)
        with contextlib.suppress(OSError):  # one that has died by now is told when it is listened to
            self.pipe.send(task_of(group))

    def end(self) -> None:
        """Stop it; a training in it ends as killed."""
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
    """What a worker tells: how its jobs ended, or None while they train."""
    try:
        what, *told = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        close_lost_runs(worker.group[0].place.runs)
        return [JobEnd({}, f"its process was ended ({exit_reason(worker.process.exitcode)})")] * len(worker.group)
    if what == "done":
        return list(told[0])
    getattr(worker.observed, what)(*told)
    return None


def exit_reason(code: int | None) -> str:
    """An exit code in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


def work(pipe: Connection, slot: int, threads: int) -> None:
    """What runs in the process: a stack, and the next one, until there is none or the sweep is gone."""
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    threadpool_limits(threads)
    use_gpu(slot)
    with contextlib.suppress(EOFError, KeyboardInterrupt), raise_on_signals(OF_CLUSTERS):
        while True:
            told = PipeCallback(pipe)
            told.send("done", train(pipe.recv(), [told]))


class PipeCallback(Callback):
    """A callback that passes on what the sweep shows. Where nobody listens any more the training goes on: its record is
    what counts."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def send(self, *message: Any) -> None:
        """To the process of the sweep."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """How far it has come."""
        self.send("on_steps", member, first, (), rows[:, :0])

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """For the best so far."""
        self.send("on_metrics", member, step, dict(values))

    def on_end(self, outcome: TrainingResult) -> None:
        """Without its weights."""
        self.send("on_end", replace(outcome, weights={}))
