"""The page of all configuration keys, from the option classes and the presets of `conf/`."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml

from framework.cli.commands.describe import SIGNS, default
from framework.config.options import FigureOptions, TrainerOptions
from framework.config.schema import COMPONENT_GROUPS, Settings
from framework.core.options import declared
from framework.registry.discovery import discover
from framework.registry.registry import SEVERAL_GROUPS, conf_dir
from framework.sweeps.search.ant_colony import ColonyOptions
from framework.sweeps.search.runner import Objective
from framework.sweeps.sweepers import LstmOptions, OptunaOptions
from framework.tracking.options import Tracking
from hydra_plugins import stackprop as launchers

# Group -> page, where that is not the group with an s.
PAGES = {"loss": "losses", "study": "studies", "probes": "probes"}
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", tuple: "list", Mapping: "mapping"}
SECTIONS = {"trainer": TrainerOptions, "tracking": Tracking, "figure": FigureOptions}
SWEEPERS: Mapping[str, tuple[type, ...]] = {
    "grid": (),
    "ant_colony": (Objective, ColonyOptions),
    "optuna": (Objective, OptunaOptions),
    "ant_colony_lstm": (Objective, LstmOptions),
}
LAUNCHERS = {"stacked": launchers.StackedLauncher, "submitit": launchers.SubmititLauncher, "ray": launchers.RayLauncher}
OF_HYDRA = ("_target_", "params")  # keys of a sweeper that are set by other means
ENTRY = re.compile(r"^(\s*)(\w+):\s+(\S.*?)(?:\s+#\s*(.*))?$")

INTRODUCTION = """\
# Configuration

Every key of a run and of a sweep. A key is set in the command: `stackprop trainer.epochs=20`. A group takes the name of a
choice: `stackprop optimizer=nag`. The options of a choice follow its name: `stackprop optimizer=nag optimizer.alpha=0.8`.
The pages of the [components](index.md) list those options. `stackprop --cfg job` prints the whole configuration.

The value `null` means: not set. A default of another key is written `${key}`.
"""

# Keys that belong to no option class, and the tables that they stand in. A test compares them with the code.
SHARED = {
    "Data": (
        ("dataset.seed", "integer", "0", "", "draws the split, and the examples of generated data"),
        (
            "dataset.scale",
            "choice",
            "none",
            "none, standard, minmax, auto",
            "scaling of features, fitted on the training split; auto, the default of csv and npz: what suits the data",
        ),
        (
            "dataset.scale_targets",
            "boolean",
            "false",
            "",
            "whether real targets are scaled too; the default of csv and npz is true",
        ),
    ),
    "Optimizer": (
        (
            "optimizer.groups",
            "list of mappings",
            "[]",
            "match, and options",
            "other options for tensors: [{match: '*.b', lr: 0.01}]",
        ),
    ),
    "Layers": (
        ("model.init_from", "string", "null", "a run", "the parameters to start from: those of another run"),
        ("model.layers.<node>.type", "string", "required", "a layer", "the component of this node"),
        ("model.layers.<node>.from", "string or list", "null", "a node or a field", "the inputs; null: the node before"),
        ("model.layers.<node>.after", "string", "null", "a node", "inserts the node after this one"),
        ("model.layers.<node>.share", "string", "null", "a node", "uses the parameters of that node"),
        ("model.layers.<node>.frozen", "boolean", "false", "", "does not train the parameters of this node"),
        ("model.layers.<node>.initial", "mapping", "null", "", "initial values by tensor name, as rows of numbers"),
        ("model.layers.<group>.repeat", "integer", "required", ">= 0", "how many times the group of layers is repeated"),
        ("model.layers.<group>.layers", "mapping", "required", "", "the layers of a group that is repeated"),
    ),
    "Heads and metrics": (
        ("heads.<head>.type", "string", "the group loss", "a loss", "the loss of this head"),
        ("heads.<head>.from", "string or list", "null", "nodes", "the nodes that the loss reads; null: the last node"),
        ("heads.<head>.target", "string", "y", "a field or null", "the field with the targets"),
        ("heads.<head>.mask", "string", "mask", "a field or null", "the field with the mask, where the data have one"),
        ("heads.<head>.weight", "number", "1.0", "", "the factor of this loss in the sum of all losses"),
        ("metrics", "string, list or mapping", "auto", "auto", "names of metrics; auto: chosen by the target"),
        ("metrics.<metric>.type", "string", "required", "a metric", "the component"),
        ("metrics.<metric>.head", "string", "null", "a head", "the head that is measured; null: the only one"),
    ),
    "Sweeps": (("sweep.resume", "string", "null", "a sweep, or last", "runs the jobs of that sweep that did not finish"),),
}


class Key(NamedTuple):
    """A row of a table."""

    name: str
    type: str
    default: str
    allowed: str
    text: str


def page() -> str:
    """The whole page."""
    return "\n".join(part.rstrip() + "\n" for part in (INTRODUCTION, *sections()))


def sections() -> Iterator[str]:
    """The sections after the introduction."""
    yield "## General\n\n" + table(general())
    yield "## Groups\n\n" + groups()
    for name, cls in SECTIONS.items():
        yield f"## {name}\n\n{first_line(cls)}\n\n" + table(options(name, cls))
    for title, keys in SHARED.items():
        yield f"## {title}\n\n" + table(Key(*key) for key in keys)
    yield "## Models\n\n" + models()
    for name, cls in LAUNCHERS.items():
        yield f"## hydra/launcher={name}\n\n{first_line(cls)}\n\n" + table(preset_keys("launcher", name, parameters(cls)))
    for name, parts in SWEEPERS.items():
        keys = list(preset_keys("sweeper", name, {k: v for part in parts for k, v in declared(part).items()}))
        text = table(keys) if keys else "Every combination of the values. It has no options."
        yield f"## hydra/sweeper={name}\n\n{text}"


def general() -> Iterator[Key]:
    """The keys of `conf/config.yaml` that are neither a group nor a section."""
    hints = {**typing.get_type_hints(Settings), "name": str | None, "tags": Mapping[str, str], "notes": str | None}
    for _, name, value, text in entries(conf_dir() / "config.yaml"):
        if name in hints and name not in SECTIONS:
            kind, allowed = type_of(hints[name])
            yield Key(name, kind, value, allowed, text)


def groups() -> str:
    """The groups, their defaults, and where their choices are listed."""
    chosen = yaml.safe_load((conf_dir() / "config.yaml").read_text())["defaults"]
    defaults = {key: value for part in chosen if isinstance(part, dict) for key, value in part.items()}
    rows = []
    for group in (*COMPONENT_GROUPS, *SEVERAL_GROUPS):
        title = PAGES.get(group, f"{group}s")
        several = "several, as a list" if group in SEVERAL_GROUPS else "one"
        shipped = discover().names(SEVERAL_GROUPS.get(group, group))
        where = f"[{title}]({title}.md)" if shipped else "of [plugins](../extending/plugins.md)"
        rows.append(f"| `{group}` | {cell(defaults[group])} | {several} | {where} |")
    rows += [f"| `{group}` | {cell(defaults[group])} | one | {files(group)} |" for group in ("model", "trainer", "tracking")]
    return "| group | default | how many | choices |\n|---|---|---|---|\n" + "\n".join(rows)


def files(group: str) -> str:
    """The presets of a group."""
    return ", ".join(f"`{path.stem}`" for path in sorted((conf_dir() / group).glob("*.yaml")))


def models() -> str:
    """The models and the keys that they add."""
    rows = []
    for path in sorted((conf_dir() / "model").glob("*.yaml")):
        tree = yaml.safe_load(path.read_text())
        keys = ", ".join(
            f"`model.{key}={'null' if value is None else value}`"
            for key, value in tree.items()
            if not isinstance(value, dict)
        )
        first = path.read_text().splitlines()[0]
        rows.append(f"| `{path.stem}` | {keys} | {first[2:] if first.startswith('# ') else ''} |")
    return "| model | its keys, with their defaults | what it is |\n|---|---|---|\n" + "\n".join(rows)


def options(prefix: str, cls: type) -> Iterator[Key]:
    """The keys of a section, those of a section inside it at their place."""
    for name, (hint, f) in declared(cls).items():
        path = f"{prefix}.{name}"
        if is_dataclass(hint):
            yield from options(path, hint)
        else:
            yield key_of(path, hint, f, default(f))


def key_of(path: str, hint: Any, f: Any, value: str) -> Key:
    """The row of an option."""
    kind, allowed = type_of(hint)
    rules = [f"{SIGNS[rule]} {bound}" for rule, bound in f.metadata.get("rules", {}).items()]
    return Key(path, kind, value, ", ".join([*rules, allowed] if allowed else rules), f.metadata.get("help", ""))


def type_of(hint: Any) -> tuple[str, str]:
    """The type of a value, and its choices where it has some."""
    parts = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
    choices = [str(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    types = dict.fromkeys(TYPES[kind] for part in parts if (kind := get_origin(part) or part) in TYPES)
    return " or ".join(types or ["choice"]), ", ".join([*choices, *(["null"] if type(None) in parts else [])])


def preset_keys(kind: str, name: str, types: Mapping[str, Any]) -> Iterator[Key]:
    """The keys of a launcher or sweeper: defaults and texts as its preset has them."""
    above = ""
    for indent, key, value, text in entries(conf_dir() / "hydra" / kind / f"{name}.yaml"):
        above = above if indent else ""
        if key in OF_HYDRA or (key not in types and not above):
            continue
        path = f"hydra.{kind}.{above}{key}"
        if key in types and isinstance(types[key], tuple):
            yield key_of(path, *types[key], value)._replace(text=text)
        elif value.startswith("#"):
            above = f"{key}."
        else:
            yield Key(path, "passed on", value, "", text) if key not in types else typed(path, types[key], value, text)


def typed(path: str, hint: Any, value: str, text: str) -> Key:
    """The row of an argument of a launcher."""
    kind, allowed = type_of(hint)
    return Key(path, kind, value, allowed, text)


def parameters(cls: type) -> dict[str, Any]:
    """The types of what a launcher takes."""
    return {name: hint for name, hint in inspect.get_annotations(cls.__init__, eval_str=True).items() if name != "return"}


def entries(path: Any) -> Iterator[tuple[str, str, str, str]]:
    """Indentation, key, value and comment of the lines of a preset."""
    for line in path.read_text().splitlines():
        match = ENTRY.match(line)
        if match:
            yield match[1], match[2], match[3], match[4] or ""


def first_line(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n")[0]


def table(keys: Iterable[Key]) -> str:
    """A table of keys."""
    rows = [f"| `{k.name}` | {k.type} | {cell(k.default)} | {escaped(k.allowed)} | {escaped(k.text)} |" for k in keys]
    return "| key | type | default | allowed | what it is |\n|---|---|---|---|---|\n" + "\n".join(rows)


def cell(value: Any) -> str:
    """A value as code."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool) or value is None else str(value)
    return text if " " in text and not text.startswith(("{", "[")) else f"`{text}`"


def escaped(text: str) -> str:
    """Text that a table and Markdown leave as it is."""
    return re.sub(r"([|*<])", r"\\\1", text)
