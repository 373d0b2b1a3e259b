"""The page of the conformance kit: what each check proves and what it cannot see, from the docstrings of the checks."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

from docs._tools.markdown import prose
from framework import hooks
from framework.testing import TABLES, check_declaration

PLACE = Path(__file__).resolve().parent.parent / "extending" / "kit.md"
BLIND = "Cannot see:"
HEAD = """\
<!-- Made by `make docs` from the docstrings; change those. -->

# The conformance kit

The checks that `stackprop check NAME` and `conformance(kind, component, in_shape)` run: what each of them proves, and what
it cannot see. All of them run in float64, unless they are about the dtype. The built-in components pass them too.
[How to use it](plugins.md#what-the-kit-checks)
"""
TABLE = "| check | it proves | it cannot see |\n|---|---|---|\n"
PLURALS = {kind: hook.removeprefix("register_") for hook, kind in hooks.KINDS.items()}

Row = tuple[str, str, str]  # name, proves, cannot see


def page() -> str:
    """The whole page: a table for every group of kinds that share checks."""
    of_row: dict[Row, list[str]] = {}
    for kind, (always, offered) in TABLES.items():
        for name, check in {"declaration": check_declaration, **always, **offered}.items():
            of_row.setdefault((name, *read(check)), []).append(kind)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row, kinds in of_row.items():
        groups.setdefault(tuple(kinds), []).append(row)
    order = sorted(groups, key=lambda kinds: (-len(kinds), list(TABLES).index(kinds[0])))
    return HEAD + "".join(f"\n## {heading(kinds)}\n\n{TABLE}{''.join(map(line, groups[kinds]))}" for kinds in order)


def heading(kinds: Iterable[str]) -> str:
    """Layers, activations and cells."""
    *first, last = [PLURALS[kind].replace("datasets", "data sets") for kind in kinds]
    if len(first) + 1 == len(TABLES):
        return "All kinds"
    return f"{', '.join(first)} and {last}".capitalize() if first else last.capitalize()


def line(row: Row) -> str:
    """A row of the table."""
    name, proves, blind = row
    cells = (f"`{name}`", *(prose(text).replace("|", "\\|") for text in (proves, blind)))
    return f"| {' | '.join(cells)} |\n"


def read(check: object) -> tuple[str, str]:
    """What the docstring of a check says that it proves, and what it cannot see."""
    paragraphs = [" ".join(each.split()) for each in (inspect.getdoc(check) or "").split("\n\n")]
    proves = " ".join(each for each in paragraphs if not each.startswith((BLIND, "Args:", "Raises:")))
    blind = " ".join(each.removeprefix(BLIND).strip() for each in paragraphs if each.startswith(BLIND))
    return proves, blind
