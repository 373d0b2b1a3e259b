"""The command `stackprop`."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point of the command."""
    from framework.cli.command_line import main as answer

    answer(argv)
