"""The plugins that Hydra discovers; their code is in `framework.sweeps` and `framework.config.composition`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf


class StackedLauncher(Launcher):
    """Trains jobs that can share a stack together.

    Args:
        max_stack: maximum replicas of one stack; null: as many as memory allows.
        n_jobs: stacks that run at once, in separate processes.
    """

    validates = True  # all jobs of a batch, before the first one starts
    elsewhere = False  # whether the machines that train may have other devices than this one
    wait: Any = True  # for the results

    def __init__(self, max_stack: int | None = None, n_jobs: int | None = 1) -> None:
        self.max_stack, self.n_jobs = max_stack, n_jobs

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Save Hydra's context and configuration."""
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Run all jobs of a batch."""
        from framework.sweeps.launcher import LaunchOptions, launch

        how = LaunchOptions(self.max_stack, self.n_jobs, self.cluster(), self.elsewhere, self.wait)
        return launch(self.context, self.config, job_overrides, initial_job_idx, how)

    def cluster(self) -> Callable[[], Any] | None:
        """A function that opens the engine for other machines; None: this machine."""
        return None


class SubmititLauncher(StackedLauncher):
    """Trains stacks as jobs of a SLURM cluster, or as local processes.

    Args:
        max_stack: maximum replicas of one stack; null: as many as memory allows.
        n_jobs: stacks that run at once; null: as many as the cluster accepts.
        engine: slurm, local; null: slurm if available.
        wait: for the results; false, with SLURM: submit and end.
        parameters: options of submitit.
    """

    def __init__(
        self, max_stack: int | None, n_jobs: int | None, engine: str | None, parameters: Any, wait: Any = True
    ) -> None:
        super().__init__(max_stack, n_jobs)
        self.engine, self.parameters, self.wait = engine, OmegaConf.to_container(parameters), wait
        self.elsewhere = engine == "slurm" or (engine is None and shutil.which("srun") is not None)

    def cluster(self) -> Callable[[], Any]:
        """A function that opens submitit."""
        from framework.sweeps.executors.cluster import check_installed
        from framework.sweeps.executors.submitit_engine import Submitit

        check_installed("submitit")
        return lambda: Submitit(Path(self.config.hydra.sweep.dir) / ".submitit", self.engine, self.parameters)


class RayLauncher(StackedLauncher):
    """Trains stacks as tasks of a Ray cluster.

    Args:
        max_stack, n_jobs: as in `SubmititLauncher`.
        address: of the cluster; null: a local one, for the duration of the sweep.
        parameters: requirements of a task.
    """

    def __init__(self, max_stack: int | None, n_jobs: int | None, address: str | None, parameters: Any) -> None:
        super().__init__(max_stack, n_jobs)
        self.address, self.parameters = address, OmegaConf.to_container(parameters)
        self.elsewhere = address is not None

    def cluster(self) -> Callable[[], Any]:
        """A function that opens Ray."""
        from framework.sweeps.executors.cluster import check_installed
        from framework.sweeps.executors.ray_engine import Ray

        check_installed("ray")
        return lambda: Ray(self.address, self.parameters)


class GridSweeper(BasicSweeper):
    """Hydra's grid. The jobs are composed and validated once, by the stacked launcher, or here for any other launcher."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Validate all jobs of a batch."""
        if not isinstance(self.launcher, StackedLauncher):
            from framework.sweeps.launcher import start_for_other_launcher

            start_for_other_launcher(self.hydra_context, self.config, batch, self.batch_index)


class SearchSweeper(Sweeper):
    """A search that gets the results of its trials; `framework.sweeps.sweepers` validates the options."""

    name = ""

    def __init__(self, params: Any = None, **given: Any) -> None:
        self.params, self.given = params or {}, given

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Save Hydra's context and configuration, and create the launcher."""
        from hydra.core.plugins import Plugins

        self.context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run all trials."""
        from framework.sweeps import sweepers

        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        sweepers.run(self.name, sweepers.Sweep(self.context, self.config, self.launcher, self.given, words))


class AntColonySweeper(SearchSweeper):
    """Ant colony search over numbers and words."""

    name = "ant_colony"


class AntColonyLstmSweeper(SearchSweeper):
    """Ant colony search over the connections of an LSTM."""

    name = "ant_colony_lstm"


class OptunaSweeper(SearchSweeper):
    """Random search and TPE, through Optuna."""

    name = "optuna"
