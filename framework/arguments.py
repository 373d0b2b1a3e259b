"""The flags of the command: Hydra's own, checked before Hydra sees them, wherever among the overrides they stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

from hydra import __version__ as hydra_version
from hydra._internal.utils import get_args_parser

from framework import __version__
from framework.config import ConfigError

SHOWING = ("-c", "-i", "--hydra-help")  # flags of `ordered` that show something and run nothing
MODES = ("run", "multirun", "shell_completion")


def ordered(words: Sequence[str]) -> list[str]:
    """The flags first, each in its shortest form, then the overrides: Hydra wants these side by side.

    Raises:
        ConfigError: a flag is unknown, refused, or does not go with another.
        SystemExit: with 0, after `--version`.
    """
    parser = get_args_parser()
    vars(parser)["error"] = _refuse
    for action in parser._actions:
        if action.dest == "version":
            vars(action)["version"] = f"stackprop {__version__} (Hydra {hydra_version})"
    given = parser.parse_intermixed_args(list(words))
    _refuse_pairs(given)
    if given.config_path and "://" not in given.config_path:
        given.config_path = os.path.abspath(given.config_path)  # Hydra: relative to the file of `main`
    flags: list[str] = []
    for action in parser._actions:
        value = getattr(given, action.dest, None)
        if action.option_strings and value:
            flags += [min(action.option_strings, key=len), *([] if value is True else [str(value)])]
    return [*flags, *given.overrides]


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message}; `stackprop --help` and `stackprop --hydra-help` say what there is")


def _refuse_pairs(given: Any) -> None:
    if given.experimental_rerun is not None:
        raise ConfigError(
            f"--experimental-rerun: refused ({given.experimental_rerun}); a pickle can run anything when it is read. "
            "`stackprop resume RUN` continues a run, and its .hydra/overrides.yaml says how it was started"
        )
    doing = [*(name for name in MODES if getattr(given, name)), *(name for name in ("cfg", "info") if getattr(given, name))]
    if len(doing) > 1:
        flags = " and ".join({"multirun": "-m", "shell_completion": "-sc"}.get(name, f"--{name}") for name in doing)
        raise ConfigError(f"{flags} do not go together; --cfg and --info show one configuration, with one value a key")
    if given.resolve and not given.cfg:
        raise ConfigError("--resolve goes with --cfg: stackprop --cfg job --resolve")
