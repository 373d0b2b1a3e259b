"""Conditions on recorded runs: `status=finished`, `optimizer.lr<0.05`, `name=wide*`."""

from __future__ import annotations

import contextlib
import datetime
import fnmatch
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from framework.analysis.listing.rows import MISSING, RunRow, as_number
from framework.core.errors import ConfigError
from framework.tracking.naming import ORIGINS, about_of, format_value
from framework.tracking.run_dir import find_run, find_sweep, origin_of, runs_dir

ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
WORDS = ("true", "false", "null")
FORM = re.compile(r"([\w./-]+?)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)


def parsed(word: str) -> Filter:
    """A filter.

    Raises:
        ConfigError: the word is none.
    """
    found = FORM.fullmatch(word)
    if not found:
        raise ConfigError(f"{word}: not a filter; for example status=finished, 'optimizer.lr<0.05', 'name=wide*'")
    key, sign, text = found.groups()
    if sign in ORDER and key != "started" and as_number(text) is None:
        raise ConfigError(f"{word}: {key} is compared with a number (got '{text}')")
    if key == "started":
        return Filter(key, sign, text, _moment(word, text))
    if key == "sweep" and sign in ("=", "!=") and "*" not in text:
        return Filter(key, sign, find_sweep(text).resolve().as_posix())
    if key in ORIGINS and "*" not in text:
        with contextlib.suppress(ConfigError):  # it may be deleted
            return Filter(key, sign, origin_of(find_run(text, runs_dir())))
    return Filter(key, sign, text)


def is_filter(word: str) -> bool:
    """Whether a word of a command is a filter, not the name of a run."""
    return FORM.fullmatch(word) is not None


def _moment(word: str, text: str) -> float:
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ConfigError(f"{word}: '{text}' is not a date; for example 'started>2026-11-20'") from error


@dataclass(frozen=True)
class Filter:
    """A condition.

    Attributes:
        sign: = != < <= > >=.
        text: the value; with *, a pattern.
        moment: of a date.
    """

    key: str
    sign: str
    text: str
    moment: float = 0.0

    def holds(self, run: RunRow) -> bool:
        """Whether a run meets it; a run without a value meets only !=."""
        if self.sign in ORDER:
            value = run.started if self.key == "started" else as_number(run.value(self.key))
            return value is not None and ORDER[self.sign](value, self.moment or float(self.text))
        return self._equal(run) == (self.sign == "=")

    def _equal(self, run: RunRow) -> bool:
        if self.key == "sweep":
            names = {about_of(run.group).name, run.sweep.name} if run.sweep else set()
            return any(fnmatch.fnmatchcase(n, self.text) for n in names) or (
                run.sweep is not None and run.sweep.resolve().as_posix() == self.text
            )
        if self.key == "name":
            names = {run.name, run.about.name, about_of(run.group).name, run.folder.name} - {""}
            return any(fnmatch.fnmatchcase(name, self.text) for name in names)
        if self.key == "started":
            return datetime.datetime.fromtimestamp(run.started).isoformat().startswith(self.text)
        value = run.value(self.key)
        if value is MISSING:
            return False
        number, wanted = as_number(value), as_number(self.text)
        if number is not None and wanted is not None:
            return number == wanted
        text = format_value(value)
        if text.lower() in WORDS:  # True in a command, true in a configuration
            return fnmatch.fnmatchcase(text.lower(), self.text.lower())
        return fnmatch.fnmatchcase(text, self.text)
