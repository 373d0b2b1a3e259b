"""`stackprop describe NAME`: what a component, group, preset, experiment, figure or key is, its options and defaults."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from framework.cli.meanings import meanings
from framework.config.about import About
from framework.config.keys import COLUMNS as COLUMNS
from framework.config.keys import options_of as options_of

EXAMPLES = (
    "stackprop describe adam",
    "stackprop describe optimizer",
    "stackprop describe model/lstm",
    "stackprop describe vanishing_gradient",
    "stackprop describe trainer.epochs",
    "stackprop describe hydra/sweeper=optuna",
)


def main(arguments: Sequence[str]) -> int:
    """Print every meaning of a name."""
    parser = argparse.ArgumentParser("stackprop describe", description=__doc__)
    parser.add_argument(
        "name",
        help="adam, optimizer, model/lstm, vanishing_gradient, trainer.epochs, seed, hydra/sweeper=optuna, figure/loss",
    )
    found = meanings(parser.parse_args(arguments).name)
    for number, about in enumerate(found):
        print("\n" if number else "", end="")
        show(about)
    return 0


def show(about: About) -> None:
    """Print one meaning."""
    from rich.console import Console
    from rich.table import Table

    console = Console() if sys.stdout.isatty() else Console(width=140)
    print("\n\n".join(part for part in (about.title, about.text) if part))
    if about.rows:
        table = Table(*about.columns, box=None, pad_edge=False, show_header=any(about.columns))
        for row in about.rows:
            table.add_row(*row)
        console.print()
        console.print(table, markup=False)
    if about.tail:
        print(f"\n{about.tail}")
