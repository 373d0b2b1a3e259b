"""`stackprop describe NAME`: what a component says about itself."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any, get_args, get_origin

from framework.judging import PROTOCOLS, declared
from framework.verbs.naming import find

SIGNS = {"above": ">", "least": ">=", "below": "<", "most": "<="}


def main(arguments: Sequence[str]) -> int:
    """Print docstring and options."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser("stackprop describe", description=__doc__)
    parser.add_argument("name", help="a component: adam, or optimizer/adam")
    kind, name, component = find(parser.parse_args(arguments).name)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    print(f"{kind} '{name}'\n\n{inspect.getdoc(component) or ''}")
    options = Table("option", "type", "default", "range", "per replica", "", box=None, pad_edge=False)
    for option, (hint, f) in declared(component).items():
        rules = " ".join(f"{SIGNS[rule]} {bound}" for rule, bound in f.metadata.get("rules", {}).items())
        stackable = "yes" if f.metadata.get("stackable") else ""
        options.add_row(option, in_words(hint), default(f), rules, stackable, f.metadata.get("help", ""))
    if options.rows:
        console.print()
        console.print(options, markup=False)
    return 0


def in_words(hint: Any) -> str:
    """A type as a person says it."""
    if hint in PROTOCOLS:
        return PROTOCOLS[hint]
    names = {int: "whole number", float: "number", bool: "true or false", str: "word", type(None): "null"}
    if hint in names:
        return names[hint]
    arguments = [a for a in get_args(hint) if a is not Any]
    if get_origin(hint) is tuple and arguments[-1] is Ellipsis:
        return f"list of {in_words(arguments[0])}s"
    if get_origin(hint) is not None and not isinstance(hint, type) and all(isinstance(a, str | int) for a in arguments):
        return ", ".join(map(str, arguments))
    return " or ".join(map(in_words, arguments)) if arguments else getattr(hint, "__name__", str(hint))


def default(f: Any) -> str:
    """An option's default as it would be written."""
    if f.metadata.get("group"):
        return f"the group {f.metadata['group']}"
    if f.default is MISSING:
        return "" if f.default_factory is MISSING else str(f.default_factory())
    return "null" if f.default is None else str(f.default).lower() if isinstance(f.default, bool) else str(f.default)
