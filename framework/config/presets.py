"""The choices of each group of the configuration: presets in files, and registered components with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from framework.config.schema import COMPONENT_GROUPS
from framework.core.errors import ConfigError
from framework.core.options import declared
from framework.core.reading import UnreadableError, check_yaml
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir

KINDS_OF = {**{group: group for group in COMPONENT_GROUPS}, **SEVERAL_GROUPS}  # group -> kind of what it chooses from


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
    for name in (*shipped, *discover().presets):
        group, _, own = name.rpartition("/")
        found.setdefault(group, set()).add(own)
    return {group: sorted(found[group]) for group in sorted(found)}


class BoundedSource(FileConfigSource):
    """Presets in files from an untrusted source: a file that expands to too many values is rejected before it is built."""

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path, self._normalize_file_name(config_path)).resolve()
        try:
            check_yaml(path)
        except FileNotFoundError:  # Hydra lists the choices
            pass
        except UnreadableError as error:
            raise ConfigError(str(error)) from error
        return super().load_config(config_path)


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
