"""The flags of the command: Hydra's own, validated before Hydra reads them, at any position among the overrides."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from hydra import __version__ as hydra_version
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from framework.config.recorded_tree import check_not_recorded
from framework.core.errors import ConfigError
from framework.core.reading import DEEPEST
from framework.core.version import __version__
from framework.registry.installed import versions

SHOWING = ("-c", "-i", "--hydra-help")  # flags of `ordered` that show something without running
# Functions of Hydra's grammar.
CALL = re.compile(r"(range|interval|choice|glob|tag|sort|shuffle|int|float|bool|str|json_str|extend_list)\(")
TEXTS = ("name=", "notes=")  # keys whose value is a text, whatever it looks like: 007, 1e3, `try 2, wider`
NOT_TEXTS = ("null", "true", "false", "nan", "inf")  # words that are values of another type
MODES = ("run", "multirun", "shell_completion")


def ordered(words: Sequence[str]) -> list[str]:
    """The flags first, each in its shortest form, then the overrides: Hydra needs the overrides next to each other.

    Raises:
        ConfigError: a flag is unknown, not allowed, or conflicts with another.
        SystemExit: with 0, after `--version`.
    """
    parser = get_args_parser()
    parser.formatter_class = argparse.RawTextHelpFormatter  # one line for each plugin
    vars(parser)["error"] = _reject
    for action in parser._actions:
        if action.dest == "version":
            plugins = [f"{name} {version}" for name, version in versions().items()] if "--version" in words else []
            vars(action)["version"] = "\n".join([f"stackprop {__version__} (Hydra {hydra_version})", *plugins])
    given = parser.parse_intermixed_args(list(words))
    _check_pairs(given)
    if given.config_path and "://" not in given.config_path:
        given.config_path = os.path.abspath(given.config_path)  # Hydra: relative to the file of `main`
    for flag, folder in (("--config-path", given.config_path), ("--config-dir", given.config_dir)):
        if folder and "://" not in folder:
            check_not_recorded(os.path.relpath(folder), given.config_name or "config", flag)
    flags: list[str] = []
    for action in parser._actions:
        value = getattr(given, action.dest, None)
        if action.option_strings and value:
            flags += [min(action.option_strings, key=len), *([] if value is True else [str(value)])]
    return [*flags, *given.overrides]


def readable(words: Sequence[str]) -> list[str]:
    """The overrides, with quotes around a value that Hydra's grammar cannot read (`~/a.csv`, `a (1).csv`, `Länge`).

    Raises:
        ConfigError: an override is not a string.
    """
    for word in words:
        if not isinstance(word, str):
            raise ConfigError(f"an override must be a string (got {word!r}); for example 'optimizer.lr=0.1'")
        if deepest(word) > DEEPEST:
            raise ConfigError(f"{word[:40]}...: brackets are nested more than {DEEPEST} deep")
    return [_as_text(word) if word.startswith(TEXTS) else _quoted(word) for word in words]


def with_folds(words: Sequence[str]) -> list[str]:
    """`folds=5` is a sweep over `fold=range(5)`, unless a fold is given.

    Raises:
        ConfigError: several numbers of folds.
    """
    keys = {word.lstrip("+").partition("=")[0]: word.partition("=")[2] for word in words if "=" in word}
    count = keys.get("folds", "")
    if "," in count or "(" in count:
        raise ConfigError(f"folds: one number, which is not swept (got {count}); run a sweep for each")
    if not count.isdigit() or "fold" in keys:
        return list(words)
    flags = [word for word in words if word.startswith("-")]
    return [*words, f"fold=range({count})"] if {"-m", "--multirun"} & {*flags} else ["-m", *words, f"fold=range({count})"]


def assigned(words: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The options `key=value` among the words of a command, and the other words.

    Raises:
        ConfigError: a value cannot be read.
    """
    options, others = dict[str, Any](), list[str]()
    for word in words:
        key, sign, _ = word.partition("=")
        if sign and key.isidentifier():
            try:
                options[key] = OverridesParser.create().parse_override(_quoted(word)).value()
            except HydraException as error:
                raise ConfigError(f"{word}: cannot be parsed; write {key}='...'") from error
        else:
            others.append(word)
    return options, others


def deepest(word: str) -> int:
    """The largest depth of nested brackets, including those inside quotes."""
    steps = [1 if sign in "[{(" else -1 for sign in re.findall(r"[\[\](){}]", word)]
    return max(itertools.accumulate(steps, initial=0))


def _quoted(word: str) -> str:
    key, _, value = word.partition("=")
    if (
        CALL.match(value)
        or re.fullmatch(r"[\w./:@+-]*", value, re.ASCII)
        or re.search(r"['\"\[\]{},$\\]", value)
        or _is_readable(word)
    ):
        return word
    quoted = f"{key}='{value}'"
    return quoted if _is_readable(quoted) else word


def _as_text(word: str) -> str:
    """An override whose value is a text: in quotes, unless it has some, is null, or refers to another value."""
    key, _, value = word.partition("=")
    plain = re.fullmatch(r"[A-Za-z][\w.-]*", value, re.ASCII) and value.lower() not in NOT_TEXTS
    if plain or value in ("", "null") or "${" in value or (value[:1] in "'\"" and _is_readable(word)):
        return word
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # of Hydra's grammar: backslashes count before a quote only
    return f"{key}='{escaped}{chr(92) * (len(value) - len(value.rstrip(chr(92))))}'"


def quoting(word: str) -> str:
    """A readable form of an override that Hydra cannot read, with shell quotes; empty if quotes do not help."""
    key, _, value = word.partition("=")
    if CALL.match(value):
        return ""
    is_list = value.startswith("[") and value.endswith("]")
    items = [item.strip() for item in (value[1:-1] if is_list else value).split(",")]
    listed = ",".join(item if re.fullmatch(r"[\w.+-]+", item, re.ASCII) else f'"{item}"' for item in items)
    found = f"{key}=[{listed}]" if is_list else f"{key}={listed}"
    return shlex.quote(found) if _is_readable(found) and not re.search(r"[\[\]{}'\"]", "".join(items)) else ""


def _is_readable(word: str) -> bool:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def _reject(message: str) -> NoReturn:
    raise ConfigError(f"{message}; see `stackprop --help` and `stackprop --hydra-help`")


def _check_pairs(given: Any) -> None:
    if given.experimental_rerun is not None:
        raise ConfigError(
            f"--experimental-rerun: not allowed (got {given.experimental_rerun}); a pickle can run code when it is read. "
            "`stackprop resume RUN` continues a run; its .hydra/overrides.yaml holds the overrides"
        )
    doing = [*(name for name in MODES if getattr(given, name)), *(name for name in ("cfg", "info") if getattr(given, name))]
    if len(doing) > 1:
        flags = " and ".join({"multirun": "-m", "shell_completion": "-sc"}.get(name, f"--{name}") for name in doing)
        raise ConfigError(f"{flags} cannot be combined; --cfg and --info show one configuration, with one value per key")
    if given.package and not given.cfg:
        raise ConfigError("--package needs --cfg: stackprop --cfg job --package optimizer")
    if given.resolve and not given.cfg:
        raise ConfigError("--resolve needs --cfg: stackprop --cfg job --resolve")
