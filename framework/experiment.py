"""A judged configuration becomes data, a network, a training and a record of it."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework import artifacts, model, scaling
from framework.arrays import DeviceError, array_module
from framework.assembling import assemble
from framework.chunking import chunks
from framework.components import Params
from framework.config import ConfigError, Settings
from framework.data import Data, DataError
from framework.learner import Learner
from framework.record import Place, Record
from framework.registry import nearest
from framework.restoring import load
from framework.scaling import Scale
from framework.streams import generator
from framework.training import Observer, Outcome, train
from framework.updating import TierError, refuse_compiled

__all__ = ["Experiment", "Place", "Result", "RunFailed", "expected", "load_data", "prepare", "run"]


@dataclass(frozen=True)
class Result:
    """What a run gives back.

    Attributes:
        status: finished, stopped_early or diverged; reason says more.
        metrics: the last value of everything measured, test/... included.
        outcome: the training's outcome, weights included.
        folder: where everything is written.
    """

    status: str
    reason: str
    metrics: dict[str, float]
    seconds: float
    outcome: Outcome
    folder: Path


_loaded: dict[tuple[str, int], Data] = {}  # the data set that was loaded last


class RunFailed(RuntimeError):  # noqa: N818
    """A run did not reach its end; the message says why, its folder has the rest."""


def load_data(settings: Settings) -> Data:
    """The data set, drawn from `dataset.seed` alone; the jobs of a sweep that share one load it once.

    Raises:
        DataError: a file cannot be used.
        ConfigError: the options cannot all hold.
    """
    key = (repr(settings.dataset), settings.dataset_seed)
    if key not in _loaded:
        _loaded.clear()
        try:
            _loaded[key] = settings.dataset.load(generator(settings.dataset_seed, "dataset"))
        except DataError:
            raise
        except ValueError as error:
            raise ConfigError(f"dataset: {error}") from error
    return _loaded[key]


@dataclass(frozen=True)
class Experiment:
    """Settings that have met their data: everything is there, nothing is recorded yet.

    Attributes:
        xp: the array module.
        data, scale: the data set, scaled, and how.
        steps, validations: how many a training that is not stopped early will have.
    """

    settings: Settings
    xp: Any
    data: Data
    scale: Scale
    learner: Learner
    steps: int
    validations: int


def prepare(settings: Settings) -> Experiment:
    """Load the data and put the learner together.

    Raises:
        ConfigError: the device or the tier cannot be used, or the settings and the data do not go together.
    """
    try:
        xp = array_module(settings.device)
    except DeviceError as error:
        raise ConfigError(f"device: {settings.device!r} cannot be used here: {error}") from error
    if settings.tier == "compiled":
        try:
            refuse_compiled(xp)
        except TierError as error:
            raise ConfigError(f"tier: 'compiled' cannot be used here: {error}") from error
    data = replace(load_data(settings), name=settings.tree["dataset"]["type"])
    learner = assemble(settings, data)
    if settings.init_from is not None:
        learner = replace(learner, initial=initial_weights(learner, settings))
    targets = {head.target for head in learner.heads.values()}
    scale = scaling.fit(data, settings.dataset_scale, [name for name in data.fields if name not in targets])
    data = scaling.scaled(data, scale)
    return Experiment(settings, xp, data, scale, learner, *expected(settings, data))


def initial_weights(learner: Learner, settings: Settings) -> dict[str, Params]:
    """The tensors of the nodes that the run `model.init_from` has too.

    Raises:
        ConfigError: the run has no model, none of the nodes, or tensors of other shapes.
    """
    run_of = settings.init_from
    weights = load(str(run_of)).weights
    wanted, _ = learner.network.init(settings.seed)
    shared = {node: tensors for node, tensors in weights.items() if wanted.get(node)}
    if not shared:
        raise ConfigError(f"model.init_from: {run_of} has none of these layers{nearest(next(iter(wanted)), weights)}")
    for node, tensors in shared.items():
        given, needed = ({t: a.shape for t, a in p.items()} for p in (tensors, wanted[node]))
        if given != needed:
            raise ConfigError(
                f"model.init_from: layer '{node}' of {run_of} has {given}, and here it has {needed}; "
                "a layer that is to begin anew needs another name"
            )
    return shared


def run(experiment: Experiment, place: Place, observers: Sequence[Observer] = (), resume: bool = False) -> Result:
    """Train and record.

    Args:
        resume: go on from the checkpoint in that place.

    Raises:
        ConfigError: the run in that place cannot be taken up again.
        RunFailed: the training diverged and `trainer.on_divergence` is fail, or something broke; the record says so.
    """
    settings = experiment.settings
    record = Record(settings, place, experiment.steps, experiment.validations, resume)
    started = time.perf_counter()
    try:
        outcome = train(
            [experiment.learner],
            [experiment.data],
            [settings.seed],
            xp=experiment.xp,
            dtype=settings.dtype,
            threads=None if settings.threads == "auto" else settings.threads,
            tier=settings.tier,
            observers=[record.recorder, *observers],
            save=record.save,
            resume=record.snapshot,
        )[0]
    except KeyboardInterrupt as stop:
        record.end("killed", f"stopped by {stop or 'Ctrl-C'}", "KILLED", {})
        raise
    except Exception as error:
        (place.folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        record.end("failed", f"{type(error).__name__}: {error}", "FAILED", {})
        raise RunFailed(f"{type(error).__name__}: {error} (traceback in {place.folder}/traceback.txt)") from error
    failed = outcome.status == "diverged" and settings.trainer.on_divergence == "fail"
    reason = f"{outcome.reason} at step {outcome.step}" if outcome.status == "diverged" else outcome.reason
    if not failed:
        _leave(record, experiment, outcome)
    record.end(outcome.status, reason, "FAILED" if failed else "FINISHED", outcome.metrics)
    if failed:
        raise RunFailed(f"diverged: {reason} (trainer.on_divergence=record makes this a result)")
    return Result(outcome.status, reason, outcome.metrics, time.perf_counter() - started, outcome, place.folder)


def _leave(record: Record, experiment: Experiment, outcome: Outcome) -> None:
    """Model, figures and note, for a single run; the jobs of a sweep leave the model alone."""
    place = record.place
    record.recorder.flush()
    model.save(place.folder, outcome.weights, experiment.data, experiment.scale)
    if "sweep" not in place.tags:
        artifacts.leave(place.folder, record.tracked, experiment.data, outcome.metrics, place.command or place.name)


def expected(settings: Settings, data: Data) -> tuple[int, int]:
    """Steps and validations of a training that is not stopped early."""
    options, n = settings.trainer, len(next(iter(data.splits["train"].values())))
    size = n if options.batch_size == "all" else min(options.batch_size, n)
    per_epoch = math.ceil(n / min(size * options.accumulate, n)) * len(chunks(data, options.bptt.chunk))
    steps = options.steps or options.epochs * per_epoch
    return steps, max(1, math.ceil(steps / per_epoch / options.validate_every))
