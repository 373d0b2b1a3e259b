"""Recognizes the recorded `config.yaml` of a run among files of configurations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from framework.core.errors import ConfigError
from framework.core.reading import read_yaml

RECORD = ("dataset", "model", "optimizer", "trainer", "seed", "dtype")  # a recorded configuration has all of these keys


def is_recorded(tree: Any) -> bool:
    """Whether a tree is a complete configuration, as a run records it, and not what an experiment changes."""
    return isinstance(tree, Mapping | DictConfig) and "defaults" not in tree and all(key in tree for key in RECORD)


def check_not_recorded(folder: str, name: str, flag: str) -> None:
    """Check that a flag of Hydra does not name the record of a run: Hydra would ignore it, or read it without its groups.

    Raises:
        ConfigError: it does; the message says what to type.
    """
    file = Path(folder, name if name.endswith(".yaml") else f"{name}.yaml")
    try:
        tree = read_yaml(file)
    except (OSError, ValueError):  # reported where the file is used
        return
    if is_recorded(tree):
        raise ConfigError(f"{flag}: {file} is the recorded configuration of a run; type `stackprop experiment={file}`")
