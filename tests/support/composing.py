"""The part of a composition that depends on the chosen presets alone is made once in a process of tests.

Half of the time of all tests went into it. Files of a user, further folders and plugins with presets are read every time,
as are values, checks and messages; processes that tests start know nothing of this.
"""

import pickle
from dataclasses import replace

from hydra._internal import config_loader_impl
from hydra._internal.defaults_list import DefaultsList, Overrides

from framework.config.composition import ValidatingConfigLoader
from framework.config.presets import KINDS_OF, BoundedSource
from framework.registry.discovery import discover
from framework.registry.registry import conf_dir

SHIPPED = (f"file://{conf_dir()}", str(conf_dir()), "pkg://hydra.conf", "structured://", "stackprop://")
OF_USER = "experiments://"  # holds experiments only


def compose_once():
    """From now on."""
    read_once()
    list_once()
    merge_once()


def read_once():
    """A shipped file is parsed once."""
    read, known = BoundedSource.load, {}

    def load(source, file):
        if not file.is_relative_to(conf_dir()):
            return read(source, file)
        key = file, file.stat().st_mtime_ns, source.provider, source.path
        if key not in known:
            found = read(source, file)
            known[key] = found, pickle.dumps(found.config)
        found, config = known[key]
        return replace(found, config=pickle.loads(config), header=dict(found.header))

    BoundedSource.load = load


def list_once():
    """The list of presets that the chosen ones lead to."""
    listed, known = config_loader_impl.create_defaults_list, {}

    def create_defaults_list(repo, config_name, overrides_list, prepend_hydra, skip_missing):
        chosen = [override for override in overrides_list if repo.group_exists(override.key_or_group)]
        parts = [part(override.key_or_group, override.value()) for override in chosen]
        if None in parts or not shipped(repo):
            return listed(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        lines = [(override.input_line, override.is_sweep_override()) for override in chosen]
        key = str((config_name, prepend_hydra, skip_missing, lines)), *parts
        if key not in known:
            known[key] = listed(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        found, others = known[key], Overrides(repo, overrides_list).config_overrides
        return DefaultsList(list(found.defaults), found.defaults_tree, others, found.overrides)

    config_loader_impl.create_defaults_list = create_defaults_list


def merge_once():
    """These presets, merged."""
    merged, known = ValidatingConfigLoader._compose_config_from_defaults_list, {}

    def _compose_config_from_defaults_list(loader, defaults, repo):
        parts = [part(*(default.config_path or "").rpartition("/")[::2]) for default in defaults]
        if None in parts or not shipped(repo):
            return merged(loader, defaults, repo)
        key = str(defaults), *parts
        if key not in known:
            before, loader.variables = loader.variables, set()
            made = merged(loader, defaults, repo)
            known[key] = pickle.dumps(made), loader.variables
            loader.variables = before
        made, variables = known[key]
        loader.variables |= variables
        return pickle.loads(made)

    ValidatingConfigLoader._compose_config_from_defaults_list = _compose_config_from_defaults_list


def shipped(repo):
    """Whether presets come from our folder alone."""
    paths = [source.full_path() for source in repo.get_sources()]
    return not discover().presets and all(path in SHIPPED or path.startswith(OF_USER) for path in paths)


def part(group, name):
    """What a choice of a group stands for: the class of a component, or the name of a preset; None: who knows."""
    if group.split("/")[0] == "experiment":
        return name if isinstance(name, str) and (conf_dir() / group / f"{name}.yaml").is_file() else None
    if group not in KINDS_OF or not isinstance(name, str):
        return str(name)
    registry = discover()
    if name in registry.names(KINDS_OF[group]):
        return registry.get(KINDS_OF[group], name)
    return str(name)
