"""`SweepSession`: the state of one command while Hydra calls its launcher, its sweeper and its jobs."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.config.diff import defaults
from framework.config.schema import Settings
from framework.core.callback import Callback
from framework.core.process import can_fork, environment
from framework.experiments.experiment import Experiment, prepare
from framework.tracking.writers import MlflowWriterPool

POOLED = 8  # jobs from which writing to MLflow beside the training repays its start
SECOND = 64  # jobs from which a second one does, for a store that is not the local one


@dataclass
class SweepSession:
    """The state of one command.

    Attributes:
        command: the command; that of the first launch for a resumed sweep.
        launch_id: of the command, to distinguish two that start in the same second.
        callbacks: those of the user, for trainings in this process.
        sweeps: the folders of the sweeps that were started.
        warnings: printed warnings as (sweep, line), so that no batch repeats them.
        writers: write to MLflow beside the training; None: the training itself writes.
        composer: of the latest sweep, for its further batches.
        rungs: of a search that prunes its trials.
    """

    command: list[str] = field(default_factory=list)
    launch_id: str = ""
    callbacks: tuple[Callback, ...] = ()
    sweeps: list[Path] = field(default_factory=list)
    warnings: set[tuple[Path, str]] = field(default_factory=set)
    writers: MlflowWriterPool | None = None
    composer: Any = None
    rungs: Any = None
    _checked: Experiment | None = None

    def check(self, settings: Settings) -> None:
        """Prepare a single run before it starts; `experiment` then has it."""
        if self._checked is None or self._checked.settings.tree != settings.tree:
            self._checked = prepare(settings)
            self._checked.check_tier()

    def experiment(self, settings: Settings) -> Experiment:
        """The experiment of these settings; the one that `check` prepared, once."""
        known, self._checked = self._checked, None
        return known if known is not None and known.settings.tree == settings.tree else prepare(settings)

    def warn(self, sweep: Path, lines: Sequence[str]) -> None:
        """Print the lines that this sweep has not printed yet."""
        for line in lines:
            if (sweep, line) not in self.warnings:
                print(f"stackprop: {line}", file=sys.stderr)
                self.warnings.add((sweep, line))

    def start_writers(self, jobs: int, local: bool = True) -> None:
        """Start what writes to MLflow beside the training, unless it runs.

        Args:
            local: whether the store is the local one.
        """
        if self.writers is not None:
            return
        lanes = 2 if jobs >= SECOND and not local and (os.cpu_count() or 1) > 1 else 1
        forks = local and can_fork()
        if forks:
            import matplotlib.figure  # noqa: F401  # both processes will draw

            gc.freeze()  # what they share is not written, and so not copied, by their garbage collectors
        try:
            self.writers = MlflowWriterPool(lanes, local, forks)
        except (OSError, ImportError) as error:  # no room in /dev/shm, none to write to, or no further process
            if local:
                self.writers = MlflowWriterPool(local=True)
            else:
                print(f"stackprop: the training itself writes to MLflow, which takes longer ({error})", file=sys.stderr)
        self.submit(defaults)  # for the page of the best job, while this process composes the jobs

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the tracking store in the process that writes it: not in another thread, which would wait for
        the lock of Hydra that this thread holds."""
        if self.writers and self.writers.beside:
            return self.writers.call(function, *arguments)
        self.settle()
        return function(*arguments)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function in a process that writes the store, without waiting for it; not at all without such a process."""
        if self.writers and self.writers.beside:
            self.writers.submit(function, *arguments)

    def settle(self) -> None:
        """Wait until the writers have done all requests so far."""
        if self.writers:
            self.writers.settle()

    def close(self) -> None:
        """Wait until the writers have written everything."""
        writers, self.writers = self.writers, None
        if writers is not None:
            writers.close()


_sessions: list[SweepSession] = []


def session() -> SweepSession:
    """The session of the command that runs; in a process that another launcher started, a new one."""
    if not _sessions:
        _sessions.append(SweepSession(launch_id=os.environ.get("STACKPROP_ID", "")))
    return _sessions[-1]


@contextlib.contextmanager
def start_session(
    words: Sequence[str], variables: Mapping[str, str], callbacks: Sequence[Callback] = ()
) -> Iterator[SweepSession]:
    """A session for a command, with the environment variables that presets read."""
    own = SweepSession(list(words), secrets.token_hex(2), tuple(callbacks))
    runs = os.environ.get("STACKPROP_RUNS", "runs")
    _sessions.append(own)
    try:
        with environment({"STACKPROP_RUNS": runs, "STACKPROP_ID": own.launch_id, **variables}):
            yield own
    finally:
        _sessions.remove(own)
