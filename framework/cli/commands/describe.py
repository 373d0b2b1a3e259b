"""`stackprop describe NAME`: formula and options of a component."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any, get_args, get_origin

from framework.cli.commands.naming import find
from framework.config.schema import INHERITED
from framework.core.options import declared
from framework.core.validation import PROTOCOLS
from framework.registry.discovery import discover

SIGNS = {"above": ">", "least": ">=", "below": "<", "most": "<="}
COLUMNS = ("option", "type", "default", "range", "per replica", "")


def main(arguments: Sequence[str]) -> int:
    """Print docstring and options."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser("stackprop describe", description=__doc__)
    parser.add_argument("name", help="a component: adam, or optimizer/adam")
    kind, name, component = find(parser.parse_args(arguments).name)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    print(f"{kind} '{name}'\n\n{inspect.getdoc(component) or ''}")
    options = Table(*COLUMNS, box=None, pad_edge=False)
    for row in options_of(component):
        options.add_row(*row)
    if options.rows:
        console.print()
        console.print(options, markup=False)
    return 0


def options_of(component: type) -> list[tuple[str, ...]]:
    """The options of a component as text: the COLUMNS of a table."""
    rows: list[tuple[str, ...]] = []
    for name, (hint, f) in declared(component).items():
        rules = ", ".join(f"{SIGNS[rule]} {bound}" for rule, bound in f.metadata.get("rules", {}).items())
        stackable = "yes" if f.metadata.get("stackable") else ""
        rows.append((name, type_name(hint), default(f), rules, stackable, f.metadata.get("help", "")))
    return rows


def type_name(hint: Any) -> str:
    """The name of a type, as users read it."""
    if hint in PROTOCOLS:
        return PROTOCOLS[hint]
    names = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}
    if hint in names:
        return names[hint]
    arguments = [a for a in get_args(hint) if a is not Any]
    if get_origin(hint) in (list, tuple):
        return f"list of {type_name(arguments[0])}s"
    if get_origin(hint) is not None and not isinstance(hint, type) and all(isinstance(a, str | int) for a in arguments):
        return ", ".join(map(str, arguments))
    return " or ".join(map(type_name, arguments)) if arguments else getattr(hint, "__name__", str(hint))


def default(f: Any) -> str:
    """The default of an option, as a user would write it."""
    if f.default is MISSING and f.default_factory is MISSING:
        return "required"
    group, value = f.metadata.get("group"), f.default_factory() if f.default is MISSING else f.default
    if group:
        name = next(name for name, entry in discover().entries[group].items() if entry.component is type(value))
        return f"the group {group}, otherwise {name}" if group in INHERITED else name
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
