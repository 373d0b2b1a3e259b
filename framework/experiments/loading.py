"""Restores a recorded run: its settings, and its network with the final weights."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.config.parser import parse_config
from framework.config.schema import Settings
from framework.core.errors import ConfigError
from framework.core.log import log
from framework.core.reading import parse_yaml, read_text
from framework.core.secrets import HIDDEN, masked, restored
from framework.core.validation import Validator
from framework.experiments.builder import assemble
from framework.experiments.provenance import registry_of
from framework.inference.model import Model, read_about, read_weights
from framework.registry.discovery import discover, scope
from framework.registry.registry import Registry
from framework.tracking.options import Tracking
from framework.tracking.run_dir import check_name, find_run, read_state, runs_dir, tree_of_run

TRUST = "run the single files that the run names, even if you have not run them here before"


def tracking_of_run(folder: Path) -> Tracking:
    """The tracking options of a run; no code is loaded.

    Raises:
        ConfigError: `config.yaml` is missing or no longer valid, or a variable of the environment is missing.
    """
    recorded = _tracking(folder)
    text = json.dumps(recorded, default=str)
    if "${" in text or HIDDEN in text:
        resolved = restored({"tracking": recorded}, f"{folder}/config.yaml", hint=store_address(folder))
        text = json.dumps(resolved["tracking"], default=str)
    return _validated_tracking(text)


@functools.lru_cache(64)
def _validated_tracking(text: str) -> Tracking:
    validator = Validator(Registry(), {})
    tracking: Tracking = validator.value(Tracking, json.loads(text), "tracking")
    if validator.errors:
        raise ConfigError("\n".join(validator.errors))
    return tracking


def _tracking(folder: Path) -> Any:
    """The key `tracking` of a run's configuration."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = TRACKING.findall(read_text(folder / "config.yaml"))
        if len(found) == 1:
            return _parsed_tracking(found[0])
    return tree_of_run(folder).get("tracking") or {}


# The same few lines in many runs; parsing a whole configuration takes a hundred times as long.
TRACKING = re.compile(r"^tracking:.*\n(?:[ #].*\n)*", re.MULTILINE)


@functools.lru_cache(64)
def _parsed_tracking(text: str) -> Any:
    return parse_yaml(text, "config.yaml")["tracking"] or {}


def settings_of_run(folder: Path, trust: bool = False) -> Settings:
    """The settings of a recorded run.

    Args:
        trust: run the single files it names even if this user has not run them here before.

    Raises:
        ConfigError: `config.yaml` is missing or no longer valid, or a file it names is not trusted.
    """
    written = tree_of_run(folder)
    tree = restored(written, f"{folder}/config.yaml", hint=store_address(folder))
    with scope(registry_of(folder, tree, trust)):
        return replace(parse_config(tree, discover()), written={} if tree == written else written)


def load(run: str | Path, trust: bool = False) -> Model:
    """The trained network of a run.

    Args:
        run: the run's folder, its name under `runs/`, the id of its MLflow run, `last` or `best`; or a folder with a
            model in it.
        trust: run the single files it names even if this user has not run them here before.

    Raises:
        ConfigError: unknown run, or one without a model (it did not finish).
    """
    check_name(run)
    folder = Path(run) if (Path(run) / "model.npz").is_file() else find_run(str(run), runs_dir())
    if (state := read_state(folder)).get("status") == "killed" and "kept" in state:
        log.error(f"{folder}: the run was {state.get('reason')}")
    tree = tree_of_run(folder)
    tree = restored({key: tree[key] for key in tree if key != "tracking"}, f"{folder}/config.yaml")  # a model needs no store
    with scope(registry_of(folder, tree, trust)):
        return _model(folder, parse_config(tree, discover()))


def store_address(folder: Path) -> str:
    """The recorded address of the run's store, without its password."""
    return masked(str(read_state(folder).get("store") or ""))


def _without_files(settings: Settings) -> Settings:
    """The settings without files of initial values: a trained network has its own."""
    nodes = {
        name: replace(node, layer=replace(node.layer, vectors=None)) if getattr(node.layer, "vectors", None) else node  # type: ignore[type-var]
        for name, node in settings.nodes.items()
    }
    return replace(settings, nodes=nodes)


def _model(folder: Path, settings: Settings) -> Model:
    if settings.study is not None:
        raise ConfigError(f"{folder}: a study saves no network; its results are in its folder")
    try:
        about, scale = read_about(folder)
        learner = assemble(_without_files(settings), about)
        arena = learner.network.arena(learner.network.init(settings.seed)[0])
        return Model.of(learner, read_weights(folder, arena), about, scale)
    except FileNotFoundError as error:
        raise ConfigError(f"{folder}: the run has no model; it did not finish") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{folder}: its model cannot be read ({type(error).__name__}: {error})") from error
