"""Validates components that were built in Python against the same declarations as those of a configuration."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from framework.core.errors import ConfigError
from framework.core.options import declared
from framework.core.validation import INVALID, Validator, missing_methods

if TYPE_CHECKING:
    pass

NO_COMPONENT: Any = None  # no registry is needed: every component exists already


class Inspector(Validator):
    """Validates existing components instead of names; all errors are collected."""

    def component(self, kind: str, value: Any, path: str) -> Any:
        """The component, if it has its kind's methods and its options are what its fields declare."""
        missing = missing_methods(kind, value)
        if missing:
            self.add_error(path, f"{type(value).__name__} has no method '{missing[0]}', which every {kind} needs")
        self.options(value, path)
        return value

    def options(self, value: Any, path: str) -> None:
        """Validate the options of a dataclass; nothing is declared for other values. Defaults and arrays of a stack are
        accepted unchanged."""
        if not is_dataclass(value):
            return
        cls: Any = type(value)
        try:
            spec = declared(cls)
        except NameError:  # its types are imported for a type checker only
            spec = {f.name: (Any, f) for f in fields(value) if f.init}
        for key, (hint, f) in spec.items():
            given, here = getattr(value, key), f"{path}.{key}"
            if isinstance(given, np.generic):
                given = given.item()
            skipped = hasattr(given, "ndim") or (f.default is not MISSING and given is f.default)
            if not skipped and self.value(hint, given, here) is not INVALID:
                self._within(f, given, here)

    def value(self, hint: Any, value: Any, path: str) -> Any:
        """A validated value of the declared type, possibly a component or a group of options."""
        if is_dataclass(value) and is_dataclass(hint):
            self.options(value, path)
            return value
        return super().value(hint, list(value) if isinstance(value, tuple) else value, path)

    def done(self) -> None:
        """Report the errors that were collected.

        Raises:
            ConfigError: with a line for every error.
        """
        if self.errors:
            raise ConfigError("\n".join(self.errors))


def check_components(kind: str, named: dict[str, Any]) -> None:
    """Validate components of one kind.

    Args:
        named: path -> component.

    Raises:
        ConfigError: a component lacks a method of its kind, or an option is not what its field declares.
    """
    inspector = Inspector(NO_COMPONENT, {})
    for path, component in named.items():
        inspector.component(kind, component, path)
    inspector.done()
