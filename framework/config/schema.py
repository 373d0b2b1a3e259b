"""The keys of an experiment's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from framework.config.options import FigureOptions, ParameterGroup, Tier, TrainerOptions
from framework.core.callback import Callback
from framework.core.protocols import (
    Augmentation,
    Dataset,
    Figure,
    Loss,
    Metric,
    Optimizer,
    Probe,
    Regularizer,
    Schedule,
    Study,
)
from framework.data.scaling import ScaleOption
from framework.data.validation import shown_names
from framework.nn.network import Node
from framework.registry.registry import SEVERAL_GROUPS
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import About
from framework.tracking.options import Tracking

Auto = Literal["auto"]


# Groups whose options come from the registry.
COMPONENT_GROUPS = ("dataset", "loss", "activation", "initializer", "optimizer", "regularizer", "schedule", "study")


INHERITED = ("activation", "initializer", "loss")  # groups that give components their default


KEYS = (
    *(*COMPONENT_GROUPS, *SEVERAL_GROUPS, "model", "heads", "metrics", "trainer", "tracking", "figure", "schedules"),
    *("seed", "folds", "fold", "device", "dtype", "threads", "tier", "plugins", "disable_plugins"),
    *ABOUT,
)


@dataclass(frozen=True)
class HeadSettings:
    """A head before the data are loaded."""

    loss: Loss | Auto
    source: str | tuple[str, ...] | None
    target: str | None = "y"
    mask: str | None = "mask"
    weight: float = 1.0


@dataclass(frozen=True)
class Settings:
    """A validated configuration: components instead of names; `auto` is resolved later, as it depends on the data."""

    dataset: Dataset
    dataset_seed: int
    dataset_scale: ScaleOption
    dataset_scale_targets: bool
    nodes: Mapping[str, Node]
    init_from: str | None
    heads: Mapping[str, HeadSettings]
    metrics: Mapping[str, tuple[Metric, str | None]] | Auto
    optimizer: Optimizer
    groups: tuple[ParameterGroup, ...]
    schedule: Schedule
    schedules: Mapping[str, Schedule]
    regularizers: tuple[Regularizer, ...]
    augmentations: Mapping[str, Augmentation]
    probes: Mapping[str, Probe]
    callbacks: Mapping[str, Callback]
    figures: Mapping[str, Figure]
    study: Study | None
    trainer: TrainerOptions
    tracking: Tracking
    figure: FigureOptions
    seed: int
    folds: int | None
    fold: int | None
    device: Literal["auto", "cpu", "gpu"]
    dtype: Literal["float32", "float64"]
    threads: int | Auto
    tier: Tier
    plugins: tuple[str, ...]
    disable_plugins: tuple[str, ...]
    about: About
    tree: Mapping[str, Any]
    written: Mapping[str, Any] = field(default_factory=dict)  # the recorded form, if it differs

    def __repr__(self) -> str:
        components = {"dataset": self.dataset, "optimizer": self.optimizer, "schedule": self.schedule, "study": self.study}
        lines = [f"{key}: {value}" for key, value in components.items() if value is not None]
        return "\n  ".join([f"Settings: nodes {shown_names(list(self.nodes))}", *lines, f"seed: {self.seed}"])

    @property
    def record(self) -> Mapping[str, Any]:
        """The configuration as it is recorded: without values from the environment."""
        return self.written or self.tree
