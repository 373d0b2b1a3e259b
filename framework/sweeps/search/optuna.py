"""Random search and TPE, through Optuna (extra `optuna`). Imported where it is used only."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan
from typing import Any, Literal

from framework.sweeps.search.space import Choice, Dimension, Space, Trial

Sampler = Literal["tpe", "random"]


class OptunaSearcher:
    """
    Args:
        space: key -> what it may be.
        sampler: tpe, the tree-structured Parzen estimator (Bergstra et al. 2011), for batches: each trial of one counts the
            others, not told yet, as bad, so that they keep apart; or random.
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
        """So many trials."""
        self.trials = [self.study.ask(self.distributions) for _ in range(count)]
        return [{key: override_value(part, trial.params[key]) for key, part in self.space.items()} for trial in self.trials]

    def tell(self, losses: Sequence[float]) -> None:
        """A loss that is no number is the worst."""
        for trial, loss in zip(self.trials, losses, strict=True):
            self.study.tell(trial, inf if isnan(loss) else loss)


def tpe(sampler: Any, seed: int) -> Any:
    """The estimator, for batches."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant_liar is called experimental
        return sampler(seed=seed, constant_liar=True)


def distribution(part: Dimension) -> Any:
    """Optuna's word for it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(part.words)
    if part.whole:
        return IntDistribution(int(part.low), int(part.high), part.log, int(part.step or 1))
    return FloatDistribution(part.low, part.high, part.log, part.step)


def override_value(part: Dimension, value: Any) -> str:
    """A value of Optuna's as an override says it."""
    if isinstance(part, Choice) or part.whole:
        return str(value)
    return f"{value:.{6 if part.step is None else 10}g}"
