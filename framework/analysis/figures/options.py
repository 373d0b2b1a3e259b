"""The options of figures, besides size, labels and style, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from framework.config.options import Appearance
from framework.core.errors import ConfigError, did_you_mean
from framework.core.options import declared, option
from framework.core.validation import Validator
from framework.registry.discovery import discover


@dataclass(frozen=True)
class NoOptions:
    """A figure without options of its own."""


@dataclass(frozen=True)
class AlongTraining:
    """A figure along training."""

    x: Literal["step", "epoch"] = option("step", help="the axis along training: training steps, or epochs")


@dataclass(frozen=True)
class LearningOptions:
    """Options of the learning curves."""

    x: Literal["step", "epoch"] = option("epoch", help="the axis along training: training steps, or epochs")
    y: tuple[str, ...] | str | None = option(
        None, help="metrics without their split, a panel for each: [loss,accuracy]; null: the loss and the first metric"
    )


@dataclass(frozen=True)
class ConfusionOptions:
    """Options of the confusion matrix."""

    normalize: bool = option(False, help="shows the share of each row instead of counts")


@dataclass(frozen=True)
class SplitOptions:
    """Options of the figures of predictions."""

    split: Literal["train", "val", "test"] | None = option(
        None, help="the examples to predict; null: test, or val without a test split"
    )


@dataclass(frozen=True)
class MetricOption:
    """The metric of a figure of a sweep."""

    y: str | None = option(None, help="the metric; null: that of the search, or the first one of the table")


def validated(kind: str, cls: Any, given: Mapping[str, Any]) -> tuple[Any, Appearance]:
    """The options of a figure, as an object of the class that declares them, and its size, labels and style.

    Raises:
        ConfigError: an option is unknown, or its value is not allowed.
    """
    own, look, who = declared(cls), declared(Appearance), f"figure '{kind}'"
    validator = Validator(discover(), {})
    for key in given:
        if key not in own and key not in look:
            validator.add_error(f"figure.{key}", f"{who} has no such option{did_you_mean(key, [*own, *look])}")
    found = validator.fill(cls, {key: value for key, value in given.items() if key in own}, "figure", who)
    others = {key: value for key, value in given.items() if key in look and key not in own}
    dressed = validator.fill(Appearance, others, "figure", who)
    if validator.errors:
        raise ConfigError("\n".join(validator.errors))
    return found, dressed
