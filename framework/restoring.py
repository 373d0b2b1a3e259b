"""A recorded run comes back: its settings, and its network with the weights it ended with."""

from __future__ import annotations

import zipfile
from pathlib import Path

import yaml

from framework.assembling import assemble
from framework.config import ConfigError, Settings, judge
from framework.discovery import discover, load_files
from framework.model import Model, read_about, read_weights
from framework.registry import RegistrationError
from framework.runs import find_run, runs_dir


def settings_of_run(folder: Path) -> Settings:
    """The settings a run was made with.

    Raises:
        ConfigError: `config.yaml` is missing or no longer valid.
    """
    try:
        tree = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{folder}/config.yaml: it cannot be read ({type(error).__name__})") from error
    try:
        load_files(tree.get("plugins") or [])
    except RegistrationError as error:
        raise ConfigError(f"{folder}: {error}") from error
    return judge(tree, discover())


def load(run: str | Path) -> Model:
    """The trained network of a run.

    Args:
        run: the run's folder, its name under `runs/`, the id of its MLflow run, `last` or `best`; or a folder with a
            model in it.

    Raises:
        ConfigError: there is no such run, or it has no model (it did not reach its end).
    """
    folder = Path(run) if (Path(run) / "model.npz").is_file() else find_run(str(run), runs_dir())
    settings = settings_of_run(folder)
    if settings.study is not None:
        raise ConfigError(f"{folder}: it is a study, which leaves no network; what it found stands in its folder")
    try:
        about, scale = read_about(folder)
        learner = assemble(settings, about)
        arena = learner.network.arena(learner.network.init(settings.seed)[0])
        return Model(learner, read_weights(folder, arena), about, scale)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder}: the run has no model; it did not come to its end") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{folder}: its model cannot be read ({type(error).__name__}: {error})") from error
