"""`option`: the declaration of a field of a component."""

from __future__ import annotations

import functools
import typing
from dataclasses import MISSING, field, fields
from typing import Any


def option(
    default: Any = MISSING,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    stackable: bool = False,
    group: str | None = None,
    help: str = "",
) -> Any:
    """A dataclass field that declares which values it allows.

    Args:
        default: the value if none is given; without it the option is mandatory. A function is called to create the default.
        above, least, below, most: bounds; the first and third exclude the bound itself.
        stackable: replicas of one stack may differ in it. Code then reads it only as `ctx.per(self.<name>, x)`.
        group: the configuration group (`initializer`, `activation`) that gives the value if none is set.
        help: one line for the user.
    """
    rules = {"above": above, "least": least, "below": below, "most": most}
    metadata = {
        "rules": {k: v for k, v in rules.items() if v is not None},
        "stackable": stackable,
        "group": group,
        "help": help,
    }
    if default is MISSING:
        return field(metadata=metadata)
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@functools.cache
def declared(component: type) -> dict[str, tuple[Any, Any]]:
    """option -> (type, dataclass field)."""
    hints = typing.get_type_hints(component)
    return {f.name: (hints[f.name], f) for f in fields(component) if f.init}
