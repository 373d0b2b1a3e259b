"""The door that Hydra looks behind; the rooms are `framework.launching` and `framework.composing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.plugins.launcher import Launcher


class StackedLauncher(Launcher):
    """Jobs that can share a stack train in one pass.

    Args:
        max_stack: replicas of one stack; null: as many as memory allows.
        n_jobs: stacks that run at once, in processes of their own.
    """

    def __init__(self, max_stack: int | None = None, n_jobs: int = 1) -> None:
        self.max_stack, self.n_jobs = max_stack, n_jobs

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra hands over; the jobs are run by the launcher itself."""
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """All jobs of a batch."""
        from framework.launching.stacked import launch

        return launch(self.context, self.config, job_overrides, initial_job_idx, self.max_stack, self.n_jobs)


class GridSweeper(BasicSweeper):
    """Hydra's grid. The jobs are composed and judged once, by the stacked launcher; for any other launcher here."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Every job can run."""
        if not isinstance(self.launcher, StackedLauncher):
            from framework.launching.stacked import begin_elsewhere

            begin_elsewhere(self.hydra_context, self.config, batch, self.batch_index)
