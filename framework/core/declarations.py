"""What the options of a component may declare, so that every value of a configuration can be judged against it."""

from __future__ import annotations

import enum
import math
import operator
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import MISSING, is_dataclass
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from framework.core.blame import described
from framework.core.inspection import NO_COMPONENT, Inspector
from framework.core.options import declared
from framework.core.validation import PROTOCOLS, RULES

JUDGED = (bool, int, float, str, type(None), Any, object)
READABLE = (
    "int, float, bool, str, Literal[...], tuple[T, ...], list[T], Mapping[str, T], a dataclass, a component, ... | None"
)
INSTEAD: tuple[tuple[type, str], ...] = (  # the first one that fits
    (Mapping, "Mapping[str, T]"),
    (str, "str"),
    (bytes, "str"),
    (PurePath, "str, and Path(self.{name}) where it is read"),
    (np.ndarray, "tuple[float, ...], or a float with stackable=True"),
    (enum.Enum, "Literal[...] of the names"),
    (Collection, "tuple[T, ...]"),
    (Iterable, "tuple[T, ...]"),
)


def problems(component: type) -> list[str]:
    """What is wrong with the options of a dataclass, one line each: a type that no configuration can give, a default of
    another type or outside its bounds, bounds that exclude every number, `stackable` for what is no number."""
    try:
        options = declared(component)
    except NameError as error:
        return [f"the type of an option cannot be resolved at runtime: {error}; import it outside `if TYPE_CHECKING`"]
    except TypeError as error:
        return [f"the type of an option cannot be read: {error}"]
    return [text for name, (hint, f) in options.items() for text in _of_option(name, hint, f)]


def _of_option(name: str, hint: Any, f: Any) -> Iterator[str]:
    instead = unreadable(hint)
    if instead is not None:
        yield f"option '{name}': no configuration can give a {_shown(hint)}; use {instead.format(name=name)}"
        return
    rules, kinds = f.metadata.get("rules", {}), set(_alternatives(hint))
    numeric = bool(kinds & {int, float})
    if rules and not numeric:
        yield f"option '{name}': bounds ({', '.join(rules)}) apply to a number, not to a {_shown(hint)}"
    elif _empty(rules):
        yield f"option '{name}': no number lies within its bounds {rules}"
    if f.metadata.get("stackable") and not (numeric or kinds & {str} or any(get_origin(k) is Literal for k in kinds)):
        yield f"option '{name}': stackable applies to a number or a string, not to a {_shown(hint)}"
    yield from _of_default(name, hint, f)


def _of_default(name: str, hint: Any, f: Any) -> Iterator[str]:
    value = f.default
    if f.default_factory is not MISSING:
        try:
            value = f.default_factory()
        except Exception as error:
            yield f"option '{name}': its default is a function, which is called without arguments: {described(error)}"
            return
    if callable(value) and not is_dataclass(value):
        yield f"option '{name}': its default is a function, which no configuration can give; use Literal[...] of names"
        return
    if value is MISSING or is_dataclass(value) or (isinstance(value, float) and math.isinf(value)):
        return
    judge = Inspector(NO_COMPONENT, {})
    judge.value(hint, value, "default")
    if judge.errors:
        yield f"option '{name}': its default {value!r} is not a {_shown(hint)}"
    rules = f.metadata.get("rules", {}) if isinstance(value, int | float) and not isinstance(value, bool) else {}
    for rule, bound in rules.items():
        if not RULES[rule][0](value, bound):
            yield f"option '{name}': its default {value!r} lies outside its own bounds, {RULES[rule][1]} {bound}"


def unreadable(hint: Any) -> str | None:
    """What to use in place of a type that the values of a configuration cannot be judged against; None if they can."""
    if hint in PROTOCOLS or any(hint is plain for plain in JUDGED):
        return None
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return None if all(isinstance(a, str | int | float | None) for a in inner) else "Literal[...] of strings or numbers"
    if origin in (Union, types.UnionType):
        return _first(unreadable(one) for one in inner)
    if origin in (list, tuple):
        return _first(unreadable(one) for one in inner if one is not Ellipsis)
    if origin is Mapping:
        return unreadable(inner[1])
    if isinstance(hint, type) and is_dataclass(hint):
        return _first(unreadable(one) for one, _ in declared(hint).values())
    cls = origin or hint
    known = _first(text for base, text in INSTEAD if isinstance(cls, type) and issubclass(cls, base))
    if known is None and cls is Callable:
        known = "Literal[...] of names, or registered(kind, name) for a component"
    return known or f"one of {READABLE}"


def _first(found: Iterable[str | None]) -> str | None:
    return next((text for text in found if text), None)


def _alternatives(hint: Any) -> list[Any]:
    """The members of a union; the type itself otherwise."""
    inside = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [one for one in inside if isinstance(one, Hashable)]


def _empty(rules: Mapping[str, float]) -> bool:
    """Whether a lower bound lies above an upper one."""
    low = [(rules[rule], rule) for rule in ("above", "least") if rule in rules]
    high = [(rules[rule], rule) for rule in ("below", "most") if rule in rules]
    strict = {"above", "below"}
    return any(
        (operator.ge if {one, other} & strict else operator.gt)(bottom, top) for bottom, one in low for top, other in high
    )


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
