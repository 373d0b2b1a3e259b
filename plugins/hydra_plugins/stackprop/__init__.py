"""The door that Hydra looks behind; the rooms are `framework.sweeps` and `framework.config.composition`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf


class StackedLauncher(Launcher):
    """Jobs that can share a stack train in one pass.

    Args:
        max_stack: replicas of one stack; null: as many as memory allows.
        n_jobs: stacks that run at once, in processes of their own.
    """

    validates = True  # all jobs of a batch, before the first one starts

    def __init__(self, max_stack: int | None = None, n_jobs: int | None = 1) -> None:
        self.max_stack, self.n_jobs = max_stack, n_jobs

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra hands over; the jobs are run by the launcher itself."""
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """All jobs of a batch."""
        from framework.sweeps.launcher import LaunchOptions, launch

        how = LaunchOptions(self.max_stack, self.n_jobs, self.cluster())
        return launch(self.context, self.config, job_overrides, initial_job_idx, how)

    def cluster(self) -> Callable[[], Any] | None:
        """What opens the engine that takes stacks to other machines."""
        return None


class SubmititLauncher(StackedLauncher):
    """Stacks as jobs of a SLURM cluster, or as processes of this machine.

    Args:
        max_stack: as above.
        n_jobs: stacks that run at once; null: as many as the cluster takes.
        engine: slurm, local; null: slurm where there is one.
        parameters: submitit's.
    """

    def __init__(self, max_stack: int | None, n_jobs: int | None, engine: str | None, parameters: Any) -> None:
        super().__init__(max_stack, n_jobs)
        self.engine, self.parameters = engine, OmegaConf.to_container(parameters)

    def cluster(self) -> Callable[[], Any]:
        """Of submitit."""
        from framework.sweeps.executors.cluster import Submitit, check_installed

        check_installed("submitit")
        return lambda: Submitit(Path(self.config.hydra.sweep.dir) / ".submitit", self.engine, self.parameters)


class RayLauncher(StackedLauncher):
    """Stacks as tasks of a Ray cluster.

    Args:
        max_stack, n_jobs: as above.
        address: of the cluster; null: one of this machine, for as long as the sweep takes.
        parameters: what a task needs.
    """

    def __init__(self, max_stack: int | None, n_jobs: int | None, address: str | None, parameters: Any) -> None:
        super().__init__(max_stack, n_jobs)
        self.address, self.parameters = address, OmegaConf.to_container(parameters)

    def cluster(self) -> Callable[[], Any]:
        """Of Ray."""
        from framework.sweeps.executors.cluster import Ray, check_installed

        check_installed("ray")
        return lambda: Ray(self.address, self.parameters)


class GridSweeper(BasicSweeper):
    """Hydra's grid. The jobs are composed and judged once, by the stacked launcher; for any other launcher here."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Every job can run."""
        if not isinstance(self.launcher, StackedLauncher):
            from framework.sweeps.launcher import start_for_other_launcher

            start_for_other_launcher(self.hydra_context, self.config, batch, self.batch_index)


class SearchSweeper(Sweeper):
    """A search that is told what came of its trials; the options are judged in `framework.sweeps.sweepers`."""

    name = ""

    def __init__(self, params: Any = None, **given: Any) -> None:
        self.params, self.given = params or {}, given

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra hands over, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """All trials."""
        from framework.sweeps import sweepers

        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        getattr(sweepers, self.name)(sweepers.Sweep(self.context, self.config, self.launcher, self.given, words))


class AntColonySweeper(SearchSweeper):
    """Ants search numbers and words."""

    name = "ant_colony"


class AntColonyLstmSweeper(SearchSweeper):
    """Ants search the connections of an LSTM."""

    name = "ant_colony_lstm"


class OptunaSweeper(SearchSweeper):
    """Random search and TPE, by Optuna."""

    name = "optuna"
