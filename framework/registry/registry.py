"""`Registry`: names to components."""

from __future__ import annotations

import functools
import sys
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from framework.core.declarations import problems
from framework.core.errors import RegistrationError, UnknownComponentError, did_you_mean
from framework.core.version import GROUP, normalized
from framework.hooks import KINDS
from framework.registry.names import TAKEN, name_error

# Keys that the configuration of a kind reserves, besides the component's options.
RESERVED: dict[str, tuple[str, ...]] = dict.fromkeys(KINDS.values(), ("type",)) | {
    "layer": ("type", "from", "share", "frozen", "after", "initial"),
    "loss": ("type", "from", "target", "mask", "weight"),
    "optimizer": ("type", "groups"),
    "dataset": ("type", "seed", "scale", "scale_targets"),
    "metric": ("type", "head"),
}

# Groups that hold several components, each under its name: probes=[dead,saturated] probes.dead.nodes=[act]. Group -> kind.
SEVERAL_GROUPS = {"augmentation": "augmentation", "callbacks": "callback", "figures": "figure", "probes": "probe"}

KEYED = (*SEVERAL_GROUPS.values(), "metric", "command")  # kinds whose names are parts of keys: probes.dead.nodes


class Entry(NamedTuple):
    """A component's class and the plugin that provides it."""

    component: Any
    provider: str


class Source(NamedTuple):
    """The origin of a plugin's code: a distribution and its version, or a single file and its SHA-256."""

    distribution: str = ""
    version: str = ""
    file: str = ""
    sha256: str = ""


class Preset(NamedTuple):
    """A preset of a plugin: its folder of presets, and the plugin."""

    folder: Path
    provider: str


class Registry:
    """kind -> name -> Entry, and the errors of loading plugins.

    Attributes:
        presets: the presets of plugins, by group and name: `model/mine`.
        sources: plugin -> the source of its code.
        files: single files whose components are registered too, and the SHA-256 of their content.
        code: SHA-256 -> content.
        disabled: plugins that are installed and not loaded.
    """

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS.values()}
        self.problems: list[str] = []
        self.presets: dict[str, Preset] = {}
        self.sources: dict[str, Source] = {}
        self.files: dict[Path, str] = {}
        self.code: dict[str, bytes] = {}
        self.disabled: list[str] = []

    def add(self, kind: str, name: str, component: Any, provider: str) -> None:
        """Register a component.

        Raises:
            RegistrationError: the name is taken or not valid, the class is not a frozen dataclass, an option has a
                reserved name, or one is declared so that no configuration can set it: one line for each.
        """
        if wrong_name := name_error(name, kind in KEYED):
            raise RegistrationError(f"{kind} {name!r} of '{provider}': {wrong_name}")
        if name in TAKEN.get(kind, ()):
            raise RegistrationError(f"{kind} '{name}' of '{provider}': stackprop has one of that name; choose another name")
        group = next((group for group, of in SEVERAL_GROUPS.items() if of == kind), kind)
        preset = self.presets.get(f"{group}/{name}")
        if preset or any(_is_preset(folder, f"{group}/{name}") for folder in shipped()):
            owner = preset.provider if preset else "stackprop"
            raise RegistrationError(
                f"{kind} '{name}' of '{provider}': '{owner}' has a preset of that name, {group}/{name}; choose another name"
            )
        taken = self.entries[kind].get(name)
        if taken:
            raise RegistrationError(
                f"{kind} '{name}' is registered by both '{taken.provider}' and '{provider}'; '{taken.provider}' is used"
            )
        if not (isinstance(component, type) and is_dataclass(component) and component.__dataclass_params__.frozen):  # type: ignore[attr-defined]
            raise RegistrationError(
                f"{kind} '{name}' of '{provider}': {component!r} is not a frozen dataclass; use @dataclass(frozen=True)"
            )
        for f in fields(component):
            if f.name in RESERVED[kind]:
                reserved = ", ".join(RESERVED[kind])
                raise RegistrationError(
                    f"{kind} '{name}' of '{provider}': option name '{f.name}' is reserved (reserved: {reserved})"
                )
        # Ours are declared rightly, as a test of the kit says; reading all of their types takes a tenth of a second.
        if normalized(self.sources.get(provider, Source()).distribution) != GROUP and (wrong := problems(component)):
            raise RegistrationError("\n".join(f"{kind} '{name}' of '{provider}': {problem}" for problem in wrong))
        self.entries[kind][name] = Entry(component, provider)

    def copy(self) -> Registry:
        """A new registry with the same components."""
        other = Registry()
        other.entries = {kind: dict(known) for kind, known in self.entries.items()}
        other.problems, other.presets, other.disabled = list(self.problems), dict(self.presets), list(self.disabled)
        other.sources, other.files, other.code = dict(self.sources), dict(self.files), dict(self.code)
        return other

    def forget_file(self, file: Path) -> None:
        """Remove the components of a single file."""
        for provider in [name for name, source in self.sources.items() if source.file == str(file)]:
            self.forget(provider)
        self.files.pop(file, None)

    def forget(self, provider: str) -> None:
        """Remove everything that a plugin registered."""
        for kind, known in self.entries.items():
            self.entries[kind] = {name: entry for name, entry in known.items() if entry.provider != provider}
        self.presets = {name: preset for name, preset in self.presets.items() if preset.provider != provider}
        self.sources.pop(provider, None)

    def add_presets(self, place: str | Path, provider: str) -> None:
        """Add the presets of a folder whose names are free; the others are ignored.

        Raises:
            RegistrationError: the folder does not exist, or names are taken: one line for each.
        """
        folder = _folder(place)
        if folder is None:
            raise RegistrationError(f"presets of '{provider}': the folder {place} does not exist")
        errors = []
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            why = self.conflict(name)
            if why:
                errors.append(f"preset {name}.yaml of '{provider}' is ignored: {why}")
            else:
                self.presets[name] = Preset(folder, provider)
        if errors:
            raise RegistrationError("\n".join(errors))

    def conflict(self, name: str) -> str:
        """Why a plugin's or a user's preset of that group and name (`model/mine`) is rejected; empty if it is accepted."""
        group, _, own = name.rpartition("/")
        if not group:
            return "a preset must lie in the folder of its group"
        if own in self.entries.get(SEVERAL_GROUPS.get(group, group), {}):
            return "a component has that name"
        if any(_is_preset(folder, name) for folder in shipped()):
            return "stackprop has a preset of that name"
        preset = self.presets.get(name)
        return f"'{preset.provider}' has a preset of that name" if preset else ""

    def plugin_of(self, file: Path) -> str:
        """The plugin, other than those of stackprop, to which a file of code belongs: `plugin 'bent'`; empty if none."""
        for known in self.entries.values():
            for entry in known.values():
                source = self.sources.get(entry.provider, Source())
                module = sys.modules.get(str(entry.component.__module__).partition(".")[0])
                own = getattr(module, "__file__", None) or source.file
                is_own = str(file) in (own, source.file) or (
                    Path(own).name == "__init__.py" and file.is_relative_to(Path(own).parent)
                )
                if is_own and normalized(source.distribution) != GROUP:
                    return f"plugin '{entry.provider}'"
        return ""

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(self.entries[kind])

    def reasons(self, kind: str, name: str) -> list[str]:
        """Why a component may be missing, one line each: why it was refused, or which plugins are not loaded."""
        refused = [problem for problem in self.problems if problem.startswith(f"{kind} '{name}' of ")]
        of_components = tuple(f"{kind} '" for kind in self.entries)  # a component, and not a plugin, is wrong
        broken = [p for p in self.problems if not p.startswith((*of_components, "preset"))]
        return refused or broken + [f"{plugin} is disabled by disable_plugins" for plugin in self.disabled]

    def get(self, kind: str, name: str) -> Any:
        """The class registered under that name.

        Raises:
            UnknownComponentError: with the closest name, and all names.
        """
        if name not in self.entries[kind]:
            lines = [f"unknown {kind} '{name}'{did_you_mean(name, self.entries[kind])}", *self.reasons(kind, name)]
            raise UnknownComponentError("\n".join(lines))
        return self.entries[kind][name].component


def conf_dir() -> Path:
    """The presets that stackprop ships: inside the wheel, or beside the package in a checkout."""
    here = Path(__file__).resolve().parents[1]
    return next(c for c in (here / "conf", here.parent / "conf") if (c / "config.yaml").is_file())


@functools.cache
def shipped() -> tuple[Path, ...]:
    """The folders of presets that come before those of any plugin: ours, and Hydra's."""
    spec = find_spec("hydra")
    return (conf_dir(), *(Path(folder) / "conf" for folder in (spec.submodule_search_locations or () if spec else ())))


def _is_preset(folder: Path, name: str) -> bool:
    return (folder / f"{name}.yaml").is_file()


def _folder(place: str | Path) -> Path | None:
    """A folder given by its path, or by its dotted name inside a package."""
    if Path(place).is_dir():
        return Path(place).resolve()
    try:
        spec = find_spec(str(place))
    except (ImportError, ValueError):  # not a module name
        return None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]).resolve() if folders else None
