"""All keys of a configuration with type, default and allowed values, for `stackprop describe` and the reference."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, is_dataclass
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from framework.config.options import FigureOptions, TrainerOptions
from framework.config.schema import INHERITED, Settings
from framework.core.options import declared
from framework.core.validation import PROTOCOLS
from framework.registry.discovery import discover
from framework.registry.registry import conf_dir
from framework.tracking.options import Tracking

SIGNS = {"above": ">", "least": ">=", "below": "<", "most": "<="}
COLUMNS = ("option", "type", "default", "range", "per replica", "")
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", tuple: "list", Mapping: "mapping"}
SECTIONS = {"trainer": TrainerOptions, "tracking": Tracking, "figure": FigureOptions}
ENTRY = re.compile(r"^(\s*)(\w+):\s+(\S.*?)(?:\s+#\s*(.*))?$")

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


def general() -> Iterator[Key]:
    """The keys of `conf/config.yaml` that are neither a group nor a section."""
    hints = {**typing.get_type_hints(Settings), "name": str | None, "tags": Mapping[str, str], "notes": str | None}
    for _, name, value, text in entries(conf_dir() / "config.yaml"):
        if name in hints and name not in SECTIONS:
            kind, allowed = type_of(hints[name])
            yield Key(name, kind, value, allowed, text)


def options(prefix: str, cls: Any) -> Iterator[Key]:
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


def entries(path: Any) -> Iterator[tuple[str, str, str, str]]:
    """Indentation, key, value and comment of the lines of a preset."""
    for line in path.read_text().splitlines():
        match = ENTRY.match(line)
        if match:
            yield match[1], match[2], match[3], match[4] or ""


def first_line(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n")[0]


def options_of(component: type) -> list[tuple[str, ...]]:
    """The options of a component as text: the COLUMNS of a table."""
    rows: list[tuple[str, ...]] = []
    for name, (hint, f) in declared(component).items():
        rules = ", ".join(f"{SIGNS[rule]} {bound}" for rule, bound in f.metadata.get("rules", {}).items())
        stackable = "yes" if f.metadata.get("stackable") else ""
        rows.append((name, type_name(hint), default(f), rules, stackable, f.metadata.get("help", "")))
    return rows


def type_name(hint: Any) -> str:
    """The name of a type, as users read it."""
    if hint in PROTOCOLS:
        return PROTOCOLS[hint]
    names = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}
    if hint in names:
        return names[hint]
    arguments = [a for a in get_args(hint) if a is not Any]
    if get_origin(hint) in (list, tuple):
        return f"list of {type_name(arguments[0])}s"
    if get_origin(hint) is not None and not isinstance(hint, type) and all(isinstance(a, str | int) for a in arguments):
        return ", ".join(map(str, arguments))
    return " or ".join(map(type_name, arguments)) if arguments else getattr(hint, "__name__", str(hint))


def default(f: Any) -> str:
    """The default of an option, as a user would write it."""
    if f.default is MISSING and f.default_factory is MISSING:
        return "required"
    group, value = f.metadata.get("group"), f.default_factory() if f.default is MISSING else f.default
    if group:
        name = next(name for name, entry in discover().entries[group].items() if entry.component is type(value))
        return f"the group {group}, otherwise {name}" if group in INHERITED else name
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
