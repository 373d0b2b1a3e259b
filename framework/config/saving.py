"""Writes an experiment from overrides: `stackprop save wide model.hidden=512` makes `experiments/wide.yaml`.

The file has what a command changes: choices of groups as `defaults:`, values by their keys, several values as a sweep. It is
composed again before it is written, and must give the configuration of the command.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from framework.config.arguments import readable, with_folds
from framework.config.composition import OPTIONAL, compose, composed, load_plugins_of, task_part, with_absolute_paths
from framework.config.experiment_files import experiments_dirs
from framework.config.own_experiments import GROUP, OF_HYDRA
from framework.config.presets import choices, shown
from framework.config.schema import Settings
from framework.core.errors import ConfigError, DataError
from framework.core.secrets import masked, withheld
from framework.core.trust import knows_store
from framework.core.writing import check_no_link, write_text
from framework.core.yaml_text import yaml_text
from framework.registry.discovery import discover
from framework.registry.names import name_error
from framework.tracking.config_hash import config_hash
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import key_of
from framework.tracking.naming import recorded_overrides as overrides_of
from framework.tracking.run_dir import find_any, read_state, read_sweep

FLAGS = ("-m", "--multirun")
CHECKED = 20  # values of a swept key that are composed before a file is written


@dataclass
class Command:
    """The overrides of a command.

    Attributes:
        fixed: the overrides with one value.
        swept: key -> the values as typed, for a sweep.
        firsts: for each swept key, overrides with one value each, which are checked.
    """

    fixed: list[str] = field(default_factory=list)
    swept: dict[str, str] = field(default_factory=dict)
    firsts: dict[str, list[str]] = field(default_factory=dict)

    def one(self, key: str = "", value: str = "") -> list[str]:
        """The overrides of one job: the first value of each swept key, except for `key`."""
        return [*self.fixed, *(value if other == key else words[0] for other, words in self.firsts.items())]


def save_experiment(
    name: str,
    overrides: Sequence[str],
    about: str = "",
    force: bool = False,
    check: Callable[[Settings], Any] = lambda settings: None,
) -> Path:
    """Write `experiments/NAME.yaml` from the overrides of a command; returns the file.

    Args:
        about: the comment in the first line; otherwise the command.
        force: replace a file of that name.
        check: a further check of the settings, of the first job for a sweep, before the file is written.

    Raises:
        ConfigError: the name is taken or not valid, or the command is wrong; nothing was written.
    """
    file = _file(name, force)
    words, variables = withheld(with_folds(readable([word for word in overrides if word not in FLAGS])))
    command = parsed([word for word in words if word not in FLAGS], {*FLAGS} & {*overrides, *words} != set())
    if variables:
        raise ConfigError("tracking.uri: it holds a password, which a file may not; set MLFLOW_TRACKING_URI")
    _fix(command, _swept_by_presets(command.fixed))
    settings = compose(command.one())
    check(settings)
    for key, each in command.firsts.items():
        for word in each[1:CHECKED]:
            compose(command.one(key, word))
    if not command.swept and not any(word.lstrip("+").startswith(f"{GROUP}=") for word in command.fixed):
        command.fixed = _needed(command.fixed)
    text = _text(about or shlex.join(["stackprop", *overrides]), tree_of(command, settings.tree))
    _check(text, command, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    check_no_link(file)
    write_text(file, text)
    return file


def recorded_overrides(word: str, changes: Sequence[str] = ()) -> list[str]:
    """The overrides of a recorded run, or of a sweep, with changes. A run whose command no longer gives its configuration is
    replaced by its `config.yaml`.

    Raises:
        ConfigError: unknown run, or its code is not trusted.
    """
    folder = find_any(word)
    is_sweep = not (folder / "run.json").exists()
    words = read_sweep(folder).get("command", []) if is_sweep else overrides_of(read_state(folder)) or []
    words = [each for each in words if not _names_strange_store(each) and key_of(each).partition(".")[0] not in ABOUT]
    load_plugins_of([each for each in words if each not in FLAGS], by_user=False)
    if is_sweep:
        return [*words, *changes]
    words = [each for each in words if not each.lstrip("+~").startswith("hydra")]
    recorded = f"{GROUP}={folder / 'config.yaml'}"
    wanted = config_hash(compose([recorded]).tree)
    return [*(words if _hash_of(words) == wanted else [recorded]), *changes]


def parsed(words: Sequence[str], sweeps: bool) -> Command:
    """The overrides of a command.

    Args:
        sweeps: whether keys may have several values.

    Raises:
        ConfigError: an override that no file can hold, or several values without `-m`.
    """
    command = Command()
    for override in OverridesParser.create().parse_overrides(list(words)):
        key, word = str(override.key_or_group), str(override.input_line)
        if key == "debug":
            raise ConfigError(f"{word}: this cannot be saved; give it with the experiment: stackprop experiment=NAME {word}")
        command.fixed = [other for other in command.fixed if other.lstrip("+").partition("=")[0] != key]  # the last counts
        command.swept.pop(key, None)
        command.firsts.pop(key, None)
        if not override.is_sweep_override():
            command.fixed.append(word)
            continue
        if not sweeps:
            raise ConfigError(f"{word}: several values are a sweep; write `stackprop save NAME -m {word}`")
        command.swept[key] = word.partition("=")[2]
        command.firsts[key] = [f"{key}={value}" for value in _values(override)]
    return command


def tree_of(command: Command, settings_tree: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment that stands for a command.

    Args:
        settings_tree: the configuration of its first job.
    """
    overrides = OverridesParser.create().parse_overrides(list(command.fixed))
    is_complete = any(_is_file(override) for override in overrides)  # a recorded configuration, with changes
    chosen: list[Any] = []
    tree: dict[str, Any] = {key: value for key, value in settings_tree.items() if is_complete and key != "tracking"}
    for override in overrides:
        key, value = str(override.key_or_group), _plain(override.value())
        if is_complete and not key.startswith("hydra"):
            continue
        if _chooses(override):
            chosen += _choice(key, value)
        elif key.split(".")[0] == "metrics":  # an option of a metric turns the list into a mapping
            tree["metrics"] = settings_tree["metrics"]
        else:
            _put(tree, key.split("."), value)
    if command.swept:
        _put(tree, ["hydra", "mode"], "MULTIRUN")
        _put(tree, ["hydra", "sweeper", "params"], {key: _scalar(text) for key, text in command.swept.items()})
    chosen.sort(key=lambda entry: "override" in str(entry))  # Hydra wants these at the end
    return ({"defaults": chosen} if chosen else {}) | with_absolute_paths(tree)


def _chooses(override: Override) -> bool:
    """Whether an override chooses from a group."""
    key = str(override.key_or_group)
    if override.is_delete():
        return key in OPTIONAL
    return (key in {*choices(), *OF_HYDRA} or "/" in key) and not isinstance(override.value(), dict)


def _choice(key: str, value: Any) -> list[Any]:
    """The entries of `defaults:` for the choice of a group."""
    if key == GROUP:
        names = value if isinstance(value, list) else [value]
        return [str(name) for name in names if name is not None]
    return [{f"/{key}" if key.startswith(f"{GROUP}/") else f"override /{key}": value}]


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a nested key; a mapping is merged into the one there, as Hydra does."""
    *above, last = path
    for part in above:
        inner = tree.get(part)
        tree[part] = inner if isinstance(inner, dict) else {"type": inner} if isinstance(inner, str) else {}
        tree = tree[part]
    if isinstance(value, dict) and isinstance(tree.get(last), dict):
        for key, each in value.items():
            _put(tree[last], [key], each)
    else:
        tree[last] = value


def _plain(value: Any) -> Any:
    """A parsed value as YAML writes it."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _scalar(text: str) -> Any:
    """A text that is one whole number, as that number: YAML then needs no quotes."""
    return int(text) if text.isdecimal() and str(int(text)) == text else text


def _present(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without removed layers: `~model.layers.act` deletes the key, and a file sets it to null."""
    model = dict(tree["model"])
    model["layers"] = {name: layer for name, layer in (model.get("layers") or {}).items() if layer is not None}
    return {**tree, "model": model}


def _values(override: Override) -> list[str]:
    """Values of a swept key, to check: all of a list, the ends of an interval."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return [str(sweep.start), str(sweep.end)]
    return [str(value) for value in override.sweep_string_iterator()]


def _needed(words: Sequence[str]) -> list[str]:
    """The overrides without those that repeat a default."""
    overrides = OverridesParser.create().parse_overrides(list(words))
    usual = composed([]).hydra.runtime.choices
    kept = [o for o in overrides if not (_chooses(o) and usual.get(o.key_or_group, o) == o.value() and not o.is_delete())]
    try:
        tree = task_part(composed([str(o.input_line) for o in kept if _chooses(o)]))
    except (ConfigError, DataError, HydraException, OmegaConfBaseException):
        return list(words)  # the choices need the values
    plain: Any = OmegaConf.to_container(tree, resolve=False)
    return [str(o.input_line) for o in kept if _chooses(o) or o.is_delete() or not _repeats(plain, o)]


def _repeats(tree: Any, override: Override) -> bool:
    """Whether a value is in the configuration already."""
    for part in str(override.key_or_group).split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return type(tree) is type(_plain(override.value())) and tree == _plain(override.value())


def _swept_by_presets(words: Sequence[str]) -> set[str]:
    """The keys that the experiment of a command sweeps."""
    if not any(word.lstrip("+").startswith(f"{GROUP}=") for word in words):
        return set()
    params = composed([word for word in words if word.startswith(f"{GROUP}=")]).hydra.sweeper.get("params")
    return {str(key) for key in params or ()}


def _fix(command: Command, swept: Collection[str]) -> None:
    """Make an override of a key that the experiment sweeps the only value of that sweep, as in the command."""
    for word in list(command.fixed):
        key, _, value = word.lstrip("+").partition("=")
        if key in swept:
            command.fixed.remove(word)
            command.swept[key], command.firsts[key] = value, [word]


def _hash_of(words: Sequence[str]) -> str:
    """The hash of the configuration that a recorded command gives now; empty if it is refused."""
    try:
        return config_hash(compose(list(words)).tree)
    except (ConfigError, DataError, HydraException, OmegaConfBaseException):
        return ""


def _names_strange_store(word: str) -> bool:
    """Whether a recorded override names a store to which this user has not sent runs: a file does not keep it."""
    key, _, value = word.lstrip("+").partition("=")
    return key == "tracking.uri" and "${" not in value and not knows_store(value.strip("'\""))


def _is_file(override: Override) -> bool:
    return override.key_or_group == GROUP and str(_plain(override.value())).endswith(".yaml")


def _file(name: str, force: bool) -> Path:
    """The file of an experiment of that name.

    Raises:
        ConfigError: the name is not valid, or taken.
    """
    if fault := name_error(name, is_key=False):
        raise ConfigError(f"{name}: {fault}")
    if why := discover().conflict(f"{GROUP}/{name}"):
        raise ConfigError(f"{name}: {why}; choose another name")
    places = [folder / f"{name}.yaml" for folder in experiments_dirs()]
    known = next((place for place in places if os.path.lexists(place)), None)
    if known is not None and not force:
        raise ConfigError(f"{shown(known.absolute())} exists; choose another name, or replace it with --force")
    return known or places[-1]


def _text(about: str, tree: Mapping[str, Any]) -> str:
    """The file: a comment, then the experiment."""
    first = masked(" ".join(about.split()))
    body = yaml_text(tree) if tree else ""
    return f"# {first}\n{body}"


def _check(text: str, command: Command, settings: Settings) -> None:
    """Check that a text gives the configuration of the command.

    Raises:
        ConfigError: it does not, or it contains what only a command may set.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "experiment.yaml")
        write_text(file, text)
        firsts = [words[0] for words in command.firsts.values()]
        found = compose([f"{GROUP}={file}", *firsts]).tree
    if config_hash(_present(found)) != config_hash(_present(settings.tree)):
        changed = [key for key in {**found, **settings.tree} if found.get(key) != settings.tree.get(key)]
        raise ConfigError(f"{', '.join(changed)}: a file cannot hold what this command sets; keep the command instead")
