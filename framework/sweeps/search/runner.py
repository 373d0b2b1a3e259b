"""Runs a search: trials are proposed, run as a batch of jobs, and their losses passed back, until there are enough."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework.analysis.comparison import ENDED
from framework.analysis.figures.search import draw
from framework.config.messages import format_error
from framework.core.direction import is_known, lower_is_better
from framework.core.errors import ConfigError, DataError, RunFailed, did_you_mean
from framework.core.options import option
from framework.core.writing import write_text
from framework.experiments.experiment import Experiment
from framework.experiments.provenance import report_other_code
from framework.sweeps.composer import composer_of
from framework.sweeps.jobs import compose_jobs, job_of
from framework.sweeps.launcher import start_sweep
from framework.sweeps.search import history as archive
from framework.sweeps.search.history import CompletedTrial
from framework.sweeps.search.pruners import TrialPruner
from framework.sweeps.search.space import Searcher, Space, Trial
from framework.sweeps.session import session
from framework.tracking.metrics_file import LazySeries
from framework.tracking.naming import run_name
from framework.tracking.run_dir import is_finished, jobs_of, read_state, update_sweep

NAMED = 60  # maximum characters of the best trial's name while a search runs
WRONG = (HydraException, OmegaConfBaseException, ConfigError, DataError)  # the errors of an invalid configuration


@dataclass(frozen=True)
class Objective:
    """The metric of a search, its direction, and the number of trials."""

    n_trials: int = option(64, least=1, help="trials in all")
    seed: int = option(0, least=0, help="seed of the search; the networks have separate seeds")
    metric: str = option("val/loss", help="metric to optimize: its value at the saved weights")
    direction: Literal["minimize", "maximize"] | None = option(None, help="null: as declared by the metric or the study")

    def sign(self, experiment: Experiment) -> int:
        """1 if less is better, otherwise -1."""
        if self.direction is not None:
            return 1 if self.direction == "minimize" else -1
        return 1 if lower_is_better(self.metric, experiment.directions) else -1


class SearchRunner:
    """Runs the trials of a search and saves them in its archive.

    Args:
        context, config: Hydra's, of the whole sweep.
        launcher: runs the trials of an iteration together.
        fixed: overrides that all trials share.
        repeats: the overrides of the jobs of each trial, such as its seeds; their mean is its value.
    """

    def __init__(
        self, context: Any, config: Any, launcher: Any, goal: Objective, fixed: Sequence[str], repeats: Sequence[list[str]]
    ) -> None:
        self.context, self.config, self.launcher, self.goal = context, config, launcher, goal
        self.fixed, self.repeats = list(fixed), repeats
        self.sweep, self.composer = Path(config.hydra.sweep.dir), composer_of(context.config_loader, config)
        self.iterations: list[list[CompletedTrial]] = []
        self.pruner: TrialPruner | None = None
        self.running: list[Any] = []  # Optuna's trials that were proposed last
        self.sign = 1  # if less is better, otherwise -1; known with the first experiment

    @property
    def tried(self) -> list[CompletedTrial]:
        """All completed trials, in order."""
        return [trial for iteration in self.iterations for trial in iteration]

    @property
    def best(self) -> CompletedTrial | None:
        """The first trial with the best value; of pruned ones only if there are no others."""
        found = [trial for trial in self.tried if trial.value is not None]
        found = [trial for trial in found if not trial.is_pruned] or found
        return min(found, key=lambda trial: trial.loss(self.sign), default=None)

    def words(self, trial: Trial) -> list[str]:
        """The overrides of a trial, without its repeats."""
        return [*self.fixed, *(f"{key}={value}" for key, value in trial.items())]

    def jobs(self, trial: Trial) -> list[list[str]]:
        """The overrides of a trial's jobs, one for each seed or fold."""
        return [[*self.words(trial), *each] for each in self.repeats]

    def check_space(self, space: Space) -> Experiment:
        """Compose both ends of every key, the other keys at their first value; returns the first experiment.

        Raises:
            ConfigError: some cannot run, or do not measure the metric. Nothing was written.
        """
        first = {key: part.ends[0] for key, part in space.items()}
        faults, jobs = dict[str, str](), []  # error -> overrides that cause it
        for change in [{}, *({key: end} for key, part in space.items() for end in part.ends[1:])]:
            try:
                jobs.append(job_of(self.composer, self.jobs({**first, **change})[0], 0))
            except WRONG as error:
                shown = " ".join(f"{key}={value}" for key, value in (change or first).items())
                faults |= {line: shown for line in format_error(error).splitlines() if line not in faults}
        if faults:
            lines = [f"{shown}: {line}" if shown else line for line, shown in faults.items()]
            raise ConfigError("\n".join([*lines, "no trial was started"]))
        check_measured(self.goal, jobs[0].experiment)
        self.sign = self.goal.sign(jobs[0].experiment)
        return jobs[0].experiment

    def run(self, search: Searcher, count: int) -> None:
        """Continue from the archive until there are enough trials, `count` in an iteration.

        Raises:
            ConfigError: the archive belongs to another search.
            RunFailed: some trials failed; all have ended.
        """
        self._write_config()
        self._replay(search)
        while len(self.tried) < self.goal.n_trials:
            proposed = search.ask(min(count, self.goal.n_trials - len(self.tried)))
            self.running = getattr(search, "trials", [])
            self.iterations.append(self._run(proposed))
            update_sweep(self.sweep, {"objective": {"metric": self.goal.metric, "lower_is_better": self.sign == 1}})
            archive.write(self.sweep, self.iterations)
            self._check_recorded()
            self._tell(search, self.iterations[-1])
            print(self._progress(), flush=True)
        self._report(search)

    def _write_config(self) -> None:
        self.sweep.mkdir(parents=True, exist_ok=True)
        write_text(self.sweep / "multirun.yaml", OmegaConf.to_yaml(self.config), lasting=False)
        session().sweeps.append(self.sweep)

    def _replay(self, search: Searcher) -> None:
        """Repeat the proposals and losses of the archive, so that the search is in its earlier state."""
        known = archive.read(self.sweep)
        for iteration in known:
            if search.ask(len(iteration)) != [trial.overrides for trial in iteration]:
                raise ConfigError(
                    f"sweep.resume: {self.sweep / archive.FILE} holds trials that this search would not make; its presets "
                    "or options have changed; start a new sweep"
                )
            self._tell(search, iteration)
        self.iterations = known
        if known:
            report_other_code(self.sweep, [job for job in jobs_of(self.sweep) if is_finished(job)])
            done, of = len(self.tried), max(self.goal.n_trials, len(self.tried))
            print(f"{done} of {of} trials had finished; {of - done} to go", flush=True)

    def _tell(self, search: Searcher, iteration: Sequence[CompletedTrial]) -> None:
        if hasattr(search, "end"):
            search.end(iteration, self.sign)
        search.tell([trial.loss(self.sign) for trial in iteration])

    def _run(self, proposed: Sequence[Trial]) -> list[CompletedTrial]:
        """Run trials; those in the archive do not run again."""
        known = {tuple(trial.overrides.items()): trial for trial in self.tried}
        new = [dict(items) for items in dict.fromkeys(tuple(trial.items()) for trial in proposed) if items not in known]
        first = 1 + max((number for trial in self.tried for number in trial.jobs), default=-1)
        able = self._able(new, first)
        if able:
            if self.pruner:
                self.pruner.trials, self.pruner.sign = self._folders(able, proposed, first), self.sign
            self._launch([words for trial in able for words in self.jobs(trial)], first)
        for trial in new:
            begin = first + able.index(trial) * len(self.repeats) if trial in able else 0
            known[tuple(trial.items())] = self._ended(trial, list(range(begin, begin + len(self.repeats) * (trial in able))))
        return [known[tuple(trial.items())] for trial in proposed]

    def _able(self, new: Sequence[dict[str, str]], first: int) -> list[dict[str, str]]:
        """The trials that can run: the ends of each key can, but perhaps not every combination."""
        able = []
        for trial in new:
            try:
                job_of(self.composer, self.jobs(trial)[0], first)
                able.append(trial)
            except WRONG as error:
                shown = " ".join(f"{key}={value}" for key, value in trial.items())
                message = f"invalid configuration; scored as the worst: {shown}: {format_error(error)}"
                print(message, file=sys.stderr, flush=True)
        return able

    def _folders(self, able: Sequence[Trial], proposed: Sequence[Trial], first: int) -> dict[str, Any]:
        """Name of the folder of each job -> Optuna's trial."""
        owners = [self.running[list(proposed).index(trial)] for trial in able for _ in self.repeats]
        words = [each for trial in able for each in self.jobs(trial)]
        places = [Path(self.composer.job(each, number).folder).name for number, each in enumerate(words, first)]
        return dict(zip(places, owners, strict=True))

    def _launch(self, overrides: list[list[str]], first: int) -> None:
        if not getattr(self.launcher, "validates", False):
            start_sweep(self.sweep, compose_jobs(self.composer, overrides, first))
        session().rungs = self.pruner and self.pruner.rungs
        try:
            self.launcher.launch(overrides, initial_job_idx=first)
        finally:
            session().rungs = None

    def _ended(self, trial: Trial, numbers: list[int]) -> CompletedTrial:
        if not numbers:
            return CompletedTrial(trial, [], "refused", False, None)
        places = zip(self.jobs(trial), numbers, strict=True)
        folders = [Path(self.composer.job(words, number).folder) for words, number in places]
        states = [read_state(folder) for folder in folders]
        mean = sum(value_of(state, self.goal.metric) for state in states) / len(states)
        status = ", ".join(sorted({str(state.get("status", "lost")) for state in states}))
        failed = any(state.get("state") != "FINISHED" for state in states)
        reported = reports(folders, states, self.goal.metric) if self.pruner or "pruned" in status else []
        return CompletedTrial(trial, numbers, status, failed, mean if math.isfinite(mean) else None, reported)

    def _check_recorded(self) -> None:
        """Check that the metric was recorded, which is known for a study only after a trial."""
        ended = [trial for trial in self.tried if trial.status in ENDED]
        if ended and not any(trial.value is not None for trial in ended):
            state = read_state(Path(self.composer.job(self.jobs(ended[0].overrides)[0], ended[0].jobs[0]).folder))
            if self.goal.metric not in state.get("metrics", {}):
                known = did_you_mean(self.goal.metric, state.get("metrics", {}))
                raise ConfigError(f"hydra.sweeper.metric: no trial recorded '{self.goal.metric}'{known}")

    def _progress(self) -> str:
        best, done = self.best, f"{len(self.tried)} of {self.goal.n_trials} trials"
        if best is None:
            return f"{done}  no value of {self.goal.metric} yet"
        name = run_name([f"{key}={value}" for key, value in best.overrides.items()])
        return f"{done}  best {self.goal.metric} {best.value:.4g} ({name[:NAMED]})"

    def _report(self, search: Searcher) -> None:
        """Print the best trial as a command, and write `optimization_results.yaml`, as Hydra's sweepers do."""
        best, failed = self.best, len({tuple(trial.jobs) for trial in self.tried if trial.failed})
        if best is not None:
            command = shlex.join(["stackprop", *self.words(best.overrides)])
            where = f"job {best.jobs[0]}" if len(best.jobs) == 1 else f"mean of jobs {best.jobs[0]}-{best.jobs[-1]}"
            print(f"best of {len(self.tried)} trials: {self.goal.metric} {best.value:.6g}, {where}\n    {command}")
            results = {"name": "stackprop", "best_params": dict(best.overrides), "best_value": best.value}
            write_text(self.sweep / "optimization_results.yaml", OmegaConf.to_yaml(OmegaConf.create(results)), lasting=False)
        trials, values = [trial.overrides for trial in self.tried], [trial.value for trial in self.tried]
        draw(trials, values, self.goal.metric, self.sign, self.sweep / "search.png")
        if hasattr(search, "report"):
            print(search.report())
        if failed:
            raise RunFailed(f"{failed} of {len(self.tried)} trials failed, scored as the worst")


def value_of(state: Mapping[str, Any], metric: str) -> float:
    """The value of a finished run at its saved weights, or NaN."""
    ended = state.get("status") in (*ENDED, "pruned")
    return float(state.get("metrics", {}).get(metric, math.nan)) if ended else math.nan


def reports(folders: Sequence[Path], states: Sequence[Mapping[str, Any]], metric: str) -> list[tuple[int, float]]:
    """Epoch and value of a metric at each validation that all jobs of a trial have, the mean over them."""
    found: list[dict[int, float]] = []
    for folder, state in zip(folders, states, strict=True):
        try:
            points = LazySeries(folder / "metrics.jsonl")[metric].tolist()
        except (OSError, KeyError, DataError):
            return []
        epoch = max(1, int(state.get("steps_per_epoch", 1)))
        found.append({math.ceil(step / epoch): value for step, value in points if math.isfinite(value)})
    common = sorted(set.intersection(*(set(values) for values in found)))
    return [(epoch, sum(values[epoch] for values in found) / len(found)) for epoch in common]


def check_measured(goal: Objective, experiment: Experiment) -> None:
    """Check that a training measures the metric of a search.

    Raises:
        ConfigError: it does not; or a study declares no direction for the metric.
    """
    if experiment.settings.study is not None and not goal.metric.startswith(("train/", "val/")):
        if goal.direction is None and not is_known(goal.metric, experiment.directions):
            raise ConfigError("hydra.sweeper.direction: missing; set minimize or maximize; no trial was started")
        return
    metric, learner, parts = goal.metric, experiment.learner, ["train/loss"]
    parts += [f"train/{name}" for name in learner.measures if learner.options.train_metrics]
    if "val" in experiment.data.splits:
        parts += ["val/loss", *(f"val/{name}" for name in learner.measures)]
    if metric not in parts:
        raise ConfigError(
            f"hydra.sweeper.metric: '{metric}' is not measured{did_you_mean(metric, parts)}; no trial was started"
        )
