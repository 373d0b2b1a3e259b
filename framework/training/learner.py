"""Everything that decides how one network trains: its parts, and how long, in what batches, when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framework.config.options import TrainerOptions
from framework.core.direction import SPLITS, declared
from framework.core.protocols import Augmentation, Optimizer, Probe, Regularizer, Schedule
from framework.core.types import Params
from framework.inference.evaluation import HeadMetric
from framework.nn.heads import Head
from framework.nn.network import Network


@dataclass(frozen=True)
class Learner:
    """Everything that decides how one network trains, but its data and its key. R of them make a stack.

    `initial` holds first values, node -> tensor -> array, of nodes that do not draw their own.
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


def directions(learner: Learner, study: Any = None) -> dict[str, bool]:
    """Metric -> whether less of it is better, for everything that a run measures; a study's may be patterns with *."""
    found = {f"{split}/loss": True for split in SPLITS}
    for name, measure in learner.measures.items():
        found |= {f"{split}/{name}": declared(measure.metric) for split in SPLITS}
    return found | dict(getattr(study, "lower_is_better", {}))
