"""Parses overrides of the shell into a search space, as Hydra's own Optuna sweeper does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import floor
from typing import Any, NamedTuple

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from framework.core.errors import ConfigError, did_you_mean
from framework.core.repeats import REPEATS, name_of_repeats
from framework.sweeps.search.space import Choice, Dimension, Number, Space, fault

TAGS = ("log",)


class Parts(NamedTuple):
    """The overrides that all trials share, those of the jobs of each trial (seeds, folds), and the search space."""

    fixed: list[str]
    repeats: list[list[str]]
    space: Space


def parted(overrides: Sequence[Override]) -> Parts:
    """Split the overrides of a search into fixed ones, repeats and a search space.

    `a,b` and `choice(a,b)` are one of several words; `interval(0.1,1)` is any number between, `int(interval(1,8))` any
    integer, `range(1,8,2)` one of the steps, the ends included; `tag(log,interval(...))` searches ratios. Seeds and
    folds are not searched: every trial is run with each, as everywhere in a sweep.

    Raises:
        ConfigError: a range contains no numbers, a tag is unknown, or a seed is given twice.
    """
    fixed, space, faults = dict[str, str](), dict[str, Dimension](), []
    repeats: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        fixed.pop(key, None)
        space.pop(key, None)  # the last of two applies
        repeats.pop(key, None)
        if not override.is_sweep_override():
            fixed[key] = key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"
            continue
        if key in REPEATS and override.is_discrete_sweep():
            values = list(override.sweep_string_iterator())
            repeats[key] = [f"{key}={value}" for value in values]
            twice = sorted(value for value, count in Counter(values).items() if count > 1)
            if twice:
                faults.append(f"{key}: {', '.join(twice)} given twice; it would count as two {name_of_repeats([key])}")
            continue
        try:
            space[key] = dimension(override)
        except ConfigError as error:
            faults.append(f"{key}: {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return Parts(list(fixed.values()), [list(each) for each in product(*repeats.values())], space)


def dimension(override: Override) -> Dimension:
    """The search dimension of an override.

    Raises:
        ConfigError: a range contains no numbers, or a tag is unknown.
    """
    value: Any = override.value()
    tags: set[str] = getattr(value, "tags", set())
    for tag in sorted(tags):
        if tag not in TAGS:
            raise ConfigError(f"unknown tag '{tag}'{did_you_mean(tag, TAGS)}")
    if override.is_choice_sweep() or getattr(value, "shuffle", False):
        if tags:
            raise ConfigError("log needs an interval or a range of numbers")
        return Choice(tuple(dict.fromkeys(override.sweep_string_iterator())))
    number = interval(value) if isinstance(value, IntervalSweep) else steps(value)
    wrong = fault(number)
    if wrong:
        raise ConfigError(wrong)
    return number


def interval(value: IntervalSweep) -> Number:
    """A range of numbers; of integers if both ends are integers."""
    low, high, is_log = value.start, value.end, "log" in value.tags
    if low is None or high is None:
        raise ConfigError("an interval needs both ends: interval(1e-4,1)")
    whole = isinstance(low, int) and isinstance(high, int)
    return Number(low, high, is_log, 1) if whole else Number(float(low), float(high), is_log)


def steps(value: RangeSweep) -> Number:
    """A range with steps, the end included if a step reaches it."""
    low, stop, step = value.start, value.stop, value.step
    if low is None or stop is None:
        raise ConfigError("a range needs both ends: range(4,64)")
    whole = all(isinstance(number, int) for number in (low, stop, step))
    low, stop, step = (low, stop, step) if whole else (float(low), float(stop), float(step))
    if step > 0:
        stop = low + step * floor((stop - low) / step * (1 + 1e-12))
    return Number(low, stop, "log" in value.tags, step)
