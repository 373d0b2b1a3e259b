"""Parameter groups: other options of the optimizer for some of the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from framework.config.options import ParameterGroup
from framework.core.arrays import Array, to_host
from framework.core.errors import ConfigError, did_you_mean
from framework.core.types import Tensor
from framework.training.learner import Learner


def check_groups(learner: Learner) -> None:
    """Check that every group has tensors, and sets options that may differ.

    Raises:
        ConfigError: it does not.
    """
    allowed = [f.name for f in fields(learner.optimizer) if f.metadata.get("stackable")] if learner.groups else []  # type: ignore[arg-type]
    for i, group in enumerate(learner.groups):
        names = [f"{node}.{tensor}" for node, tensor in learner.network.tensor_shapes]
        if not any(fnmatchcase(name, group.match) for name in names):
            raise ConfigError(f"optimizer.groups[{i}].match: no tensor matches (got {group.match!r}); {_listed(names)}")
        for option in group.options:
            if option.name not in allowed:
                who = f"optimizer.groups[{i}].{option.name}: not an option of {type(learner.optimizer).__name__} for groups"
                raise ConfigError(f"{who}{did_you_mean(option.name, allowed)}")
            if getattr(learner.optimizer, option.name) is None:
                who = f"optimizer.groups[{i}].{option.name}: the other tensors have none (optimizer.{option.name} is null)"
                raise ConfigError(f"{who}; set optimizer.{option.name} to a number, such as 0")


def _listed(names: Sequence[str]) -> str:
    return f"the tensors are {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"


def grouped(
    optimizer: Any, groups: Sequence[ParameterGroup], tensors: Sequence[Tensor], replicas: int, P: int, xp: Any
) -> Any:
    """The optimizer with arrays of options: (R, P) for those that a group sets, (R, 1) for others in which replicas differ.
    A later group has priority."""
    values: dict[str, Array] = {}
    for f in fields(optimizer):
        value = getattr(optimizer, f.name)
        if f.metadata.get("stackable") and hasattr(value, "ndim"):
            values[f.name] = np.asarray(to_host(value), float)[:, None]
    for group in groups:
        inside = [t for t in tensors if fnmatchcase(f"{t.node}.{t.name}", group.match)]
        for option in group.options:
            base = values.get(option.name, getattr(optimizer, option.name))
            wide = np.array(np.broadcast_to(base, (replicas, P)), float)
            for t in inside:
                wide[:, t.start : t.stop] = np.asarray(to_host(option.value), float).reshape(-1, 1)
            values[option.name] = wide
    return replace(optimizer, **{name: xp.asarray(value) for name, value in values.items()})


def of_columns(optimizer: Any, columns: slice) -> Any:
    """The optimizer for some of the columns."""
    wide = {f.name: getattr(optimizer, f.name) for f in fields(optimizer) if f.metadata.get("stackable")}
    return replace(optimizer, **{name: part(value, columns) for name, value in wide.items() if is_wide(value)})


def is_wide(value: Any) -> bool:
    """Whether a value has a number for each column."""
    return getattr(value, "ndim", 0) > 1 and value.shape[-1] > 1


def part(value: Any, columns: slice) -> Any:
    """Some of the columns of a value that has a number for each; others as they are."""
    return value[..., columns] if is_wide(value) else value
