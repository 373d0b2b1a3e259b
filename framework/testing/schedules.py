"""Checks of schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    asked = _asked(schedule)
    for total in TOTALS:
        for step in (*range(total), total, total + 1, 3 * total + 5):
            after = " (after the last step; a bound such as max(0, ...) helps)" if step >= total else ""
            with works(f"step {step} of {total}{after}"):
                factor = asked(step, total)
            number = np.shape(factor) == () and np.asarray(factor).dtype.kind in "iuf"
            assert number, f"step {step} of {total}{after}: {factor!r} is not a number"
            assert 0 <= factor < np.inf, f"step {step} of {total}{after}: the factor is {factor}, not finite and at least 0"


def check_pure(schedule: Any) -> None:
    """The factor depends on step and total only: not on earlier calls, their order, or random numbers.

    Cannot see: a dependence on the time of day.
    """
    asked = _asked(schedule)
    with untouched(schedule):
        for total in TOTALS:
            factors = [asked(step, total) for step in range(total)]
            backwards = [asked(step, total) for step in reversed(range(total))]
            assert backwards[::-1] == factors, "steps in another order have other factors"
        own_numbers(lambda seed: [np.array([asked(step, 10) for step in range(10)])], "any: a factor is not random")


def check_stacked_factor(schedule: Any) -> None:
    """The factor of a stack is a number or an array of the replica shape, equal to that of each replica alone, also after
    validations; the options stay unchanged.

    Cannot see: options that are not declared stackable.
    """
    total = 10
    for only in (None, *stackable(schedule)):
        for lead in ((1,), *LEADS[1:]):
            lone = [varied(schedule, r, only) for r in range(prod(lead))]
            whole, same = merged(lone, lead), merged(lone, lead)
            each = [(one, _state(one, ())) for one in lone] + [(whole, _state(whole, lead))]
            for step in (*range(total), 3 * total, 0):
                *found, factor = (np.asarray(_asked(one, state)(step, total)) for one, state in each)
                assert factor.shape in ((), lead), f"the factor of a stack {lead} has shape {factor.shape}"
                wanted = np.array(found).reshape(lead)
                equal(np.broadcast_to(factor, lead), wanted, f"the factor at step {step} of {total} in a stack {lead}")
                _validate(each, np.random.default_rng(step // 3).uniform(size=lead))
            for name in stackable(schedule):
                assert np.array_equal(_at(whole, name), _at(same, name)), f"the option '{name}' of a stack was modified"


def _state(schedule: Any, replicas: tuple[int, ...]) -> Any:
    return schedule.init(replicas) if hasattr(schedule, "init") else None


def _asked(schedule: Any, state: Any = None) -> Callable[[int, int], Any]:
    """(step, total) -> the factor, with a state of a lone network where none is given."""
    state = _state(schedule, ()) if state is None else state
    return lambda step, total: schedule(step, total) if state is None else schedule(step, total, state)


def _validate(each: Sequence[tuple[Any, Any]], values: np.ndarray) -> None:
    """Give lone schedules and their stack, the last one, the value of a validation; states change in place."""
    own = [*(np.asarray(value) for value in values.ravel()), values]
    for (schedule, state), value in zip(each, own, strict=True):
        if hasattr(schedule, "validated"):
            monitor = getattr(schedule, "monitor", None) or "val/loss"
            before = {name: a.shape for name, a in state.items()}
            schedule.validated(state, {monitor: value}, {monitor: True})
            after = {name: a.shape for name, a in state.items()}
            assert after == before, f"validated changes the state from {before} to {after}"


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
        moves = np.diff([_asked(schedule)(step, total) for step in range(total)])
        wrong = np.flatnonzero(moves > 1e-12 if said == "falling" else moves < -1e-12)
        assert not wrong.size, f"it is declared {said}, but not from step {wrong[0]} to {wrong[0] + 1} of {total}"


def check_direction(schedule: Any) -> None:
    """`validated` changes the state, and with it the factor, if it has one. A schedule with an option
    `monitor` that treats rising and falling losses differently treats scores, of which larger is better, in another way.

    Cannot see: a schedule that does not react to 30 validations.
    """
    monitor = getattr(schedule, "monitor", None)
    name = monitor if isinstance(monitor, str) else "val/loss"

    def factors(values: np.ndarray, lower: bool) -> list[float]:
        state, found = _state(schedule, ()), []
        for value in values:
            schedule.validated(state, {name: np.asarray(value)}, {name: lower})
            found.append(float(_asked(schedule, state)(5, 10)))
        return found

    rising = np.linspace(0.1, 0.9, 30)
    before = float(_asked(schedule, _state(schedule, ()))(5, 10))
    every = [factors(values, True) for values in (rising, rising[::-1], np.full(30, 0.5))]
    assert not _state(schedule, ()) or any(factor != before for found in every for factor in found), (
        "30 validations change no factor: `validated` must change the arrays of the state in place, or put new ones into it"
    )
    if not isinstance(monitor, str):
        return
    of_loss, of_score = ([factors(values, lower) for values in (rising, rising[::-1])] for lower in (True, False))
    ignored = of_loss[0] != of_loss[1] and of_loss == of_score
    assert not ignored, "lower_is_better is ignored: falling accuracies have the factors of falling losses"


SCHEDULE = reported(
    {
        "factor": check_factor,
        "pure": check_pure,
        "stack_law": check_stacked_factor,
        "choices": check_choices({"factor": check_factor, "pure": check_pure}, {"factor": check_factor}),
    }
)
SCHEDULE_OFFERED = reported({"monotone": check_monotone, "validated": check_direction})
