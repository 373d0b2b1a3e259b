"""`Experiment`: validated settings with data, network and training configuration; nothing is recorded yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from framework.config.schema import Settings
from framework.core.arrays import Array, DeviceError, array_module, to_host
from framework.core.callback import Callback, TrainingResult
from framework.core.context import Context
from framework.core.errors import ConfigError, TierError, did_you_mean
from framework.core.random import Key
from framework.core.types import Params
from framework.data.dataset import Data
from framework.data.loader import DataLoader
from framework.data.scaling import Scale, in_own_unit, scaled
from framework.data.validation import checked
from framework.experiments.builder import assemble, scaled_targets
from framework.experiments.datasets import draw_data, load_data, scaled_data
from framework.experiments.loading import load
from framework.experiments.study import FirstMemberCallback
from framework.inference.evaluation import in_units
from framework.nn.arena import Arena
from framework.nn.heads import Head, total_loss
from framework.nn.training_step import TrainingStep
from framework.training.check import check
from framework.training.learner import Learner, directions
from framework.training.parallel import train_sliced
from framework.training.plan import TrainingPlan
from framework.training.step import penalised
from framework.training.trainer import CANNOT, check_tier
from framework.training.update import check_compiled


@dataclass(frozen=True)
class Experiment:
    """Settings with loaded data: everything is ready, nothing is recorded yet.

    Attributes:
        xp: the array module.
        data, scale: the scaled data set, and its scale.
        steps, validations: their numbers in a training that does not stop early.
        epoch: the steps of an epoch.
        callbacks: further callbacks for the trainings of a study.
    """

    settings: Settings
    xp: Any
    data: Data
    scale: Scale
    learner: Learner
    steps: int
    validations: int
    callbacks: tuple[Callback, ...] = ()
    epoch: int = 0

    def __repr__(self) -> str:
        settings, name = self.settings, self.data.name or type(self.settings.dataset).__name__
        epoch = f", {self.epoch} in an epoch" if self.epoch else ""
        about = f"{self.steps} steps{epoch}; seed {settings.seed}, {settings.dtype}"
        return f"Experiment on {name}: {about}\n{self.learner!r}"

    @property
    def directions(self) -> dict[str, bool]:
        """Metric -> whether less of it is better."""
        return directions(self.learner, self.settings.study)

    @property
    def notes(self) -> tuple[str, ...]:
        """How files were read, one line each: those of the data set and of the layers."""
        nodes = self.learner.network.nodes.items()
        of_layers = [f"model.layers.{name}: {note}" for name, node in nodes for note in getattr(node.layer, "notes", ())]
        of_scale = _other_scale(self.settings.init_from, self.scale) if self.settings.init_from else []
        return (*(f"dataset: {note}" for note in self.data.notes), *of_layers, *of_scale)

    @property
    def measured(self) -> tuple[Data, Scale]:
        """The data set with targets in their own unit, as figures show them, and the scale for a model that reads it."""
        targets = {head.target for head in self.learner.heads.values() if head.target}
        return in_own_unit(self.data, self.scale, targets)

    @property
    def how(self) -> dict[str, Any]:
        """The arguments that all trainings of a stack share."""
        settings = self.settings
        threads = None if settings.threads == "auto" else settings.threads
        chosen = {"choose_device": True} if settings.device == "auto" and self.xp is not np else {}
        return {"xp": self.xp, "dtype": settings.dtype, "threads": threads, "tier": settings.tier, **chosen}

    def train(
        self,
        learners: Sequence[Learner],
        data: Sequence[Data] = (),
        keys: Sequence[Key] = (),
        callbacks: Sequence[Callback] = (),
    ) -> list[TrainingResult]:
        """Train the networks of a study in one stack.

        Args:
            learners: one per member; they may differ in stackable options only.
            data: one data set for each member; by default that of the experiment.
            keys: one per member; by default (seed, member).
            callbacks: are called from several threads, for different members.
        """
        members = keys or [(self.settings.seed, member) for member in range(len(learners))]
        for callback in self.callbacks:
            if isinstance(callback, FirstMemberCallback):
                callback.one_of(len(learners))
        watching = [*self.callbacks, *callbacks]
        return train_sliced(learners, data or [self.data], members, **self.how, callbacks=watching)

    def check_tier(self) -> None:
        """Compile the training step if the settings demand that, before a run is recorded.

        Raises:
            TierError: it cannot be compiled.
        """
        if self.settings.tier == "compiled" and self.settings.study is None:
            check_tier([self.learner], [self.data], **{k: v for k, v in self.how.items() if k != "tier"})

    def draw(self, member: int) -> Data:
        """A new draw of the data set, from (dataset.seed, member), scaled like the data of the experiment."""
        return scaled(draw_data(self.settings, (self.settings.dataset_seed, member)), self.scale)

    def batch(self, fields: Mapping[str, np.ndarray]) -> dict[str, Array]:
        """Fields (n, ...) as networks read them: on the device, (1, n, ...), sequences (1, T, n, ...)."""
        feed = DataLoader([replace(self.data, splits={"test": fields})], "test", self.xp, self.settings.dtype)
        return feed.batch(slice(0, feed.n))

    def predict(self, weights: Sequence[Mapping[str, Params]], fields: Mapping[str, np.ndarray], head: Head) -> np.ndarray:
        """Predictions of R networks for fields (n, ...): (R, n, outputs), for every step of a sequence (R, T, n,
        outputs)."""
        arena: Arena = self.learner.network.arena(weights[0])
        w = self.xp.asarray(arena.fill(weights, self.settings.dtype))
        ctx = Context(self.xp, (len(weights),), tuple(range(len(weights))), train=False, batch=self.batch(fields))
        values, _ = self.learner.network.forward(arena.views(w), ctx)
        return np.asarray(to_host(head.prediction(values, ctx)))

    def losses(self, seen: TrainingStep, w: Array) -> tuple[np.ndarray, np.ndarray]:
        """Loss and penalty (R,) of R networks at the arenas w (R, P + Q), on the batch and with the random draws of a step
        of a lone network."""
        ctx, p = seen.ctx.but(replicas=(len(w),), keys=seen.ctx.keys * len(w)), seen.arena.views(w)
        values, _ = seen.network.forward(p, ctx)
        loss, _ = total_loss(self.learner.heads, values, ctx)
        penalty = self.xp.zeros_like(loss)
        for regularizer in self.learner.regularizers:
            for W, _ in penalised(regularizer, p, seen.g):
                penalty = penalty + regularizer(W, ctx)[0]
        return to_host(loss), to_host(penalty)


def prepare(settings: Settings, given: Data | None = None) -> Experiment:
    """Load the data and build the learner.

    Args:
        given: data that replace the settings' data set; they are not cached.

    Raises:
        ConfigError: the device or the tier cannot be used, or the settings and the data do not fit together.
        DataError: the data are not what their fields declare.
    """
    try:
        on_cpu = settings.device == "auto" and settings.tier == "compiled"  # C for the CPU
        xp = np if on_cpu else array_module(settings.device)
    except DeviceError as error:
        raise ConfigError(f"device: {settings.device!r} cannot be used here: {error}") from error
    if settings.tier == "compiled":
        try:
            check_compiled(xp)
        except TierError as error:
            raise ConfigError(f"{CANNOT}{error}") from error
    data = checked(given or load_data(settings))
    learner = _assembled(settings, data)
    if settings.init_from is not None:
        learner = replace(learner, initial=initial_weights(learner, settings))
    targets = {head.target for head in learner.heads.values() if head.target}
    chosen = [*(name for name in data.fields if name not in targets), *scaled_targets(settings, learner.heads, data)]
    data, scale = scaled_data(settings, data, chosen, given is None, targets)
    learner = replace(learner, measures=in_units(learner.measures, learner.heads, scale))
    plan = TrainingPlan.of(settings.trainer, data, getattr(settings.study, "steps", None))
    experiment = Experiment(settings, xp, data, scale, learner, plan.steps, plan.validations, epoch=plan.updates_per_epoch)
    if settings.study is not None and settings.trainer.prune.at:
        at = list(settings.trainer.prune.at)
        raise ConfigError(f"trainer.prune.at: a study trains all its networks to the end (got {at}); use []")
    check = getattr(settings.study, "check", None)
    if check:
        try:
            check(experiment)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return experiment


def prepared(settings: Settings, known: dict[Any, Experiment]) -> Experiment:
    """As `prepare`, for one of many jobs: those that differ in seed and optimizer only share data and network.

    Args:
        known: the experiments of earlier jobs.

    Raises:
        ConfigError, DataError: as `prepare`.
    """
    key = tuple(_identity(getattr(settings, f.name)) for f in fields(settings) if f.name not in OF_A_JOB)
    like = known.get(key)
    if like is None or settings.study is not None:
        known[key] = prepare(settings)
        return known[key]
    learner = like.learner
    if settings.optimizer is not like.settings.optimizer:
        learner = replace(learner, optimizer=settings.optimizer)
        try:
            check(learner, like.data)
        except ConfigError:
            return prepare(settings)  # raises it with what the data set says
    return replace(like, settings=settings, learner=learner)


OF_A_JOB = ("seed", "optimizer", "about", "tree", "written")


def _identity(value: Any) -> Any:
    """What is equal for one object, and for equal plain values."""
    return (type(value), value) if isinstance(value, int | float | str | None) else id(value) if value else ()


def _assembled(settings: Settings, data: Data) -> Learner:
    """The learner for settings and data.

    Raises:
        ConfigError: they do not fit together; the message ends with how the data set interpreted its files.
    """
    try:
        return assemble(settings, data)
    except ConfigError as error:
        raise ConfigError("\n".join([str(error), *(f"dataset: {note}" for note in data.notes)])) from error


def _other_scale(run_of: str, scale: Scale) -> list[str]:
    """A line on inputs that are scaled here and were not in the run whose weights are taken over, or otherwise."""
    before = load(run_of).scale
    now, then = scale.how if scale.shift else "none", before.how if before.shift else "none"
    if now == then:
        return []
    remedy = f"dataset.scale={then} reads them as that run did"
    return [f"model.init_from: {run_of} learned with dataset.scale={then}, this run has dataset.scale={now}; {remedy}"]


def initial_weights(learner: Learner, settings: Settings) -> dict[str, Params]:
    """The initial tensors that nodes take from the run `model.init_from`.

    Raises:
        ConfigError: the run has no model, none of the nodes, or tensors of other shapes.
    """
    run_of = settings.init_from
    weights = load(str(run_of)).weights
    wanted: dict[str, dict[str, tuple[int, ...]]] = {}
    for (node, t), shape in learner.network.tensor_shapes.items():
        wanted.setdefault(node, {})[t] = shape
    own = {name for name, node in learner.network.nodes.items() if node.initial}
    shared = {node: tensors for node, tensors in weights.items() if wanted.get(node) and node not in own}
    if not shared:
        raise ConfigError(f"model.init_from: {run_of} has none of these layers{did_you_mean(next(iter(wanted)), weights)}")
    for node, tensors in shared.items():
        given, needed = {t: a.shape for t, a in tensors.items()}, wanted[node]
        if given != needed:
            raise ConfigError(
                f"model.init_from: layer '{node}' of {run_of} has {given}, but here it needs {needed}; "
                "rename a layer that is not to be taken over"
            )
    return shared
