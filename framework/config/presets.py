"""The choices of each group of the configuration: presets in files, and registered components with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

from framework.config.experiment_files import own_experiments
from framework.config.schema import COMPONENT_GROUPS
from framework.core.errors import ConfigError
from framework.core.options import declared
from framework.core.reading import check_yaml, read_text
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir

KINDS_OF = {**{group: group for group in COMPONENT_GROUPS}, **SEVERAL_GROUPS}  # group -> kind of what it chooses from
HEADER = 512  # characters in which `# @package` stands


def base() -> Any:
    """The node that all others are merged into. Keys may be added where it is open; validation rejects unknown ones
    later."""
    open_nodes = (*KINDS_OF, "trainer", "tracking", "heads", "figure", "schedules", "tags")
    closed = {"model": {"init_from": None, "layers": {}}, "metrics": "auto"}
    node = OmegaConf.create(closed | {key: {} for key in open_nodes})
    for part in (node.model.layers, *(node[key] for key in open_nodes)):
        OmegaConf.set_struct(part, False)
    return node


def preset(group: str, name: str) -> dict[str, Any]:
    """A component's name with its plain defaults; nested under its name for a group of several."""
    component = discover().get(KINDS_OF[group], name)
    spec = declared(component)
    plain = {key: f.default for key, (_, f) in spec.items() if isinstance(f.default, int | float | str | None)}
    chosen = {"type": name, **plain, **getattr(component, "shared_defaults", {})}
    return {name: chosen} if group in SEVERAL_GROUPS else chosen


def choices() -> dict[str, list[str]]:
    """group -> the choices: presets and registered components."""
    found: dict[str, set[str]] = {group: set(discover().names(kind)) for group, kind in KINDS_OF.items()}
    shipped = [path.relative_to(conf_dir()).with_suffix("").as_posix() for path in conf_dir().glob("*/*.yaml")]
    of_user = [f"experiment/{name}" for name in own_experiments()]
    for each in (*shipped, *of_user, *discover().presets):
        group, _, name = each.rpartition("/")
        found.setdefault(group, set()).add(name)
    return {group: sorted(found[group]) for group in sorted(found)}


def shown(file: Path) -> str:
    """A file in messages: relative to the folder of the command, if it lies there."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


class BoundedSource(FileConfigSource):
    """Presets in files from an untrusted source: a file that expands to too many values is rejected before it is built."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path, self._normalize_file_name(config_path))
        if not path.exists():
            raise ConfigLoadError(f"Config not found : {path}")  # Hydra lists the choices
        return self.load(path)

    def load(self, file: Path) -> ConfigResult:
        """The configuration in a file.

        Raises:
            ConfigError: it is not a mapping in YAML; the message names the file and the line.
        """
        try:
            check_yaml(file)
            text = read_text(file)
            content = yaml.load(text, get_yaml_loader())
            found = OmegaConf.create({} if content is None else content)
            header = self._get_header_dict(text[:HEADER])
        except yaml.MarkedYAMLError as error:
            line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            raise ConfigError(f"{shown(file)}: {line}{error.problem or error.context}") from error
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            raise ConfigError(f"{shown(file)}: {' '.join(str(error).split())}") from error
        except OSError as error:
            raise ConfigError(f"{shown(file)}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            text = str(error)
            raise ConfigError(text if str(file) in text else f"{shown(file)}: {text}") from error
        if not OmegaConf.is_dict(found):
            raise ConfigError(f"{shown(file)}: this is not a mapping of keys to values")
        if "defaults" in found and not OmegaConf.is_list(found._get_node("defaults")):
            raise ConfigError(f"{shown(file)}: defaults: this is not a list; write `- override /optimizer: adam` below it")
        return ConfigResult(config=found, path=f"{self.scheme()}://{self.path}", provider=self.provider, header=header)


class RegistrySource(ConfigSource):
    """`stackprop://optimizer/adam`: the registry as a source of configurations."""

    @staticmethod
    def scheme() -> str:
        return "stackprop"

    def available(self) -> bool:
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if not self.is_config(config_path):
            raise ConfigLoadError(f"unknown component '{config_path}'")
        brought = discover().presets.get(f"{group}/{name}")
        if brought:
            return BoundedSource(brought.provider, f"file://{brought.folder}").load_config(f"{group}/{name}")
        node = base() if name == "base" else OmegaConf.create(preset(group, name))
        header = {"package": group.replace("/", ".") or None}
        return ConfigResult(config=node, path=f"stackprop://{config_path}", provider=self.provider, header=header)

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", *KINDS_OF) or any(name.startswith(f"{config_path}/") for name in discover().presets)

    def is_config(self, config_path: str) -> bool:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        known = group in KINDS_OF and name in discover().names(KINDS_OF[group])
        return (group, name) == ("", "base") or known or f"{group}/{name}" in discover().presets

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        above = f"{config_path}/" if config_path else ""
        brought = [name.removeprefix(above).split("/") for name in discover().presets if name.startswith(above)]
        groups = {first for first, *more in brought if more} | (set() if above else set(KINDS_OF))
        configs = {first for first, *more in brought if not more}
        configs |= set(discover().names(KINDS_OF[config_path])) if config_path in KINDS_OF else set()
        wanted = {ObjectType.GROUP: groups, ObjectType.CONFIG: configs}
        return sorted(groups | configs if results_filter is None else wanted.get(results_filter, set()))
