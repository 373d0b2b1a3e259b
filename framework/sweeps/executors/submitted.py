"""The tasks of a sweep that a cluster has, in `tasks.json`: a later launch waits for them and submits nothing twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from framework.core.reading import read_mapping
from framework.core.writing import write_json
from framework.tracking.run_dir import TASKS, read_sweep


@dataclass(frozen=True)
class Submitted:
    """A task that was submitted.

    Attributes:
        id: by which the engine knows it.
        jobs: the numbers of its jobs, in their order.
    """

    id: str
    jobs: tuple[int, ...]


def read_tasks(sweep: Path) -> dict[str, Submitted]:
    """Token -> task; what is not valid is left out."""
    found = {}
    for token, entry in read_mapping(sweep / TASKS).items():
        if not isinstance(entry, dict):
            continue
        job, numbers = entry.get("id"), entry.get("jobs")
        if isinstance(job, str) and isinstance(numbers, list) and all(isinstance(number, int) for number in numbers):
            found[token] = Submitted(job, tuple(numbers))
    return found


def add_task(sweep: Path, token: str, task: Submitted) -> None:
    """Record a task."""
    _write(sweep, {**read_tasks(sweep), token: task})


def keep_tasks(sweep: Path, tokens: Collection[str]) -> None:
    """Forget all other tasks: one of an earlier launch that still waits then does nothing when it starts."""
    known = read_tasks(sweep)
    kept = {token: task for token, task in known.items() if token in tokens}
    if known and not kept:
        (sweep / TASKS).unlink(missing_ok=True)
    elif len(kept) < len(known):
        _write(sweep, kept)


def numbers_of(tasks: Iterable[Submitted]) -> set[int]:
    """The numbers of their jobs."""
    return {number for task in tasks for number in task.jobs}


def not_started(sweeps: Iterable[Path]) -> Iterator[str]:
    """A line for every sweep with jobs that were submitted and have not started, or that was killed before its first one."""
    for sweep in sweeps:
        tasks = read_tasks(sweep).values()
        if not tasks and not any(sweep.glob("*/run.json")):
            yield f"{sweep}: none of its jobs has started; if its process has ended, `stackprop resume {sweep}` runs them"
        numbers, jobs = set(map(str, numbers_of(tasks))), read_sweep(sweep).get("jobs", {})
        folders = {str(job.get("folder")) for n, job in jobs.items() if n in numbers and isinstance(job, dict)}
        if left := sum(not (sweep / Path(name).name / "run.json").is_file() for name in folders):
            named = ", ".join(task.id for task in tasks)
            yield f"{sweep}: {left} submitted job{'s have' if left > 1 else ' has'} not started (cluster task {named})"


def _write(sweep: Path, tasks: Mapping[str, Submitted]) -> None:
    write_json(sweep / TASKS, {token: asdict(task) for token, task in tasks.items()})
