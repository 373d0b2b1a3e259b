"""Reads a style file, in matplotlib's format (`.mplstyle`): a line `key: value` for each of its settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError, did_you_mean
from framework.core.reading import UnreadableError, read_text

COMMENT = re.compile(r'^((?:[^"#]|"[^"]*")*)#.*$')
# Settings of a program and not of a figure; TeX would run code from the file, and write files.
BARRED = (
    *("animation.", "backend", "docstring.", "figure.hooks", "figure.max", "figure.raise", "interactive", "keymap."),
    *("macosx.", "pgf.", "ps.", "savefig.directory", "savefig.format", "text.latex", "text.usetex", "timezone", "tk."),
    *("toolbar", "webagg."),
)


def read_style(name: str) -> dict[str, Any]:
    """Setting -> its value, as matplotlib reads it.

    Raises:
        ConfigError: the file cannot be read, or a line is no setting; the message names it.
    """
    import matplotlib

    path = Path(name).expanduser()
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise ConfigError(f"figure.style: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"figure.style: {name!r} cannot be read ({error.strerror}); a style file of matplotlib is needed"
        ) from error
    found: Any = matplotlib.RcParams()
    for number, line in enumerate(text.splitlines(), 1):
        setting = COMMENT.sub(r"\1", line).strip()
        if setting:
            _set(found, setting, f"figure.style: {name}, line {number}")
    return dict(found)


def _set(found: Any, setting: str, where: str) -> None:
    """Add the setting of a line."""
    import matplotlib

    key, sign, value = (part.strip() for part in setting.partition(":"))
    if not sign:
        raise ConfigError(f"{where}: {setting!r} is not a setting; write key: value")
    if key not in matplotlib.rcParams:
        close = did_you_mean(key, matplotlib.rcParams).partition(" (there are")[0]
        raise ConfigError(f"{where}: matplotlib has no setting '{key}'{close}")
    if key.startswith(BARRED):
        raise ConfigError(f"{where}: {key} is not allowed; a style file sets colours, fonts, lines and sizes")
    try:
        found[key] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
