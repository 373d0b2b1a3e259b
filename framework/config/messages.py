"""Errors of Hydra, OmegaConf and stackprop as error messages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from framework.config.arguments import CALL, quoting
from framework.config.own_experiments import GROUP
from framework.config.presets import KINDS_OF, choices
from framework.config.suggestions import elsewhere, longer, of_hydra
from framework.core.errors import ConfigError, did_you_mean
from framework.registry.discovery import discover

DECIMAL = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.I)


def format_error(error: BaseException) -> str:
    """The error message, with the closest valid choice."""
    if isinstance(error, ConfigError):
        return str(error)
    if "does not support sweep type" in str(error):
        return "an interval or a tagged value needs a search; set hydra/sweeper=ant_colony or optuna"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).removesuffix(".yaml").rpartition("/")
        if group.split("/")[0] == GROUP and (fault := _no_file(str(error.missing_cfg_file).partition("/")[2])):
            return fault
        options = error.options or choices().get(group)  # Hydra lists none for a list of choices: probes=[dead,sad]
        if options is not None:
            reasons = discover().reasons(KINDS_OF.get(group, group), name)
            hint = elsewhere(name, group) or did_you_mean(name, options)
            return "\n".join([f"{group}: unknown choice '{name}'{hint}", *reasons])
    if several := re.search(r"Ambiguous value for argument '(.+?)'", str(error)):
        key, _, value = several[1].partition("=")
        point = f"; a number has a decimal point: {key}={value.replace(',', '.')}" if DECIMAL.fullmatch(value) else ""
        return f"{several[1]}: several values are a sweep, which needs -m{point}; a list has brackets: {key}=[{value}]"
    interval = re.search(r"override '(.+?)=.*' .*while evaluating '(interval\(.*?\))'", " ".join(str(error).split()))
    if interval:
        return f"{interval[1]}: {interval[2]} is not an interval; give its two ends: interval(1e-4,1)"
    if isinstance(error, OverrideParseException) and "while evaluating" not in str(error):
        key, _, value = error.override.partition("=")
        if key.endswith(".yaml") and not value:
            return f"{key}: a file needs its key; write {GROUP}={key}"
        if "=" not in error.override:
            return f"{error.override}: an override is key=value{elsewhere(error.override)}"
        if CALL.match(value):
            return f"{key}: {value} cannot be parsed; allowed: range(4), interval(0.1,1), choice(a,b), tag(log,range(1,9))"
        typed = quoting(error.override)
        how = f"; write {typed}" if typed else "; write key=value"
        return f"{error.override}: cannot be parsed; letters beyond a-z, brackets, =, %, # and spaces need quotes{how}"
    cause = error.__cause__ or error
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        parent = cause.parent_node
        if "." not in cause.full_key and (hint := longer(cause.full_key)):
            return f"{cause.full_key}: unknown key{hint}"
        names = [str(k) for k in parent if k not in ("hydra", cause.key)] if hasattr(parent, "__iter__") else []
        return f"{cause.full_key}: {_what(cause)}{did_you_mean(str(cause.key), names)}"
    return " ".join(str(error).split())


def _what(error: OmegaConfBaseException) -> str:
    """What OmegaConf found wrong with a key."""
    text, key = str(error.msg).splitlines()[0], str(error.full_key)
    if re.match(r"Key '.*' (is not in struct|not in '\w+')", text):
        return f"unknown key{of_hydra(key)}"
    if found := re.match(r"Cannot merge DictConfig with (\w+)", text):
        kind = {"ListConfig": "a list"}.get(found[1], "a value")
        return f"this is a group of keys (got {kind}); write {key}.KEY=VALUE"
    return text


def _no_file(name: str) -> str:
    """The error for `experiment=PATH` where the path is not a file; empty for a plain name."""
    if name.endswith(".yaml"):
        return f"{GROUP}: {name}: this file does not exist"
    within = Path(name) / "config.yaml"
    return f"{GROUP}: {name} is a folder; write {GROUP}={within}" if within.is_file() else ""


@contextlib.contextmanager
def reworded() -> Iterator[None]:
    """Convert every error of Hydra or OmegaConf in this block to a ConfigError with a readable message."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(format_error(error)) from None
