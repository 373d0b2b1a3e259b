"""A recorded run comes back: its settings, and its network with the weights it ended with."""

from __future__ import annotations

from pathlib import Path

import yaml

from framework.config import ConfigError, Settings, judge
from framework.discovery import discover


def settings_of_run(folder: Path) -> Settings:
    """The settings a run was made with.

    Raises:
        ConfigError: `config.yaml` is missing or no longer valid.
    """
    try:
        tree = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{folder}/config.yaml: it cannot be read ({type(error).__name__})") from error
    return judge(tree, discover())
