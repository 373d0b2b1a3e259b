"""The protocols of every kind of component, and `option`, which declares a field: for those who write plugins."""

from framework.core.options import option
from framework.core.protocols import (
    Activation,
    Augmentation,
    Callback,
    Cell,
    Command,
    Dataset,
    Figure,
    Initializer,
    Layer,
    Loss,
    Metric,
    Optimizer,
    Probe,
    Regularizer,
    Schedule,
    Study,
)

__all__ = [
    "Activation",
    "Augmentation",
    "Callback",
    "Cell",
    "Command",
    "Dataset",
    "Figure",
    "Initializer",
    "Layer",
    "Loss",
    "Metric",
    "Optimizer",
    "Probe",
    "Regularizer",
    "Schedule",
    "Study",
    "option",
]
