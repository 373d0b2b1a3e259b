"""Checks of schedules."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from framework.testing.choices import check_choices
from framework.testing.purity import own_numbers, reported, untouched, works
from framework.testing.stacks import LEADS, equal, merged, stackable, varied

TOTALS = (1, 2, 3, 10, 1000)


def check_factor(schedule: Any) -> None:
    """Every step has a factor, a finite number of at least 0: the first, the last, the only one, and those after the last.

    Cannot see: whether the curve is the intended one.
    """
    for total in TOTALS:
        for step in (*range(total), total, total + 1, 3 * total + 5):
            after = " (after the last step; a bound such as max(0, ...) helps)" if step >= total else ""
            with works(f"step {step} of {total}{after}"):
                factor = schedule(step, total)
            kind = isinstance(factor, int | float | np.integer | np.floating) and not isinstance(factor, bool)
            assert kind, f"step {step} of {total}{after}: {factor!r} is not a number"
            assert 0 <= factor < np.inf, f"step {step} of {total}{after}: the factor is {factor}, not finite and at least 0"


def check_pure(schedule: Any) -> None:
    """The factor depends on step and total only: not on earlier calls, their order, or random numbers.

    Cannot see: a dependence on the time of day.
    """
    with untouched(schedule):
        for total in TOTALS:
            factors = [schedule(step, total) for step in range(total)]
            backwards = [schedule(step, total) for step in reversed(range(total))]
            assert backwards[::-1] == factors, "steps in another order have other factors"
        own_numbers(lambda seed: [np.array([schedule(step, 10) for step in range(10)])], "any: a factor is not random")


def check_stacked_factor(schedule: Any) -> None:
    """The factor of a stack is a number or an array of the replica shape, equal to that of each replica alone; the options
    stay unchanged.

    Cannot see: options that are not declared stackable.
    """
    total = 10
    for only in (None, *stackable(schedule)):
        for lead in ((1,), *LEADS[1:]):
            lone = [varied(schedule, r, only) for r in range(prod(lead))]
            whole, same = merged(lone, lead), merged(lone, lead)
            for step in (*range(total), 3 * total, 0):
                factor = np.asarray(whole(step, total))
                assert factor.shape in ((), lead), f"the factor of a stack {lead} has shape {factor.shape}"
                wanted = np.array([one(step, total) for one in lone]).reshape(lead)
                equal(np.broadcast_to(factor, lead), wanted, f"the factor at step {step} of {total} in a stack {lead}")
            for name in stackable(schedule):
                assert np.array_equal(_at(whole, name), _at(same, name)), f"the option '{name}' of a stack was modified"


def _at(component: Any, path: str) -> Any:
    for name in path.split("."):
        component = getattr(component, name)
    return component


def check_monotone(schedule: Any) -> None:
    """A schedule that declares `monotone` never rises ("falling"), or never falls ("rising"), from step to step.

    Cannot see: steps after the last.
    """
    said = schedule.monotone
    assert said in ("falling", "rising"), f"monotone: {said!r} is unknown; allowed: 'falling', 'rising'"
    for total in TOTALS:
        moves = np.diff([schedule(step, total) for step in range(total)])
        wrong = np.flatnonzero(moves > 1e-12 if said == "falling" else moves < -1e-12)
        assert not wrong.size, f"it is declared {said}, but not from step {wrong[0]} to {wrong[0] + 1} of {total}"


SCHEDULE = reported(
    {
        "factor": check_factor,
        "pure": check_pure,
        "stack_law": check_stacked_factor,
        "choices": check_choices({"factor": check_factor, "pure": check_pure}),
    }
)
SCHEDULE_OFFERED = reported({"monotone": check_monotone})
