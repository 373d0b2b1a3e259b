"""Schedules of a stack in training: their state, the factor on the learning rate, and options that change at every step.

A scheduled option is an array (R,) in the components that take the steps. Before a step it is overwritten with the option's
value times the schedule's factor. Validation, tests and the recorded network have the option's own value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from framework.core.arrays import Array, to_host
from framework.core.errors import ConfigError, ContractError, did_you_mean
from framework.core.signatures import has_method
from framework.core.stacking import keep_replicas
from framework.core.validation import RULES
from framework.nn.contracts import shown
from framework.training.learner import Learner

LR = "optimizer.lr"  # the group `schedule` drives it
SAMPLES = 50  # steps at which the range of a scheduled option is checked


class Option(NamedTuple):
    """A stackable option of a learner: the way to it, its declaration, and its value."""

    keys: tuple[str | int, ...]
    field: Any
    value: Any


def stackable_options(learner: Learner) -> dict[str, Option]:
    """The stackable options, by their names in a configuration: `optimizer.alpha`, `model.layers.drop.keep`."""
    found = dict(_options(learner.optimizer, "optimizer", ("optimizer",)))
    found |= _options(learner.options, "trainer", ("options",))
    for i, each in enumerate(learner.regularizers):
        name = "regularizer" if len(learner.regularizers) == 1 else f"regularizer.{i}"
        found |= _options(each, name, ("regularizers", i))
    for name, head in learner.heads.items():
        found |= _options(head, f"heads.{name}", ("heads", name))
        found |= _options(head.loss, "loss" if name == "loss" else f"heads.{name}", ("heads", name, "loss"))
    for name, node in learner.network.nodes.items():
        found |= _options(node.layer, f"model.layers.{name}", ("network", "nodes", name, "layer"))
    return found


def _options(component: Any, path: str, keys: tuple[str | int, ...]) -> Iterator[tuple[str, Option]]:
    """The stackable options of a component, and of components in it; an initializer is not read in training."""
    for f in fields(component) if is_dataclass(component) else ():
        value, at = getattr(component, f.name), (*keys, f.name)
        if f.metadata.get("stackable"):
            yield f"{path}.{f.name}", Option(at, f, value)
        elif is_dataclass(value) and f.name != "loss" and f.metadata.get("group") != "initializer":
            yield from _options(value, f"{path}.{f.name}", at)


def check_schedules(learner: Learner, total: int, measured: Sequence[str]) -> None:
    """Check that every schedule drives an option that can change, within its range, and reads a metric that is measured.

    Args:
        total: steps of the training.
        measured: the metrics of a validation.

    Raises:
        ConfigError: one of them does not.
    """
    _check_monitor("schedule", learner.schedule, measured)
    options = stackable_options(learner) if learner.schedules else {}
    for path, schedule in learner.schedules.items():
        key = f"schedules.{path}"
        if path == LR:
            raise ConfigError(f"{key}: the group schedule drives the learning rate; set schedule=...")
        if path not in options:
            others = [name for name in options if name != LR]
            raise ConfigError(f"{key}: not an option that may change in training{did_you_mean(path, others)}")
        _, f, value = options[path]
        if isinstance(value, bool | str) or not (isinstance(value, int | float) or hasattr(value, "ndim")):
            raise ConfigError(f"{key}: the option must be a number (got {value!r}); set {path}")
        _check_monitor(key, schedule, measured)
        if not has_method(schedule, "init"):
            _check_range(key, f, value, schedule, total)


def _check_monitor(key: str, schedule: Any, measured: Sequence[str]) -> None:
    monitor = getattr(schedule, "monitor", None)
    if monitor is not None and monitor not in measured:
        raise ConfigError(f"{key}.monitor: '{monitor}' is not measured{did_you_mean(monitor, measured)}")


def _check_range(key: str, f: Any, value: Any, schedule: Any, total: int) -> None:
    """Check that a scheduled option stays within the bounds of its declaration."""
    for step in sorted({*range(0, total, max(1, total // SAMPLES)), total - 1}):
        at = np.asarray(value) * np.asarray(schedule(step, total))
        for rule, bound in f.metadata.get("rules", {}).items():
            if not np.all(RULES[rule][0](at, bound)):
                raise ConfigError(f"{key}: the option is {at.min():g} at step {step}, and must be {RULES[rule][1]} {bound}")


class Schedules:
    """The schedules of a stack, their state, and the options that they drive.

    Args:
        learner: of a stack, on the host.
        replicas: how many.
        xp: the module of the arrays in training.

    Attributes:
        paths: the driven options besides the learning rate.
        state: option -> name -> array (R,) on the host, of the schedules that have a state.
    """

    def __init__(self, learner: Learner, replicas: int, xp: Any) -> None:
        self.of = {LR: learner.schedule, **learner.schedules}
        self.xp, self.replicas, self.paths = xp, replicas, tuple(learner.schedules)
        stateful: dict[str, Any] = {path: each for path, each in self.of.items() if has_method(each, "init")}
        self.state = {path: dict(each.init((replicas,))) for path, each in stateful.items()}
        self.values: dict[str, np.ndarray] = {}  # the options' own values: (R,), or (R, 1 or P) with parameter groups
        self.live: dict[str, Array] = {}  # what the components of a step read

    def attach(self, learner: Learner) -> Learner:
        """The learner that takes the steps: its scheduled options are arrays, which `apply` overwrites."""
        options = stackable_options(learner) if self.paths else {}
        for path in self.paths:
            option = options[path]
            value = np.asarray(option.value if isinstance(option.value, int | float) else to_host(option.value), float)
            self.values[path] = value if value.ndim > 1 else np.broadcast_to(value, (self.replicas,))
            self.live[path] = self.xp.array(self.values[path])
            learner = with_value(learner, option.keys, self.live[path])
        return learner

    def apply(self, step: int, total: int) -> None:
        """Set the scheduled options for a step."""
        for path, live in self.live.items():
            live[...] = self.xp.asarray(self.value(path, step, total))

    def value(self, path: str, step: int, total: int) -> np.ndarray:
        """The value of a scheduled option at a step: (R,), or (R, P) with parameter groups."""
        value, factor = self.values[path], np.asarray(self.factor(step, total, path))
        return np.asarray(value * (factor.reshape(-1, *(1,) * (value.ndim - 1)) if factor.ndim else factor))

    def factor(self, step: int, total: int, path: str = LR) -> float | np.ndarray:
        """The factor at a step: a number, or an array (R,) where replicas differ.

        Raises:
            ContractError: it is neither a finite number, at least 0, nor an array with one value per replica.
        """
        schedule: Any = self.of[path]
        factor = schedule(step, total, self.state[path]) if path in self.state else schedule(step, total)
        who = f"{'schedule' if path == LR else f'schedules.{path}'} ({type(schedule).__name__})"
        if not (hasattr(factor, "ndim") or isinstance(factor, int | float)):
            raise ContractError(f"{who}: it returns {shown(factor)}, not a number")
        if getattr(factor, "ndim", 0):
            if factor.shape != (self.replicas,):
                wanted = (self.replicas,)
                raise ContractError(f"{who}: its factor has shape {factor.shape}; expected {wanted}, one per replica")
            return np.asarray(factor)
        number = float(factor)  # a NumPy float64 would turn float32 into float64
        if not 0 <= number < math.inf:
            raise ContractError(f"{who}: its factor at step {step} is {number}, not a finite number of at least 0")
        return number

    @property
    def monitored(self) -> tuple[str, ...]:
        """The metrics that schedules read."""
        return tuple(s.monitor for s in self.of.values() if getattr(s, "monitor", None))  # type: ignore[attr-defined]

    def validated(self, metrics: Mapping[str, np.ndarray], lower_is_better: Mapping[str, bool]) -> None:
        """Tell the schedules the metrics (R,) of a validation."""
        for path, state in self.state.items():
            schedule: Any = self.of[path]
            if has_method(schedule, "validated"):
                schedule.validated(state, metrics, lower_is_better)

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped; the learner of the others is to be attached again."""
        self.of = {path: keep_replicas(schedule, keep) for path, schedule in self.of.items()}
        self.state = {path: {name: a[keep] for name, a in state.items()} for path, state in self.state.items()}
        self.replicas = int(keep.sum())

    def snapshot(self) -> dict[str, np.ndarray]:
        """The state, by names of arrays."""
        return {f"schedule.{path}.{name}": a for path, state in self.state.items() for name, a in state.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore a snapshot; one of an older version has no state."""
        for path, state in self.state.items():
            for name in state:
                state[name] = np.array(arrays.get(f"schedule.{path}.{name}", state[name]))


def with_value(tree: Any, keys: Sequence[str | int], value: Any) -> Any:
    """A tree of components, mappings and tuples with another value at one place."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(tree, Mapping):
        return {**tree, str(key): with_value(tree[str(key)], rest, value)}
    if isinstance(tree, tuple):
        return tuple(with_value(each, rest, value) if i == key else each for i, each in enumerate(tree))
    return replace(tree, **{str(key): with_value(getattr(tree, str(key)), rest, value)})
