"""Random search and TPE, through Optuna (extra `optuna`). Imported only when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan
from typing import Any, Literal

from framework.sweeps.search.space import Choice, Dimension, Space, Trial

Sampler = Literal["tpe", "random"]


class OptunaSearcher:
    """A search through Optuna.

    Args:
        space: key -> its possible values.
        sampler: tpe, the tree-structured Parzen estimator (Bergstra et al. 2011), adapted to batches: running trials count
            as bad, so that the trials of a batch differ; or random.
        seed: of all draws.

    Raises:
        ImportError: Optuna is not installed.
    """

    def __init__(self, space: Space, sampler: Sampler = "tpe", seed: int = 0) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        samplers = optuna.samplers
        chosen: Any = samplers.RandomSampler(seed) if sampler == "random" else tpe(samplers.TPESampler, seed)
        self.space, self.study = space, optuna.create_study(sampler=chosen)
        self.distributions = {key: distribution(part) for key, part in space.items()}
        self.trials: list[Any] = []

    def ask(self, count: int) -> list[Trial]:
        """The next trials."""
        self.trials = [self.study.ask(self.distributions) for _ in range(count)]
        return [{key: override_value(part, trial.params[key]) for key, part in self.space.items()} for trial in self.trials]

    def tell(self, losses: Sequence[float]) -> None:
        """Pass the losses to Optuna; a loss that is not finite is the worst."""
        for trial, loss in zip(self.trials, losses, strict=True):
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
