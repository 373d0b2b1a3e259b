"""The other values of the options of a component: every choice, true and false, null, and the bounds of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from framework.core.options import declared
from framework.testing.purity import Checks, refuses, works
from framework.testing.stacks import inside


def variants(component: Any, bounds: bool | None = None) -> Iterator[tuple[str, Any]]:
    """(option, another value): every Literal, bool and None that the types of the options allow, or with `bounds` the least
    and the largest number that an option allows; by default both."""
    cls: Any = type(component)
    try:
        options = declared(cls)
    except (NameError, TypeError):  # `declaration` has the reason
        return
    for name, (hint, f) in options.items():
        value = getattr(component, name)
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if hasattr(value, "ndim"):
            continue
        for kind in kinds:
            if bounds is not True:
                yield from ((name, other) for other in _others(kind, f, value))
            if bounds is not False and kind in (int, float):
                ends = [kind(f.metadata["rules"][rule]) for rule in ("least", "most") if rule in f.metadata.get("rules", {})]
                yield from ((name, end) for end in ends if end != value and inside(f, end))


def other_numbers(component: Any) -> Iterator[tuple[str, Any]]:
    """(option, another number): one for every number inside the bounds of an option that has a default and is not stackable,
    for `options` tries the others. A whole number without bounds may be anything, such as an axis, and keeps its value."""
    cls: Any = type(component)
    try:
        options = declared(cls)
    except (NameError, TypeError):  # `declaration` has the reason
        return
    for name, (_, f) in options.items():
        value, rules = getattr(component, name), f.metadata.get("rules", {})
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if not numeric or f.metadata.get("stackable") or f.default is MISSING or (isinstance(value, int) and not rules):
            continue
        near = (value + 1, value - 1) if isinstance(value, int) else (0.25 * value + 0.5, value / 2, 2 * value)
        yield from [(name, other) for other in near if other != value and inside(f, other)][:1]


def _others(kind: Any, f: Any, value: Any) -> Iterable[Any]:
    if get_origin(kind) is Literal:
        return [other for other in get_args(kind) if other != value]
    if kind is bool:
        return [not value]
    if kind is type(None):
        return [None] if value is not None else []
    if kind in (int, float) and value is None:
        return [kind(x) for x in (2, 1, 0.5, 0.1) if inside(f, kind(x))][:1]
    return []


def _none(component: Any) -> Iterable[tuple[str, Any]]:
    return ()


def check_choices(
    checks: Checks, at_bounds: Checks | None = None, numbers: Callable[[Any], Iterable[tuple[str, Any]]] | None = None
) -> Callable[..., None]:
    """The check that these checks hold for the other values of the options too, and others at the bounds of numbers; with
    `numbers`, these checks also for the values that it gives."""

    def check(component: Any, *about: Any) -> None:
        """Every Literal, true, false and null that an option allows works, and so do the bounds of a number; of a component
        with gradients, those are right at another number too.

        Cannot see: combinations of such values, strings, and what a value should do.
        """
        for name, value, chosen in (
            *((name, value, checks) for name, value in variants(component, bounds=False)),
            *((name, value, at_bounds or {}) for name, value in variants(component, bounds=True)),
            *((name, value, checks) for name, value in (numbers or _none)(component)),
        ):
            try:
                other = replace(component, **{name: value})
            except ValueError as error:
                if refuses(error):  # options that contradict each other
                    continue
                raise AssertionError(f"with {name}={value!r}: {type(error).__name__}: {error}") from error
            for key, each in chosen.items():
                try:
                    with works(f"'{key}' does not run"):
                        each(other, *about)
                except AssertionError as error:
                    if error.__cause__ is not None and refuses(error.__cause__):
                        break
                    raise AssertionError(f"with {name}={value!r}: {str(error).strip()}") from error

    return check
