"""Builds components from a plain tree: every value is validated against the declarations of the component's fields.

All errors of a tree are collected; each names the full key, the value, what is allowed, and the closest valid name.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import types
from collections.abc import Mapping
from dataclasses import MISSING, is_dataclass
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from framework.core import protocols as components
from framework.core.blame import described
from framework.core.errors import did_you_mean
from framework.core.options import declared

# A field with one of these types holds a component of that kind.
PROTOCOLS: dict[Any, str] = {
    components.Activation: "activation",
    components.Cell: "cell",
    components.Initializer: "initializer",
    components.Loss: "loss",
    components.Optimizer: "optimizer",
    components.Regularizer: "regularizer",
    components.Schedule: "schedule",
    components.Metric: "metric",
    components.Study: "study",
}
RULES = {"above": (operator.gt, "above"), "least": (operator.ge, "at least")}
RULES |= {"below": (operator.lt, "below"), "most": (operator.le, "at most")}
INVALID = object()  # replaces a rejected value; the message is in `errors`


@functools.cache
def _methods(kind: str) -> tuple[str, ...]:
    """The methods that the protocol of a kind requires."""
    protocol = vars(getattr(components, kind.capitalize()))
    return tuple(n for n, f in protocol.items() if callable(f) and (n == "__call__" or not n.startswith("_")))


def missing_methods(kind: str, component: Any) -> list[str]:
    """The methods of its protocol that a component, or a component class, lacks."""
    cls = component if isinstance(component, type) else type(component)
    own = {name for base in cls.__mro__ for name in vars(base)}  # getattr would also find members of the metaclass
    return [n for n in _methods(kind) if n not in own and (n == "__call__" or not callable(getattr(component, n, None)))]


def signature_errors(kind: str, component: Any) -> list[str]:
    """The methods of its protocol that a component lacks or that do not take the arguments they are called with, a line for
    each."""
    name = type(component).__name__
    calls = {n: _arguments(kind, n) for n in _methods(kind)}
    missing = [f"{name} has no method '{n}', which every {kind} needs: {n}({', '.join(calls[n])})"
               for n in missing_methods(kind, component)]  # fmt: skip
    if missing:
        return missing
    optional = {"metric": "ctx", "dataset": "fold", "schedule": "state", "augmentation": "fields"}.get(kind)
    found = []
    for n, arguments in calls.items():
        try:
            given = inspect.signature(getattr(component, n))
        except (TypeError, ValueError):  # of a builtin
            continue
        if not (_takes(given, arguments) or (optional and _takes(given, (*arguments, optional)))):
            found.append(f"{n} is called as {n}({', '.join(arguments)}), but {name} takes {given}")
    return found


def _arguments(kind: str, method: str) -> tuple[str, ...]:
    """The arguments of a method of a protocol."""
    return tuple(inspect.signature(vars(getattr(components, kind.capitalize()))[method]).parameters)[1:]


def _takes(signature: inspect.Signature, arguments: tuple[str, ...]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


class Names(Protocol):
    """Maps names to components."""

    def names(self, kind: str) -> list[str]: ...
    def get(self, kind: str, name: str) -> Any: ...
    def reasons(self, kind: str, name: str) -> list[str]: ...


class Validator:
    """Builds and validates components; collects all errors.

    Args:
        registry: maps names to components.
        groups: the top-level choices that components inherit where a configuration sets nothing.
    """

    def __init__(self, registry: Names, groups: Mapping[str, Any]) -> None:
        self.registry, self.groups = registry, groups
        self.errors: dict[str, None] = {}  # in order, each once

    def add_error(self, path: str, text: str) -> Any:
        """Record an error."""
        self.errors[f"{path}: {text}"] = None
        return INVALID

    def component(self, kind: str, value: Any, path: str) -> Any:
        """A component from its name, or from a mapping with `type` and options."""
        if isinstance(value, str):
            value = {"type": value}
        names = self.registry.names(kind)
        if not isinstance(value, Mapping):
            return self.add_error(
                path, f"{value!r} is not a valid {kind}; give its name, or a mapping with 'type'{did_you_mean('', names)}"
            )
        name = value.get("type")
        if name is None:
            return self.add_error(f"{path}.type", f"missing: which {kind}?{did_you_mean('', names)}")
        if name not in names:
            self.add_error(f"{path}.type", f"unknown {kind} '{name}'{did_you_mean(str(name), names)}")
            self.errors |= dict.fromkeys(self.registry.reasons(kind, str(name)))
            return INVALID
        options, cls = {key: v for key, v in value.items() if key != "type"}, self.registry.get(kind, name)
        missing = missing_methods(kind, cls)
        if missing:
            return self.add_error(f"{path}.type", f"{cls.__name__} has no method '{missing[0]}', which every {kind} needs")
        made = self.fill(cls, options, path, f"{kind} '{name}'")
        wrong = [] if made is INVALID else signature_errors(kind, made)
        return self.add_error(f"{path}.type", wrong[0]) if wrong else made

    def fill(self, cls: Any, given: Mapping[str, Any], path: str, who: str) -> Any:
        """A dataclass from its options."""
        spec = declared(cls)
        for key in given:
            if key not in spec:
                self.add_error(f"{path}.{key}", f"{who} has no such option{did_you_mean(key, spec)}")
        values = {key: self._field(key, hint, f, given, path, who) for key, (hint, f) in spec.items()}
        if any(value is INVALID for value in values.values()):
            return INVALID
        try:
            return cls(**{key: value for key, value in values.items() if value is not MISSING})
        except ValueError as error:  # options that contradict each other
            return self.add_error(path, str(error))
        except Exception as error:  # __post_init__ is the code of a component
            return self.add_error(path, f"{who.removeprefix(f'{path} ')} raises {described(error)}")

    def _field(self, key: str, hint: Any, f: Any, given: Mapping[str, Any], path: str, who: str) -> Any:
        """The value of one option; MISSING selects the dataclass's default."""
        group, here = f.metadata.get("group"), f"{path}.{key}"
        if key in given:
            value = self.value(hint, given[key], here)
            return value if value is INVALID or self._within(f, value, here) else INVALID
        if group and self._chosen(group):
            return self.value(hint, self.groups[group], group)
        if f.default is MISSING and f.default_factory is MISSING:
            return self.add_error(here, f"missing; {who} needs it ({f.metadata.get('help', '')})")
        return MISSING

    def option(self, cls: Any, key: str, value: Any, path: str) -> Any:
        """The value of a stackable option of a class, a number."""
        spec = {name: each for name, each in declared(cls).items() if each[1].metadata.get("stackable")}
        if key not in spec:
            return self.add_error(path, f"not an option that may differ{did_you_mean(key, spec)}")
        found = self.value(float, value, path)
        return found if found is INVALID or self._within(spec[key][1], found, path) else INVALID

    def _chosen(self, group: str) -> bool:
        choice = self.groups.get(group)
        name = choice.get("type") if isinstance(choice, Mapping) else choice
        return bool(choice) and name != "auto"

    def _within(self, f: Any, value: Any, path: str) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        broken = [(rule, bound) for rule, bound in f.metadata.get("rules", {}).items() if not RULES[rule][0](value, bound)]
        for rule, bound in broken:
            self.add_error(path, f"{value!r} must be {RULES[rule][1]} {bound}")
        return not broken

    def value(self, hint: Any, value: Any, path: str) -> Any:
        """A value of the declared type."""
        if hint in PROTOCOLS:
            return self.component(PROTOCOLS[hint], value, path)
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            return self._one_of(hint, value, path)
        if origin is Literal:
            allowed = get_args(hint)
            matches = [a for a in allowed if a == value and type(a) is type(value)]
            return (
                matches[0]
                if matches
                else self.add_error(path, f"{value!r} is not allowed{did_you_mean(str(value), allowed)}")
            )
        if origin in (list, tuple):
            if not isinstance(value, list):
                hint = f"; write {path}=[{value}]" if isinstance(value, str) else ""
                return self.add_error(path, f"{value!r} is not a list{hint}")
            kinds = get_args(hint)
            if origin is list or Ellipsis in kinds:
                kinds = kinds[:1] * len(value)
            if len(kinds) != len(value):
                return self.add_error(path, f"{value!r} has {len(value)} values; {len(kinds)} are needed")
            items = [self.value(kinds[i], item, f"{path}[{i}]") for i, item in enumerate(value)]
            return INVALID if any(item is INVALID for item in items) else origin(items)
        if origin is Mapping:
            if not isinstance(value, Mapping):
                return self.add_error(path, f"{value!r} is not a mapping")
            pairs = {str(key): self.value(get_args(hint)[1], item, f"{path}.{key}") for key, item in value.items()}
            return INVALID if any(item is INVALID for item in pairs.values()) else pairs
        if is_dataclass(hint):
            if not isinstance(value, Mapping):
                return self.add_error(path, f"{value!r} is not a mapping of options{did_you_mean('', declared(hint))}")  # type: ignore[arg-type]
            return self.fill(hint, value, path, path)
        return self._plain(hint, value, path)

    def _one_of(self, hint: Any, value: Any, path: str) -> Any:
        options = [o for o in get_args(hint) if o is not Any]  # Any allows the arrays of a stack
        if value is None and type(None) in options:
            return None
        options = [o for o in options if o is not type(None)]
        if isinstance(value, float) and float in options:
            options = [o for o in options if o is not int]
        if len(options) == 1:
            return self.value(options[0], value, path)
        for option in options:
            trial = type(self)(self.registry, self.groups)
            got = trial.value(option, value, path)
            if not trial.errors:
                return got
        return self.add_error(path, f"{value!r} is not {' or '.join(map(_type_name, options))}")

    def _plain(self, hint: Any, value: Any, path: str) -> Any:
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if hint is int and isinstance(value, float) and value.is_integer():
            return int(value)  # 1e3
        if isinstance(value, float) and not math.isfinite(value):
            return self.add_error(path, f"{value!r} is not a finite number")
        if hint is Any or (isinstance(value, hint) and (hint is bool or not isinstance(value, bool))):
            return value
        return self.add_error(path, f"{value!r} is not {_type_name(hint)}")


def _type_name(hint: Any) -> str:
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
    if get_origin(hint) is Literal:
        return " or ".join(repr(a) for a in get_args(hint))
    return words.get(hint, getattr(hint, "__name__", str(hint)))
