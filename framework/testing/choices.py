"""The other values of the options of a component: every choice, true and false, null, and the bounds of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from framework.core.options import declared
from framework.testing.purity import refuses, works
from framework.testing.stacks import inside


def variants(component: Any, bounds: bool = True) -> Iterator[tuple[str, Any]]:
    """(option, another value) for every Literal, bool and None that the types of the options allow, and with `bounds` the
    least and the largest number that an option allows."""
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
            yield from ((name, other) for other in _others(kind, f, value, bounds))


def _others(kind: Any, f: Any, value: Any, bounds: bool) -> Iterable[Any]:
    if get_origin(kind) is Literal:
        return [other for other in get_args(kind) if other != value]
    if kind is bool:
        return [not value]
    if kind is type(None):
        return [None] if value is not None else []
    if kind not in (int, float):
        return []
    rules = f.metadata.get("rules", {})
    ends = [kind(rules[rule]) for rule in ("least", "most") if rule in rules] if bounds else []
    usual = [next((kind(x) for x in (2, 1, 0.5, 0.1) if inside(f, kind(x))), value)] if value is None else []
    return [other for other in (*ends, *usual) if other != value and inside(f, other)]


def check_choices(checks: Mapping[str, Callable[..., None]], bounds: bool = True) -> Callable[..., None]:
    """The check that these checks hold for the other values of the options too."""

    def check(component: Any, *about: Any) -> None:
        """Every Literal, true, false and null that an option allows works, and so do the bounds of a number.

        Cannot see: combinations of such values, strings, and what a value should do.
        """
        for name, value in variants(component, bounds):
            try:
                other = replace(component, **{name: value})
            except ValueError as error:
                if refuses(error):  # options that contradict each other
                    continue
                raise AssertionError(f"with {name}={value!r}: {type(error).__name__}: {error}") from error
            for key, each in checks.items():
                try:
                    with works(f"'{key}' does not run"):
                        each(other, *about)
                except AssertionError as error:
                    if error.__cause__ is not None and refuses(error.__cause__):
                        break
                    raise AssertionError(f"with {name}={value!r}: {str(error).strip()}") from error

    return check
