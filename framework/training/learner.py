"""`Learner`: the training configuration of one network, with its components and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from framework.config.options import ParameterGroup, TrainerOptions
from framework.core.direction import SPLITS, declared
from framework.core.protocols import Augmentation, Optimizer, Probe, Regularizer, Schedule
from framework.core.types import Params
from framework.data.validation import shown_names
from framework.inference.evaluation import HeadMetric
from framework.nn.heads import Head
from framework.nn.network import Network


@dataclass(frozen=True)
class Learner:
    """The training configuration of one network: everything except its data and random key. R of them make a stack.

    `initial` holds initial values, node -> tensor -> array, for nodes that do not draw them. `schedule` drives the learning
    rate, `schedules` other stackable options by their names in a configuration, such as `optimizer.alpha`. `groups` are
    other options of the optimizer for some tensors.
    """

    network: Network
    heads: Mapping[str, Head]
    optimizer: Optimizer
    schedule: Schedule
    options: TrainerOptions = field(default_factory=TrainerOptions)
    regularizers: tuple[Regularizer, ...] = ()
    measures: Mapping[str, HeadMetric] = field(default_factory=dict)
    initial: Mapping[str, Params] = field(default_factory=dict)
    augmentations: Mapping[str, Augmentation] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    groups: tuple[ParameterGroup, ...] = ()

    def __repr__(self) -> str:
        heads = "; ".join(f"{name}: {head}" for name, head in self.heads.items())
        parts = {"optimizer": self.optimizer, "schedule": self.schedule, "regularizers": self.regularizers or None}
        more = [f"{key}: {value}" for key, value in parts.items() if value is not None]
        return f"Learner: nodes {shown_names(list(self.network.nodes))}\n  {heads}\n  " + "\n  ".join(more)


def parts(learner: Learner) -> Iterator[tuple[str, Any]]:
    """The components of a training that are no part of its network, and their names in a configuration."""
    yield "optimizer", learner.optimizer
    yield "schedule", learner.schedule
    yield from (("regularizer", each) for each in learner.regularizers)
    yield from ((f"schedules.{name}", each) for name, each in learner.schedules.items())
    yield from ((f"augmentation.{name}", each) for name, each in learner.augmentations.items())


def directions(learner: Learner, study: Any = None) -> dict[str, bool]:
    """Metric -> whether less of it is better, for every metric of a run; those of a study may be patterns with *."""
    found = {f"{split}/loss": True for split in SPLITS}
    for name, measure in learner.measures.items():
        found |= {f"{split}/{name}": declared(measure.metric) for split in SPLITS}
    return found | dict(getattr(study, "lower_is_better", {}))
