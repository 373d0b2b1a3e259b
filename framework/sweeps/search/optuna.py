"""Random search and TPE, through Optuna (extra `optuna`). Imported only when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan
from typing import Any, Literal

from framework.sweeps.search.history import CompletedTrial
from framework.sweeps.search.pruners import TrialPruner, made
from framework.sweeps.search.space import Choice, Dimension, Space, Trial

Sampler = Literal["tpe", "random"]


class OptunaSearcher:
    """A search through Optuna.

    Args:
        space: key -> its possible values.
        sampler: tpe, the tree-structured Parzen estimator (Bergstra et al. 2011), adapted to batches: running trials count
            as bad, so that the trials of a batch differ; or random.
        seed: of all draws.
        pruner: ends trials early; None: every trial trains to its end.

    Raises:
        ImportError: Optuna is not installed.
    """

    def __init__(self, space: Space, sampler: Sampler = "tpe", seed: int = 0, pruner: TrialPruner | None = None) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        samplers = optuna.samplers
        chosen: Any = samplers.RandomSampler(seed) if sampler == "random" else tpe(samplers.TPESampler, seed)
        ends = made(pruner.name) if pruner else optuna.pruners.NopPruner()
        # With its name, from which Hyperband derives the bracket of a trial.
        study = optuna.create_study(sampler=chosen, pruner=ends, study_name="stackprop")
        self.space, self.study, self.pruner, self.ended = space, study, pruner, list[CompletedTrial]()
        self.distributions = {key: distribution(part) for key, part in space.items()}
        self.trials: list[Any] = []

    def ask(self, count: int) -> list[Trial]:
        """The next trials."""
        self.trials = [self.study.ask(self.distributions) for _ in range(count)]
        return [{key: override_value(part, trial.params[key]) for key, part in self.space.items()} for trial in self.trials]

    def end(self, trials: Sequence[CompletedTrial], sign: int) -> None:
        """Receive the records of the trials: what Optuna has not got yet of their values at each validation."""
        self.ended = list(trials)
        for trial, record in zip(self.trials, trials, strict=True):
            known = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
            for epoch, value in record.reported:
                if epoch not in known:
                    trial.report(sign * value, epoch)

    def tell(self, losses: Sequence[float]) -> None:
        """Pass the losses to Optuna; a loss that is not finite is the worst. A pruned trial has its values so far."""
        from optuna.trial import TrialState

        for i, (trial, loss) in enumerate(zip(self.trials, losses, strict=True)):
            if self.ended and self.ended[i].is_pruned and self.ended[i].reported:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, inf if isnan(loss) else loss)


def tpe(sampler: Any, seed: int) -> Any:
    """The estimator, adapted to batches."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant_liar is marked experimental
        return sampler(seed=seed, constant_liar=True)


def distribution(part: Dimension) -> Any:
    """The distribution in Optuna's form."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(part.words)
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), part.log, int(part.step or 1))
    return FloatDistribution(part.low, part.high, part.log, part.step)


def override_value(part: Dimension, value: Any) -> str:
    """A value of Optuna in the form of an override."""
    if isinstance(part, Choice) or part.whole:
        return str(value)
    return f"{value:.{6 if part.step is None else 10}g}"
