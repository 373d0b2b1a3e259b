"""Checks that overrides set what is used: a misspelt variable of a model would change nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from framework.config.allowed import calls, leaves
from framework.config.own_experiments import GROUP
from framework.config.schema import COMPONENT_GROUPS
from framework.core.errors import ConfigError, did_you_mean


def check_one(group: str, names: Sequence[Any]) -> None:
    """Check that a group of one choice is not given several: Hydra would mix their options.

    Raises:
        ConfigError: it is.
    """
    if group in (*COMPONENT_GROUPS, "model") and len(names) > 1 and all(isinstance(name, str) for name in names):
        every = ",".join(names)
        raise ConfigError(f"{group}: one choice, not several (got [{every}]); a sweep over them: -m {group}={every}")


def check_overrides(task: Any, variables: Collection[str], overrides: Sequence[str]) -> None:
    """Check that overrides set what is used.

    Args:
        variables: of the model that some preset uses.
        overrides: of the command.

    Raises:
        ConfigError: the configuration would call a Python object by name, or sets what nothing uses.
    """
    tree = OmegaConf.to_container(task, resolve=False)
    errors = [*calls(tree), *_unused(tree, variables, overrides)]
    if errors:
        raise ConfigError("\n".join(errors))


def used_variables(tree: Any) -> set[str]:
    """The variables of the model to which a configuration refers: `${model.hidden}`."""
    words = [value for _, _, value in leaves(tree) if isinstance(value, str)]
    return {name for word in words for name in re.findall(r"\$\{model\.(\w+)\}", word)}


def _unused(tree: Any, variables: Collection[str], overrides: Sequence[str]) -> list[str]:
    """The errors for variables of the model that no layer refers to: a misspelt one would change nothing, nor would one in
    the command whose reference an override has replaced."""
    names = [name for name in tree.get("model") or {} if name not in ("layers", "init_from")]
    used, typed = used_variables(tree), {word.lstrip("+").partition("=")[0] for word in overrides}
    near = [name for name in names if name in used]
    return [
        f"model.{name}: not used by any layer"
        + (_replacement(name, overrides) if name in variables else did_you_mean(str(name), near))
        for name in names
        if name not in used and (name not in variables or f"model.{name}" in typed)
    ]


def _replacement(name: str, overrides: Sequence[str]) -> str:
    """Why a variable has no effect: its references have been replaced by an override, or by their recorded values."""
    files = [word.partition("=")[2].strip("'\"") for word in overrides if word.lstrip("+").startswith(f"{GROUP}=")]
    recorded = next((Path(file).parent for file in files if Path(file).with_name("run.json").is_file()), None)
    if recorded is None:
        return "; an override or a recorded configuration replaces it"
    typed = next(word for word in overrides if word.lstrip("+").startswith(f"model.{name}="))
    return f", which hold their recorded values; `stackprop rerun {recorded} {typed}` applies it to the model's preset"
