"""Experiments of the user: `experiments/wide.yaml` is `experiment=wide`, and `experiment=FILE.yaml` is any file.

A file is an experiment, which changes the defaults, or the recorded `config.yaml` of a run, which replaces them all. Both
are data: the allow-list of `config/allowed.py` holds for them as for every preset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from omegaconf import ListConfig, OmegaConf, open_dict

from framework.config.experiment_files import FOLDER, experiment_files, experiments_dirs
from framework.config.presets import BoundedSource
from framework.config.recorded_tree import is_recorded
from framework.config.schema import KEYS
from framework.core.errors import ConfigError
from framework.core.reading import read_text
from framework.core.secrets import HIDDEN, URI, masked
from framework.core.trust import knows_store
from framework.registry.registry import conf_dir

GROUP = "experiment"
LOAD: ContextVar[Callable[[Any], None] | None] = ContextVar("load", default=None)
OF_HYDRA = ("hydra/launcher", "hydra/sweeper")  # groups of Hydra that an experiment may choose
DEEPEST = 8  # experiments that build on another
MARK = "recorded"  # in the header of a recorded configuration
STRANGE = "names a store to which you have not sent runs before ({}); use tracking.uri=ADDRESS, tracking=none or --trust"


@contextlib.contextmanager
def loading(load: Callable[[Any], None] | None) -> Iterator[None]:
    """What loads the plugins that an experiment names, as soon as it is read; None where a configuration is only shown."""
    token = LOAD.set(load)
    try:
        yield
    finally:
        LOAD.reset(token)


class ExperimentSource(BoundedSource):
    """`experiments://FOLDER`: the experiments of a folder, and every file that `experiment=PATH.yaml` names."""

    @staticmethod
    def scheme() -> str:
        return "experiments"

    def available(self) -> bool:
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file_of(config_path)
        if file is None:
            raise ConfigLoadError(f"unknown experiment '{config_path}'")
        found = self.load(file)
        tree: Any = found.config
        found.header["package"] = found.header.get("package") or "_global_"
        if is_recorded(tree):
            found.header[MARK] = str(file)
            return found
        if isinstance(tree.get("plugins"), ListConfig) and (load := LOAD.get()):
            load(list(tree.plugins))  # its choices may be components of these files
        if isinstance(tree.get("defaults"), ListConfig):
            tree.defaults = [_override(entry) for entry in tree.defaults]
        return found

    def file_of(self, config_path: str) -> Path | None:
        """The file of a choice: `experiment/wide`, or `experiment/any/path/wide.yaml`; None if there is none."""
        group, _, name = config_path.partition("/")
        if group != GROUP or not name:
            return None
        found = Path(name).expanduser() if name.endswith(".yaml") else Path(self.path, f"{name}.yaml")
        return found if found.is_file() else None

    def is_group(self, config_path: str) -> bool:
        within = config_path.removeprefix(f"{GROUP}/")
        return config_path in ("", GROUP) or (within != config_path and Path(self.path, within).is_dir())

    def is_config(self, config_path: str) -> bool:
        return self.file_of(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if not config_path:
            return [GROUP] if results_filter != ObjectType.CONFIG else []
        group, _, within = config_path.partition("/")
        if group != GROUP or results_filter == ObjectType.GROUP:
            return []
        names = [Path(name) for name in experiment_files(Path(self.path))]
        return sorted(name.name for name in names if name.parent == Path(within or "."))


def sources(config_dirs: Iterable[str]) -> list[str]:
    """Where experiments are looked for, as Hydra's search path: folders of this user, then those in `--config-dir`."""
    folders = [*experiments_dirs(), *(Path(folder.removeprefix("file://")) / FOLDER for folder in config_dirs)]
    return [f"{ExperimentSource.scheme()}://{folder.absolute()}" for folder in folders]


def without_chosen(tree: Any, file: str, keys: Collection[str]) -> Any:
    """A recorded configuration without the groups that the command chooses; its store is checked.

    Args:
        keys: of the command's overrides.

    Raises:
        ConfigError: it names a store to which this user has not sent runs.
    """
    kept = OmegaConf.masked_copy(tree, [key for key in tree if key not in keys])
    tracking: Any = kept.get("tracking")
    uri = tracking._get_node("uri") if OmegaConf.is_dict(tracking) else None
    uri = uri._value() if uri is not None else None
    if not isinstance(uri, str) or "${" in uri or "tracking.uri" in keys:
        return kept
    if HIDDEN not in uri and not knows_store(uri):
        raise ConfigError(f"{file}: tracking.uri {STRANGE.format(masked(uri))}")
    with open_dict(kept):
        kept.tracking.uri = f"${{oc.env:{URI}}}" if HIDDEN in uri else uri
    return kept


def _override(entry: Any) -> Any:
    """An entry of `defaults:` as Hydra needs it: `optimizer: adam` in an experiment is `override /optimizer: adam`."""
    if not OmegaConf.is_dict(entry):
        return entry
    return {_keyed(str(key)): value for key, value in entry.items()}


def _keyed(key: str) -> str:
    group = key.removeprefix("override ").strip().removeprefix("/")
    return f"override /{group}" if group in KEYS or key.startswith("override ") else key


def with_hydra_groups(words: Sequence[str]) -> list[str]:
    """The words of a command, and the launcher and the sweeper that its experiment's file chooses: Hydra would take those of
    `config.yaml`, which come first."""
    names = [word.partition("=")[2] for word in words if word.lstrip("+").startswith(f"{GROUP}=")]
    given = {word.lstrip("+").partition("=")[0] for word in words}
    found = _hydra_groups(names[-1]) if names else {}
    return [*words, *(f"{group}={choice}" for group, choice in found.items() if group not in given)]


def _hydra_groups(name: str, deep: int = 0) -> dict[str, str]:
    """The groups of Hydra that an experiment of the user, or one that it builds on, chooses."""
    is_path = name.endswith(".yaml")
    places = [Path(name).expanduser()] if is_path else [folder / f"{name}.yaml" for folder in experiments_dirs()]
    file = next((place for place in places if place.is_file()), None)
    if file is None or deep > DEEPEST or (not is_path and (conf_dir() / GROUP / f"{name}.yaml").is_file()):
        return {}
    try:
        tree = yaml.safe_load(read_text(file))
    except (OSError, ValueError, yaml.YAMLError):  # Hydra reports it
        return {}
    entries = tree.get("defaults") if isinstance(tree, dict) else None
    found: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            found |= _hydra_groups(entry, deep + 1)
        elif isinstance(entry, dict):
            groups = {str(key).removeprefix("override ").strip().removeprefix("/"): value for key, value in entry.items()}
            found |= {group: value for group, value in groups.items() if group in OF_HYDRA and isinstance(value, str)}
    return found


def install_sources() -> None:
    """Make Hydra read files and experiments with our sources."""
    registry = SourcesRegistry.instance()
    if not isinstance(registry.types, OwnSources):
        registry.types = OwnSources(registry.types)


class OwnSources(dict[str, Any]):
    """Hydra's sources by scheme, two of them replaced by ours. A copy has Hydra's: a launcher copies Hydra's state to its
    processes, where Hydra registers its own again."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        super().__init__({**types, BoundedSource.scheme(): BoundedSource, ExperimentSource.scheme(): ExperimentSource})
        self.of_hydra = dict(types)

    def __deepcopy__(self, _: Any) -> dict[str, Any]:
        return dict(self.of_hydra)
