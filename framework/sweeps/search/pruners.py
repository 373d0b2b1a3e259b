"""Optuna's pruners: a trial ends early where its values are worse than those of earlier trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from framework.config.options import Prune
from framework.experiments.experiment import Experiment
from framework.tracking.run_dir import RunLocation
from framework.training.pruning import Rungs, Standing

Pruner = Literal["median", "successive_halving", "hyperband"]


def made(name: Pruner) -> Any:
    """The pruner, with Optuna's defaults; an epoch is the least that a trial gets."""
    import optuna

    if name == "median":
        return optuna.pruners.MedianPruner()
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1)
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1)


@dataclass(frozen=True)
class Verdict(Standing):
    """What a pruner says about a job: whether it continues."""

    pruner: str = ""

    def reason(self, metric: str, epoch: int) -> str:
        """`val/loss 0.61 after epoch 5: ended by the median pruner of the search`."""
        mean = "" if math.isnan(self.mean) else f" (mean of its trial {self.mean:.4g})"
        return f"{metric} {self.value:.4g}{mean} after epoch {epoch}: ended by the {self.pruner} pruner of the search"


class TrialPruner:
    """Passes the values of running trials to Optuna, which says which of them end.

    Args:
        name: of the pruner.
        metric: that is searched.
        sign: 1 if less of it is better, otherwise -1.
        repeats: jobs of a trial; their mean counts, once all have a value.
        warmup: epochs that every trial trains.

    Attributes:
        trials: Optuna's, of the jobs that run now: name of the folder -> trial.
        reported: trial and epoch that Optuna has a value of.
    """

    def __init__(self, name: Pruner, metric: str, repeats: int, warmup: int) -> None:
        self.name, self.metric, self.repeats, self.warmup = name, metric, repeats, warmup
        self.sign = 1
        self.trials: dict[str, Any] = {}
        self.reported: set[tuple[int, int]] = set()
        self.values: dict[tuple[int, int], dict[str, float]] = {}
        self.decided: dict[tuple[int, int], bool] = {}

    def rungs(self, experiments: Sequence[Experiment], places: Sequence[RunLocation]) -> Rungs:
        """The rungs of jobs that share a stack: every validation but the last."""
        options, experiment = experiments[0].settings.trainer, experiments[0]
        epochs = math.ceil(experiment.steps / max(1, experiment.epoch))
        at = range(options.validate_every, epochs, options.validate_every)
        return TrialRungs(self, Prune(self.metric, tuple(at)), [place.folder.name for place in places])

    def note(self, trial: Any, epoch: int, value: float) -> None:
        """Pass a value on, once; one that is not finite is not for Optuna."""
        if math.isfinite(value) and (trial.number, epoch) not in self.reported:
            self.reported.add((trial.number, epoch))
            trial.report(self.sign * value, epoch)

    def mean(self, job: str, epoch: int, value: float) -> float | None:
        """The mean over the jobs of a trial; None until all of them have a value."""
        values = self.values.setdefault((self.trials[job].number, epoch), {})
        values[job] = value
        return sum(values.values()) / len(values) if len(values) == self.repeats else None

    def ends(self, job: str, epoch: int, mean: float) -> bool:
        """Whether the trial of a job ends. Optuna is asked once for all jobs of a trial: its answer may change what it
        answers next."""
        trial = self.trials[job]
        if (trial.number, epoch) not in self.decided:
            ends = epoch >= self.warmup and bool(not math.isfinite(mean) or trial.should_prune())
            self.decided[trial.number, epoch] = ends
        return self.decided[trial.number, epoch]


class TrialRungs(Rungs):
    """The validations of a stack whose members are jobs of trials.

    Args:
        jobs: the folders of the members.
    """

    def __init__(self, pruner: TrialPruner, options: Prune, jobs: Sequence[str]) -> None:
        super().__init__(options, pruner.sign == 1)
        self.pruner, self.jobs = pruner, jobs

    def standings(self, epoch: int) -> Mapping[int, Standing]:
        """Whether each member continues: all jobs of a trial, or none."""
        if epoch in self.found:
            return self.found[epoch]
        means: dict[int, float] = {}
        for member, value in self.values[epoch].items():
            job = self.jobs[member]
            mean = self.pruner.mean(job, epoch, value)
            if mean is not None:
                self.pruner.note(self.pruner.trials[job], epoch, mean)
                means[self.pruner.trials[job].number] = mean
        found = {}
        for member, value in self.values[epoch].items():
            number = self.pruner.trials[self.jobs[member]].number
            ends = number in means and self.pruner.ends(self.jobs[member], epoch, means[number])
            mean = means[number] if ends and self.pruner.repeats > 1 else math.nan
            found[member] = Verdict(value, mean, 2 if ends else 1, 2, 1, self.pruner.name)
        self.found[epoch] = found
        return found
