"""Connects our groups and presets to Hydra, and restricts what it may load.

Presets are YAML files under `conf/`; every other choice of a group is a registered component, provided on demand as
`{type: name, option: default ...}`. All private names of Hydra 1.3 that we use are in this file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra._internal.hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from framework.config.allowed import check_interpolations, check_packages, check_targets, withhold
from framework.config.arguments import readable
from framework.config.hidden import warn_of_hidden
from framework.config.mode import mode_of
from framework.config.overrides import check_one, check_overrides, used_variables
from framework.config.own_experiments import GROUP, MARK, install_sources, loading, sources, without_chosen
from framework.config.parser import parse_config
from framework.config.presets import KINDS_OF, RegistrySource
from framework.config.schema import Settings
from framework.config.suggestions import elsewhere
from framework.core.errors import ConfigError, RegistrationError, did_you_mean
from framework.core.secrets import recorded
from framework.registry.discovery import discover, load_files
from framework.registry.installed import disable
from framework.registry.registry import conf_dir as conf_dir
from framework.tracking.naming import key_of
from framework.tracking.run_dir import check_unused

OPTIONAL = ("regularizer", "augmentation", "probes", "callbacks", "figures", "study", "experiment", "debug")  # or null
COMPOSING = threading.RLock()  # Hydra has one state for the whole process
CHECKS: list[Callable[[Settings], None]] = []  # further checks of the settings before a run starts
PLUGIN_KEYS = ("plugins", "disable_plugins")  # keys that take effect before the composition, in every command
APPLY = ConfigLoaderImpl._apply_overrides_to_config


class StackpropSearchPath(SearchPathPlugin):
    """Adds the registry, and the presets of plugins in it, after our presets."""

    def manipulate_search_path(self, search_path: Any) -> None:
        search_path.append("stackprop", "stackprop://")


class ValidatingConfigLoader(ConfigLoaderImpl):
    """Hydra's loader, used by every composition: rejects what could run foreign code, and validates the configuration."""

    validates = True
    runs = True  # whether the configuration will run; otherwise no file with components is loaded

    def __init__(self, config_search_path: Any) -> None:
        path = config_search_path.get_path()
        check_packages(element.path for element in path if element.provider == "main")
        folders = [element.path for element in path if element.provider == "command-line" and element.path]
        schema = path.pop() if path and path[-1].provider == "schema" else None  # stays last, as Hydra demands
        for source in sources(folders):
            config_search_path.append("experiments", source)
        if schema is not None:
            path.append(schema)
        super().__init__(config_search_path)

    def unvalidated(self, master: Any, choices: list[str]) -> Any:
        """The part that all jobs of a sweep with these group choices share; it is validated once its values are known."""
        self.validates = False
        try:
            return self.load_sweep_config(master, choices)
        finally:
            self.validates = True

    def load_sweep_config(self, master_config: Any, sweep_overrides: list[str]) -> Any:
        install_sources()  # in the process of another launcher, which also lacks the files of plugins
        if self.runs:
            load_plugins_of(sweep_overrides, by_user=False)
        return super().load_sweep_config(master_config, sweep_overrides)

    def load_configuration(self, config_name: Any, overrides: Any, run_mode: Any, *args: Any, **kwargs: Any) -> Any:
        self.variables: set[str] = set()
        self.keys = set(map(key_of, overrides))
        absent = self._absent(overrides)
        first = _first_models(overrides) if run_mode == RunMode.MULTIRUN else {}
        given = [absent.get(word, first.get(word, word)) for word in overrides]
        load = functools.partial(load_plugins, by_user=False) if self.runs and "COMP_LINE" not in os.environ else None
        with named_index(overrides), loading(load):
            cfg = super().load_configuration(config_name, given, run_mode, *args, **kwargs)
        check_targets(cfg)
        if config_name is None:  # Hydra's help: there is no experiment
            return cfg
        check_hydra_part(cfg.hydra)
        withhold(cfg)
        if run_mode == RunMode.MULTIRUN or cfg.hydra.mode == RunMode.MULTIRUN:
            check_interpolations(cfg, overrides)
        _take_out(cfg, absent)
        if first:
            named = {model: word for word, model in first.items()}
            cfg.hydra.overrides.task = [named.get(word, word) for word in cfg.hydra.overrides.task]
        _drop_params(cfg, overrides)
        warn_of_hidden(cfg.hydra.runtime)
        if "COMP_LINE" in os.environ:  # shell completion: nothing will run, and it must be fast
            return cfg
        if self.validates:
            check_overrides(task_part(cfg), self.variables, overrides)
        if not self.runs and _unloaded(cfg):  # nothing will run: the code that a preset names is not loaded
            return cfg
        if self.validates and run_mode == RunMode.RUN:
            if self.runs and CHECKS:
                check_unused(Path(cfg.hydra.run.dir))
            settings = settings_of(cfg)
            for check in CHECKS:
                check(settings)
        return cfg

    def _absent(self, overrides: Sequence[str]) -> dict[str, str]:
        """`regularizer=null` -> `~regularizer`, Hydra's form.

        Raises:
            ConfigError: a group is set to what cannot be the name of a choice.
        """
        absent = {}
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            group, value, word = override.key_or_group, override.value(), str(override.input_line)
            is_sweep = override.is_sweep_override() or override.is_delete()
            names = value if isinstance(value, list) else [value]
            check_one(group, names)
            if is_sweep or isinstance(value, dict) or all(isinstance(name, str) for name in names):
                continue
            if not self.repository.group_exists(group):
                continue
            if value is not None or group not in OPTIONAL:
                text = word.partition("=")[2]
                names = self.repository.get_group_options(group)
                hint = elsewhere(text, group) or did_you_mean(text, names)
                raise ConfigError(f"{group}: unknown choice '{text}'{hint}")
            absent[word] = f"~{group}"
        return absent

    def _load_single_config(self, default: Any, repo: Any) -> Any:
        """Remember which variables of the model presets use; a value may replace `${model.hidden}` later."""
        found = super()._load_single_config(default, repo)
        if MARK in found.header:
            found.config = without_chosen(found.config, str(found.header[MARK]), self.keys)
            self.variables |= {str(name) for name in OmegaConf.select(found.config, "model") or ()}
        if OmegaConf.is_dict(found.config):
            self.variables |= used_variables(OmegaConf.to_container(found.config, resolve=False))
        return found

    def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> Any:
        """A recorded configuration replaces all groups that the command does not choose, instead of changing them."""
        groups = {default.config_path: (default.config_path or "").rpartition("/")[0] for default in defaults}
        for experiment in [repo.load_config(path) for path, group in groups.items() if group.split("/")[0] == GROUP]:
            if MARK in experiment.header:
                replaced = set(experiment.config) - self.keys - {"hydra"}
                defaults = [default for default in defaults if groups[default.config_path] not in replaced]
        return super()._compose_config_from_defaults_list(defaults, repo)

    def _process_config_searchpath(self, config_name: Any, parsed_overrides: Any, repo: Any) -> None:
        """The further folders of presets; reading a package would import it."""
        primary = repo.load_config(config_name) if config_name is not None else None
        searched = OmegaConf.select(primary.config, "hydra.searchpath") if primary is not None else None
        check_packages(searched or ())
        for override in parsed_overrides:
            if override.get_key_element() == "hydra.searchpath" and isinstance(override.value(), list):
                check_packages(override.value())
        super()._process_config_searchpath(config_name, parsed_overrides, repo)


@contextlib.contextmanager
def named_index(overrides: Sequence[str]) -> Iterator[None]:
    """Rewrite OmegaConf's error for a key whose next part is not a list index (`plugins.type=3`), where the value is a list.

    Raises:
        ConfigError: it is not an index.
    """
    try:
        yield
    except ValueError as error:
        found = re.match(r"invalid literal for int\(\) with base 10: '(.*)'", str(error))
        if found is None:
            raise
        keys = list(map(key_of, overrides))
        key = next((key for key in keys if f".{found[1]}" in key), found[1])
        hint = "; disable_plugins=[NAME] leaves a plugin out" if key == "plugins.disable" else ""
        raise ConfigError(f"{key}: '{found[1]}' is not an index, but the value is a list{hint}") from error


def _apply_overrides(overrides: Sequence[Any], cfg: Any) -> None:
    """Hydra's function, with `metrics=[f1]` before `metrics.f1.negative=1`, which sets an option of one of the list."""
    for override in sorted(overrides, key=lambda override: override.key_or_group != "metrics"):
        if override.key_or_group.startswith("metrics."):
            _name_metrics(cfg, override.key_or_group)
        APPLY([override], cfg)


def _name_metrics(cfg: Any, key: str) -> None:
    """Turn a list of metrics into a mapping, so that an override can set an option of one of them.

    Raises:
        ConfigError: none of them has that name.
    """
    held: Any = OmegaConf.to_container(cfg, resolve=False)
    found = held.get("metrics")
    name = key.split(".")[1]
    if isinstance(found, bool | int | float):
        raise ConfigError(f"metrics: not a name of a metric (got {found!r}); auto, a name, or a list of names")
    if isinstance(found, str):
        found = [found]
    if isinstance(found, list):
        found = {each if isinstance(each, str) else str(each.get("type")): each for each in found}
    if name not in (found or {}) and "type" not in key.split("."):
        known = did_you_mean(name, found or ())
        raise ConfigError(f"{key}: metrics has no '{name}'{known}; name it first: metrics=[{name}]")
    named = {other: {"type": each} if isinstance(each, str) else each for other, each in (found or {}).items()}
    with open_dict(cfg):
        cfg.metrics = named
    OmegaConf.set_struct(cfg.metrics, False)


def _first_models(overrides: Sequence[str]) -> dict[str, str]:
    """`model=rnn,lstm` -> `model=rnn`: the shared part of a sweep takes the first model, so that it has the keys which
    `model.output=last` sets. Every job is composed with its own."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    swept = [o for o in parsed if o.get_key_element() == "model" and o.is_discrete_sweep()]
    return {str(o.input_line): f"model={next(iter(o.sweep_string_iterator()))}" for o in swept}


def _take_out(cfg: Any, absent: Mapping[str, str]) -> None:
    """Remove what presets set for a group that an override turns off; the overrides stay unchanged."""
    words = cfg.hydra.overrides.task
    for word, deletion in absent.items():
        words[words.index(deletion)] = word
        group = deletion[1:]
        if group in KINDS_OF and not any(other.lstrip("+").startswith(f"{group}.") for other in words):
            with open_dict(cfg):
                cfg[group] = {}


def check_hydra_part(node: Any) -> None:
    """Check the parts of the configuration that Hydra needs.

    Raises:
        ConfigError: a part is missing, or of a type that Hydra answers with a traceback.
    """
    for name in ("launcher", "sweeper"):
        if not OmegaConf.is_dict(node.get(name)):
            raise ConfigError(f"hydra.{name}: missing (got {node.get(name)!r}); set hydra/{name}=NAME")
    verbose = node.get("verbose")
    if not (isinstance(verbose, bool | str) or OmegaConf.is_list(verbose)):
        raise ConfigError(f"hydra.verbose: not allowed (got {verbose!r}); true, false, or names of loggers")


def _unloaded(cfg: Any) -> bool:
    paths = cfg.get("plugins") or []
    paths = paths if OmegaConf.is_list(paths) else [paths]
    return any(Path(str(path)).expanduser().resolve() not in discover().files for path in paths)


def _drop_params(cfg: Any, overrides: Sequence[str]) -> None:
    """Remove sweep values of a preset for keys that the command sets: Hydra would run every job once for each of them."""
    params = cfg.hydra.sweeper.get("params")
    for override in overrides:
        key = key_of(override)
        if params and key in params:
            with open_dict(params):
                del params[key]


def settings_of(cfg: Any) -> Settings:
    """The validated settings of a composed configuration.

    Raises:
        ConfigError: with one line for every error.
    """
    task = task_part(cfg)
    tree, plain = (OmegaConf.to_container(task, resolve=resolve) for resolve in (True, False))
    return settings_of_trees(tree, plain)  # type: ignore[arg-type]


def settings_of_trees(tree: dict[str, Any], plain: dict[str, Any], known: dict[bytes, Any] | None = None) -> Settings:
    """The validated settings of a configuration.

    Args:
        tree: the configuration; plain: the same with its interpolations; known: as for `parse_config`.

    Raises:
        ConfigError: with one line for every error.
    """
    disable_plugins(tree.get("disable_plugins"))
    load_plugins(tree.get("plugins"), by_user=False)
    settings, absolute = parse_config(tree, discover(), known), with_absolute_paths(tree)
    return replace(settings, tree=absolute, written={} if (found := recorded(plain, absolute)) == absolute else found)


def load_plugins(paths: Any, by_user: bool = True) -> None:
    """Register the components of the single files that `plugins=[...]` names.

    Args:
        by_user: whether the command names them; a preset may name only what this user has run here before.

    Raises:
        ConfigError: a file is missing, wrong, or not trusted.
    """
    paths = [paths] if isinstance(paths, str) else paths
    if isinstance(paths, list) and all(isinstance(path, str) for path in paths):
        try:
            load_files(paths, by_user)
        except RegistrationError as error:
            raise ConfigError("\n".join(f"plugins: {line}" for line in str(error).splitlines())) from error


def disable_plugins(names: Any) -> None:
    """Load everything except the installed plugins that `disable_plugins=[...]` names.

    Raises:
        ConfigError: a plugin is not installed.
    """
    names = [names] if isinstance(names, str) else names or []
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        try:
            disable(names)
        except RegistrationError as error:
            raise ConfigError(f"disable_plugins: {error}") from error


def load_plugins_of(overrides: Sequence[str], by_user: bool = True) -> None:
    """Load the files of `plugins=[...]` before the composition, without the plugins of `disable_plugins=[...]`: other
    overrides may name their components."""
    found: dict[str, Any] = {}
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if key in PLUGIN_KEYS:
            found[key] = OverridesParser.create().parse_override(override).value()
    disable_plugins(found.get("disable_plugins"))
    load_plugins(found.get("plugins"), by_user)


def with_absolute_paths(tree: dict[str, Any]) -> dict[str, Any]:
    """A configuration tree with absolute file names, so that the run can be resumed from any folder."""
    out = dict(tree)
    plugins = [tree["plugins"]] if isinstance(tree.get("plugins"), str) else tree.get("plugins")
    if isinstance(plugins, list):
        out["plugins"] = [os.path.abspath(path) if isinstance(path, str) else path for path in plugins]
    dataset = tree.get("dataset")
    if isinstance(dataset, dict) and isinstance(dataset.get("path"), str):
        out["dataset"] = {**dataset, "path": os.path.abspath(os.path.expanduser(dataset["path"]))}
    return out


def compose(overrides: list[str]) -> Settings:
    """The settings of `stackprop [overrides]`, without running anything.

    Raises:
        ConfigError: with one line for every error.
    """
    return settings_of(composed(overrides))


def composed(overrides: Sequence[str]) -> Any:
    """The configuration of `stackprop [overrides]` with Hydra's own part, as `compose`."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    install()
    overrides = readable(overrides)
    load_plugins_of(overrides)
    with COMPOSING, initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return hydra_compose("config", overrides, return_hydra_config=True)


def task_part(cfg: Any) -> Any:
    """The configuration without Hydra's own part."""
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]) if "hydra" in cfg else cfg


def install(check: Callable[[Settings], None] | None = None, runs: bool = True) -> None:
    """Make Hydra use our search path, loader and checks.

    Args:
        check: a further check of the settings before a run, or the first job of a sweep, starts.
        runs: whether the configuration will run; without, no file with components is loaded.
    """
    ValidatingConfigLoader.runs, CHECKS[:] = runs, [check] if check else []
    vars(hydra_internal)["ConfigLoaderImpl"] = ValidatingConfigLoader
    setattr(hydra_internal.Hydra, "get_mode", mode_of)  # noqa: B010
    setattr(ConfigLoaderImpl, "_apply_overrides_to_config", staticmethod(_apply_overrides))  # noqa: B010
    Plugins.instance().register(RegistrySource)
    install_sources()
    Plugins.instance().register(StackpropSearchPath)
