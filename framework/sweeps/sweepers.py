"""The sweepers of `hydra/sweeper=...`: options and overrides are parsed, then a search is built and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from framework.core.arrays import trained_elsewhere
from framework.core.errors import ConfigError, did_you_mean
from framework.core.options import declared, option
from framework.core.validation import Validator
from framework.experiments.experiment import Experiment
from framework.registry.discovery import discover
from framework.sweeps.search.ant_colony import AntColony, ColonyOptions
from framework.sweeps.search.cell_ants import CellAnts, CellOptions
from framework.sweeps.search.optuna import OptunaSearcher, Sampler
from framework.sweeps.search.overrides import Parts, parted
from framework.sweeps.search.pruners import Pruner, TrialPruner
from framework.sweeps.search.runner import Objective, SearchRunner
from framework.sweeps.search.space import Searcher, Space


@dataclass(frozen=True)
class OptunaOptions:
    """Options of the sweeper `optuna`."""

    n_jobs: int = option(8, least=1, help="trials of an iteration")
    sampler: Sampler = option("tpe", help="tpe, random")
    pruner: Pruner | None = option(
        None, help="ends trials that are worse than earlier ones: median, successive_halving, hyperband; null: none"
    )
    warmup: int = option(0, least=0, help="epochs that every trial trains before the pruner may end it")


@dataclass(frozen=True)
class LstmOptions(CellOptions):
    """Options of the sweeper `ant_colony_lstm`."""

    node: str | None = option(None, help="the recurrent node with a masked_lstm; null: the only one")


class Sweep:
    """A sweep by a search.

    Args:
        context, config, launcher: Hydra's.
        given: the options of the sweeper.
        arguments: overrides of the sweep, those of presets first.
    """

    def __init__(self, context: Any, config: Any, launcher: Any, given: Mapping[str, Any], arguments: Sequence[str]) -> None:
        self.context, self.config, self.launcher, self.given = context, config, launcher, given
        self.overrides = OverridesParser.create(config_loader=context.config_loader).parse_overrides(list(arguments))

    def validated(self, options: type, name: str) -> tuple[Objective, Any]:
        """The objective and the options of the search.

        Raises:
            ConfigError: with a line for every error.
        """
        validator, goals = Validator(discover(), {}), declared(Objective)
        goal = validator.fill(Objective, {k: v for k, v in self.given.items() if k in goals}, "hydra.sweeper", name)
        rest = {key: value for key, value in self.given.items() if key not in goals}
        found = validator.fill(options, rest, "hydra.sweeper", f"sweeper '{name}'")
        if validator.errors:
            raise ConfigError("\n".join(validator.errors))
        return goal, found

    def trials(self, goal: Objective, parts: Parts) -> SearchRunner:
        """The runner for the trials of this sweep."""
        return SearchRunner(self.context, self.config, self.launcher, goal, parts.fixed, parts.repeats)


def run(name: str, sweep: Sweep) -> None:
    """Run the search of that name."""
    search: Callable[[Sweep], None] = globals()[name]
    with trained_elsewhere(getattr(sweep.launcher, "elsewhere", False)):
        search(sweep)


def ant_colony(sweep: Sweep) -> None:
    """ACO_R and pheromone."""
    goal, options = sweep.validated(ColonyOptions, "ant_colony")
    if goal.n_trials <= options.k:
        raise ConfigError(
            f"hydra.sweeper.k: the archive starts with {options.k} random trials; n_trials={goal.n_trials} is too small"
        )
    searched(sweep, goal, options.ants, lambda space: AntColony(space, options, goal.seed))


def optuna(sweep: Sweep) -> None:
    """Random search and TPE."""
    goal, options = sweep.validated(OptunaOptions, "optuna")
    try:
        import optuna as _  # noqa: F401
    except ImportError as error:
        raise ConfigError("hydra/sweeper: optuna is not installed; pip install 'stackprop[optuna]'") from error
    pruner = None
    if options.pruner is None and options.warmup:
        raise ConfigError(f"hydra.sweeper.warmup: no effect without hydra.sweeper.pruner (got {options.warmup})")
    if options.pruner is not None:
        check_pruner(sweep, goal, options.pruner)
        pruner = TrialPruner(options.pruner, goal.metric, len(parted(sweep.overrides).repeats), options.warmup)
    searched(sweep, goal, options.n_jobs, lambda space: OptunaSearcher(space, options.sampler, goal.seed, pruner), pruner)


def check_pruner(sweep: Sweep, goal: Objective, pruner: str) -> None:
    """Check that a pruner gets the values of the trials while they train.

    Raises:
        ConfigError: they train elsewhere, or the metric is not one of validations.
    """
    launcher = sweep.launcher
    if not getattr(launcher, "validates", False) or launcher.n_jobs != 1 or launcher.cluster() is not None:
        raise ConfigError(
            f"hydra.sweeper.pruner: trials must train in this process (got {pruner}); use hydra/launcher=stacked with "
            "hydra.launcher.n_jobs=1, or trainer.prune.at, which compares jobs anywhere"
        )
    if not goal.metric.startswith("val/"):
        raise ConfigError(f"hydra.sweeper.pruner: needs a metric of validations, val/... (got {goal.metric})")


def searched(
    sweep: Sweep, goal: Objective, count: int, make: Callable[[Space], Searcher], pruner: TrialPruner | None = None
) -> None:
    """Search all keys with several values."""
    parts = parted(sweep.overrides)
    if not parts.space:
        raise ConfigError(
            "nothing to search; give a key several values, for example optimizer=sgd,adam 'model.hidden=range(4,64)' "
            "'optimizer.lr=tag(log,interval(1e-4,1))'"
        )
    trials = sweep.trials(goal, parts)
    first = trials.check_space(parts.space)
    if pruner is not None and (first.settings.trainer.prune.at or first.settings.study is not None):
        other = "a study" if first.settings.study is not None else "trainer.prune.at"
        raise ConfigError(f"hydra.sweeper.pruner: cannot be combined with {other} (got {pruner.name}); no trial was started")
    trials.pruner = pruner
    trials.run(make(parts.space), count)


def ant_colony_lstm(sweep: Sweep) -> None:
    """Ant colony search of the connections of a masked LSTM."""
    goal, options = sweep.validated(LstmOptions, "ant_colony_lstm")
    parts = parted(sweep.overrides)
    if parts.space:
        raise ConfigError(f"{', '.join(parts.space)}: ant_colony_lstm only searches connections; give one value")
    trials = sweep.trials(goal, parts)
    node, inputs, units = masked_node(trials.check_space({}), options.node)
    key = f"model.layers.{node}.cell.connections"
    trials.run(CellAnts(key, inputs, units, options, goal.seed), options.cells)


def masked_node(experiment: Experiment, wanted: str | None) -> tuple[str, int, int]:
    """The recurrent node whose cell has a connection mask, and its numbers of inputs and units.

    Raises:
        ConfigError: there is none, or the choice is ambiguous.
    """
    nodes = experiment.learner.network.nodes
    cells: dict[str, Any] = {name: getattr(node.layer, "cell", None) for name, node in nodes.items()}
    able = [name for name, cell in cells.items() if hasattr(cell, "connections")]
    if wanted is not None and wanted not in able:
        raise ConfigError(
            f"hydra.sweeper.node: '{wanted}' is not a recurrent node with a masked_lstm{did_you_mean(wanted, able)}"
        )
    if len(able) != 1 and wanted is None:
        none = "no node has a cell of type masked_lstm; use model=masked_lstm"
        many = f"several nodes; choose one of {', '.join(able)}" if able else none
        raise ConfigError(f"hydra.sweeper.node: {many}")
    name = wanted or able[0]
    return name, experiment.learner.network.tensor_shapes[name, "K"][-2], cells[name].units
