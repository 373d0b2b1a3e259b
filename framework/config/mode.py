"""Whether a command is a run or a sweep. Hydra composes the whole configuration to find out, which takes 0.2 s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.hydra import Hydra

from framework.tracking.naming import key_of

OF_HYDRA = Hydra.get_mode
SETTING = ("experiment", "debug", "hydra")  # what may set `hydra.mode`: presets that sweep by themselves, and its own key


def mode_of(hydra: Hydra, config_name: str | None, overrides: Sequence[str]) -> Any:
    """The mode that the configuration sets; None where it leaves that to `-m`."""
    keys = (key_of(word.lstrip("+~")).partition("@")[0].replace("/", ".").partition(".")[0] for word in overrides)
    if config_name == "config" and not any(key in SETTING for key in keys):
        return None
    return OF_HYDRA(hydra, config_name, list(overrides))
