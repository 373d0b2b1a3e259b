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

from framework.arrays import use_gpu
from framework.composing import load_plugins
from framework.config import judge
from framework.discovery import discover
from framework.experiment import RunFailed, prepare, run_stack
from framework.launching.folders import prepare_folder
from framework.launching.jobs import Job
from framework.launching.progress import Observed, Progress, failure
from framework.record import Place
from framework.refilling import end_lost
from framework.running import Outcome
from framework.spawning import without_main

Task = list[tuple[Mapping[str, Any], Place]]  # configuration and place of each member of a stack


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


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
        self.observed: Observed | None = None

    def begin(self, group: list[Job], progress: Progress) -> None:
        """Let it train a stack."""
        self.group, self.observed = group, progress.observer(group)
        for job in group:
            prepare_folder(job)
        self.pipe.send([(dict(job.experiment.settings.tree), job.place) for job in group])

    def end(self) -> None:
        """Stop it; a training in it ends as killed."""
        if self.process.is_alive():
            self.process.terminate()
        self.process.join()


def run_in_workers(groups: Sequence[list[Job]], n_jobs: int, progress: Progress) -> dict[int, Any]:
    """Number -> the validation loss, or the exception that ended the job."""
    waiting, values = list(groups), dict[int, Any]()
    n_jobs = min(n_jobs, len(groups))
    threads = max(1, (os.cpu_count() or 1) // n_jobs)
    workers = [Worker(slot, threads) for slot in range(n_jobs)]
    try:
        for worker in workers:
            worker.begin(waiting.pop(0), progress)
        while any(worker.group for worker in workers):
            for pipe in wait([worker.pipe for worker in workers if worker.group]):
                i = next(i for i, worker in enumerate(workers) if worker.pipe is pipe)
                found = _heard(workers[i], progress)
                if found is None:
                    continue
                values |= found
                progress.finished(workers[i].group)
                workers[i].group = []
                if waiting:
                    if not workers[i].process.is_alive():
                        workers[i] = Worker(workers[i].slot, threads)
                    workers[i].begin(waiting.pop(0), progress)
        return values
    finally:
        for worker in workers:
            worker.end()


def _heard(worker: Worker, progress: Progress) -> dict[int, Any] | None:
    """What a worker tells: what its jobs came to, or None while they train."""
    try:
        what, *told = worker.pipe.recv()
    except (EOFError, OSError):
        return _lost(worker, progress)
    if what != "done":
        getattr(worker.observed, what)(*told)
        return None
    for job, (_, reason, untold) in zip(worker.group, told[0], strict=True):
        if untold:
            progress.say(failure(job, reason))
    pairs = zip(worker.group, told[0], strict=True)
    return {job.number: RunFailed(reason) if reason else value for job, (value, reason, _) in pairs}


def _lost(worker: Worker, progress: Progress) -> dict[int, Any]:
    worker.process.join()
    reason = f"its process was ended ({ended_by(worker.process.exitcode)})"
    end_lost(worker.group[0].place.runs)
    for job in worker.group:
        progress.say(failure(job, reason))
    return {job.number: RunFailed(reason) for job in worker.group}


def ended_by(code: int | None) -> str:
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

    def stop(*_: Any) -> None:
        raise Terminated("SIGTERM")

    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            _train(pipe, pipe.recv())


def _train(pipe: Connection, task: Task) -> None:
    told = Told(pipe)
    experiments = []
    for tree, _ in task:
        load_plugins(tree.get("plugins"))
        experiments.append(prepare(replace(judge(tree, discover()), tree=tree)))
    found = run_stack(experiments, [place for _, place in task], [told])
    told.send("done", [_outcome(result) for result in found])


def _outcome(result: Any) -> tuple[float | None, str, bool]:
    """Value, reason of a failure, and whether that was not told before."""
    if isinstance(result, RunFailed):
        return None, str(result), result.__cause__ is not None
    return result.metrics.get("val/loss"), "", False


class Told:
    """An observer that passes on what the sweep shows. Where nobody listens any more the training goes on: its record is
    what counts."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def send(self, *message: Any) -> None:
        """To the process of the sweep."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """How far it has come."""
        self.send("steps", member, first, (), rows[:, :0])

    def probed(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Nothing is shown of it."""

    def probed_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Nothing is shown of it."""

    def measured(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """For the best so far."""
        self.send("measured", member, step, dict(values))

    def ended(self, outcome: Outcome) -> None:
        """Without its weights."""
        self.send("ended", replace(outcome, weights={}))
