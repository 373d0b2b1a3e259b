"""The hooks of a plugin: one per kind of component, and one for presets.

    from framework import hookimpl

    @hookimpl
    def register_layers(register):
        register("dense", Dense)

`register(name, component)` takes the name that users write and the component's class, a frozen dataclass. The hooks run
once, when the registry is filled, never while a network trains.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pluggy

Register = Callable[[str, Any], None]
RegisterPresets = Callable[[str | Path], None]

hookspec = pluggy.HookspecMarker("stackprop")
hookimpl = pluggy.HookimplMarker("stackprop")


@hookspec
def register_layers(register: Register) -> None:
    """Nodes of a network: `framework.components.Layer`."""


@hookspec
def register_cells(register: Register) -> None:
    """One step of a recurrent layer."""


@hookspec
def register_activations(register: Register) -> None:
    """Elementwise functions: `framework.components.Activation`."""


@hookspec
def register_initializers(register: Register) -> None:
    """Initial values of a tensor: `framework.components.Initializer`."""


@hookspec
def register_losses(register: Register) -> None:
    """What training minimizes: `framework.components.Loss`."""


@hookspec
def register_optimizers(register: Register) -> None:
    """Update rules, from a gradient to a step: `framework.components.Optimizer`."""


@hookspec
def register_schedules(register: Register) -> None:
    """Learning rates along training: `framework.components.Schedule`."""


@hookspec
def register_regularizers(register: Register) -> None:
    """Penalties on weights: `framework.components.Regularizer`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Sources of examples: `framework.components.Dataset`."""


@hookspec
def register_augmentations(register: Register) -> None:
    """Changes to training examples: `framework.components.Augmentation`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Measures of predictions: `framework.components.Metric`."""


@hookspec
def register_probes(register: Register) -> None:
    """Measurements inside a training step: `framework.components.Probe`."""


@hookspec
def register_studies(register: Register) -> None:
    """Questions about training: `framework.components.Study`."""


@hookspec
def register_callbacks(register: Register) -> None:
    """What is called while a run trains: `framework.Callback`."""


@hookspec
def register_commands(register: Register) -> None:
    """Verbs of the shell: `framework.components.Command`."""


@hookspec
def register_figures(register: Register) -> None:
    """Figures of a run: `framework.components.Figure`."""


@hookspec
def register_presets(register: RegisterPresets) -> None:
    """Presets of a plugin: `register(folder)`, a folder laid out like `conf/` (`model/mine.yaml`), given as a
    path, or as a dotted name if it lies inside a package ("stackprop_mine.conf")."""


KINDS: dict[str, str] = {
    "register_layers": "layer",
    "register_cells": "cell",
    "register_activations": "activation",
    "register_initializers": "initializer",
    "register_losses": "loss",
    "register_optimizers": "optimizer",
    "register_schedules": "schedule",
    "register_regularizers": "regularizer",
    "register_datasets": "dataset",
    "register_augmentations": "augmentation",
    "register_metrics": "metric",
    "register_probes": "probe",
    "register_studies": "study",
    "register_callbacks": "callback",
    "register_commands": "command",
    "register_figures": "figure",
}
HOOKS = (*KINDS, "register_presets")
