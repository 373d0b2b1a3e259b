"""Parses a resolved configuration into components; raises one ConfigError with every error in it."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from framework.config.options import FigureOptions, GroupOption, ParameterGroup, Tier, TrainerOptions
from framework.config.schema import INHERITED, KEYS, Auto, HeadSettings, Settings
from framework.core.errors import ConfigError, did_you_mean
from framework.core.secrets import masked
from framework.core.validation import Validator
from framework.data.scaling import ScaleOption
from framework.nn.network import Node
from framework.registry.registry import SEVERAL_GROUPS, Registry
from framework.tracking.addresses import fault_of_address
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import About, fault_of_name, fault_of_notes, fault_of_tag, text_of_tag
from framework.tracking.options import Tracking


def parse_config(tree: Mapping[str, Any], registry: Registry, known: dict[bytes, Any] | None = None) -> Settings:
    """Components and options from a configuration.

    Args:
        tree: the configuration, resolved, as plain mappings and lists.
        known: parts of earlier configurations with the same plugins; equal parts share their components.

    Raises:
        ConfigError: with one line for every error.
    """
    j = Validator(registry, {group: tree.get(group) for group in INHERITED})
    for key in tree:
        if key not in KEYS:
            j.add_error(key, f"unknown key{did_you_mean(key, KEYS)}")
    values: dict[str, Any] = {}
    for name, (parse, keys) in PARTS.items():
        values |= _part(j, name, parse, {key: tree[key] for key in keys if key in tree}, known)
    if j.errors:
        raise ConfigError("\n".join(j.errors))
    return Settings(**values, tree=tree)


def _part(
    j: Validator, name: str, parse: Callable[[Validator, Any], Mapping[str, Any]], tree: Any, known: dict[bytes, Any] | None
) -> Mapping[str, Any]:
    """The values of a part of a configuration; the ones known for an equal part, if there are any."""
    if known is None or name in OWN:
        return parse(j, tree)
    try:
        key = marshal.dumps([name, tree, j.groups], 2)  # the same bytes for the same values of the same types only
    except ValueError:  # a date, for example
        return parse(j, tree)
    if key not in known:
        found = parse(j, tree)
        if j.errors:
            return found
        known[key] = found
    values: Mapping[str, Any] = known[key]
    return values


def _inherited(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    for group, value in tree.items():  # validated even if no layer uses them
        if value:
            j.component(group, value, group)
    return {}


def _dataset(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    dataset = dict(_mapping(j, tree.get("dataset"), "dataset"))
    return {
        "dataset_seed": j.value(int, dataset.pop("seed", 0), "dataset.seed"),
        "dataset_scale": j.value(ScaleOption, dataset.pop("scale", "none"), "dataset.scale"),
        "dataset_scale_targets": j.value(bool, dataset.pop("scale_targets", False), "dataset.scale_targets"),
        "dataset": j.component("dataset", dataset, "dataset"),
    }


def _model(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    nodes = _nodes(j, _mapping(j, tree.get("model"), "model"))
    return {"nodes": nodes, "init_from": j.value(str | None, (tree.get("model") or {}).get("init_from"), "model.init_from")}


def _training(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schedule": j.component("schedule", tree.get("schedule") or "constant", "schedule"),
        "schedules": _schedules(j, tree.get("schedules") or {}, tree.get("regularizer")),
        "regularizers": _regularizers(j, tree.get("regularizer")),
        "augmentations": _several(j, tree.get("augmentation"), "augmentation"),
        "probes": _several(j, tree.get("probes"), "probes"),
    }


def _recording(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trainer": j.value(TrainerOptions, tree.get("trainer") or {}, "trainer"),
        "tracking": _tracking(j, tree.get("tracking") or {}),
        "figure": j.value(FigureOptions, tree.get("figure") or {}, "figure"),
    }


def _machine(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "device": j.value(Literal["auto", "cpu", "gpu"], tree.get("device", "auto"), "device"),
        "dtype": j.value(Literal["float32", "float64"], tree.get("dtype", "float32"), "dtype"),
        "threads": _threads(j, tree.get("threads", "auto")),
        "tier": j.value(Tier, tree.get("tier", "auto"), "tier"),
        "plugins": j.value(tuple[str, ...], tree.get("plugins") or [], "plugins"),
        "disable_plugins": j.value(tuple[str, ...], tree.get("disable_plugins") or [], "disable_plugins"),
    }


def _about(j: Validator, name: Any, tags: Any, notes: Any) -> About:
    """The name, the tags and the notes of the run."""
    tags = _mapping(j, tags or {}, "tags")
    faults = {"name": fault_of_name(name) if name is not None else "", "notes": fault_of_notes(notes)}
    faults |= {f"tags.{key}": fault_of_tag(key, value) for key, value in tags.items() if value is not None}
    for path, fault in faults.items():
        if fault:
            j.add_error(path, fault)
    if any(faults.values()):
        return About()
    texts = {str(key): text_of_tag(value) for key, value in tags.items() if value is not None}
    return About(name or "", texts, masked(str(notes)) if notes is not None else "")


def _folds(j: Validator, folds: Any, fold: Any) -> dict[str, int | None]:
    """The number of folds and the fold that validates, both or none."""
    found: dict[str, Any] = {"folds": j.value(int | None, folds, "folds"), "fold": j.value(int | None, fold, "fold")}
    if j.errors:
        return found
    if folds is not None and folds < 2:
        j.add_error("folds", f"{folds} must be at least 2")
    elif folds is None and fold is not None:
        j.add_error("fold", f"{fold} needs the number of folds: folds=5")
    elif folds is not None and fold is None:
        j.add_error("fold", f"missing: with folds={folds}, a run needs the fold that validates, 0 ... {folds - 1}")
    elif folds is not None and not 0 <= fold < folds:
        j.add_error("fold", f"{fold} does not exist; with folds={folds} allowed: 0 ... {folds - 1}")
    return found


def _tracking(j: Validator, value: Any) -> Any:
    tracking = j.value(Tracking, value, "tracking")
    fault = fault_of_address(tracking.uri) if isinstance(tracking, Tracking) and tracking.type != "none" else ""
    return j.add_error("tracking.uri", fault) if fault else tracking


def _threads(j: Validator, value: Any) -> Any:
    threads = j.value(int | Auto, value, "threads")
    return (
        j.add_error("threads", f"{value!r} must be at least 1, or auto")
        if isinstance(threads, int) and threads < 1
        else threads
    )


def _mapping(j: Validator, value: Any, path: str) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, Mapping):
        return value
    j.add_error(path, f"{value!r} is not a mapping")
    return {}


def _nodes(j: Validator, model: Mapping[str, Any]) -> dict[str, Node]:
    """The layers in their order; `after` moves one, null removes one, a group with `repeat` becomes several layers."""
    layers = _kept(j, model.get("layers"), "model.layers")
    nodes: dict[str, Node] = {}
    for name in _ordered(j, layers, "model.layers"):
        group, path = layers[name], f"model.layers.{name}"
        repeats = isinstance(group, Mapping) and "repeat" in group
        made = _repeated(j, group, path) if repeats else {name: _node(j, name, layers, "model.layers")}
        for each in nodes.keys() & made:
            j.add_error(path, f"the name '{each}' is used already")
        nodes |= made
    if not nodes and not j.errors:
        j.add_error("model.layers", "a network needs at least one layer")
    return nodes


def _kept(j: Validator, layers: Any, path: str) -> dict[str, Any]:
    return {name: value for name, value in _mapping(j, layers or {}, path).items() if value is not None}


def _repeated(j: Validator, group: Mapping[str, Any], path: str) -> dict[str, Node]:
    """The layers of a group, renamed for each repetition: `{repeat: 2, layers: {hidden: ..., act: ...}}` is hidden1, act1,
    hidden2, act2. A source inside the group means the layer of the same repetition."""
    keys = ("repeat", "layers", "after")
    for key in group:
        if key not in keys:
            j.add_error(f"{path}.{key}", f"unknown key{did_you_mean(key, keys)}")
    layers = _kept(j, group.get("layers"), f"{path}.layers")
    nodes = {name: _node(j, name, layers, f"{path}.layers") for name in _ordered(j, layers, f"{path}.layers")}
    times = j.value(int, group["repeat"], f"{path}.repeat")
    if isinstance(times, int) and times < 0:
        j.add_error(f"{path}.repeat", f"{times} must be at least 0")
    if j.errors:
        return {}
    return {f"{name}{i}": _of_turn(node, nodes, i) for i in range(1, times + 1) for name, node in nodes.items()}


def _of_turn(node: Node, names: Collection[str], turn: int) -> Node:
    def renamed(name: str) -> str:
        return f"{name}{turn}" if name in names else name

    source, share = node.source, node.share
    found = renamed(source) if isinstance(source, str) else source and tuple(map(renamed, source))
    return replace(node, source=found, share=share and renamed(share))


def _node(j: Validator, name: str, layers: Mapping[str, Any], above: str) -> Any:
    path = f"{above}.{name}"
    given = dict(_mapping(j, layers[name], path))
    if "type" not in given:
        others = [other for other in layers if other != name]
        return j.add_error(path, f"a new layer needs a 'type'; or change a layer by its name{did_you_mean(name, others)}")
    given.pop("after", None)
    source = _source(j, given.pop("from", None), f"{path}.from")
    share = j.value(str | None, given.pop("share", None), f"{path}.share")
    frozen = j.value(bool, given.pop("frozen", False), f"{path}.frozen")
    initial = j.value(Mapping[str, Any], given.pop("initial", None) or {}, f"{path}.initial")
    return Node(j.component("layer", given, path), source, share, frozen, initial)


def _source(j: Validator, value: Any, path: str) -> Any:
    return j.value(tuple[str, ...], value, path) if isinstance(value, list) else j.value(str | None, value, path)


def _ordered(j: Validator, layers: Mapping[str, Any], path: str) -> list[str]:
    order = list(layers)
    for name, value in layers.items():
        before = value.get("after") if isinstance(value, Mapping) else None
        if before is None:
            continue
        if before not in order or before == name:
            j.add_error(f"{path}.{name}.after", f"unknown layer '{before}'{did_you_mean(str(before), layers)}")
            continue
        order.remove(name)
        order.insert(order.index(before) + 1, name)
    return order


def _heads(j: Validator, tree: Mapping[str, Any]) -> dict[str, HeadSettings]:
    """The heads; by default, the group `loss` reads the last node."""
    heads = _mapping(j, tree.get("heads") or {"loss": {}}, "heads")
    return {name: _head(j, value, tree.get("loss") or "auto", f"heads.{name}") for name, value in heads.items()}


def _head(j: Validator, value: Any, group: Any, path: str) -> HeadSettings:
    given = dict(_mapping(j, value, path))
    source = _source(j, given.pop("from", None), f"{path}.from")
    target = j.value(str | None, given.pop("target", "y"), f"{path}.target")
    mask = j.value(str | None, given.pop("mask", "mask"), f"{path}.mask")
    weight = j.value(float, given.pop("weight", 1.0), f"{path}.weight")
    choice, at = (given, path) if given else (group, "loss")
    is_auto = choice == "auto" or (isinstance(choice, Mapping) and choice.get("type") == "auto")
    for key in [key for key in choice if key != "type"] if is_auto and isinstance(choice, Mapping) else ():
        wanted = "loss=softmax_cross_entropy" if at == "loss" else f"{at}.type=softmax_cross_entropy"
        j.add_error(f"{at}.{key}", f"the loss is auto, which has no options (got {choice[key]!r}); name it: {wanted}")
    return HeadSettings("auto" if is_auto else j.component("loss", choice, at), source, target, mask, weight)


def _metrics(j: Validator, value: Any) -> Any:
    """metric -> (component, its head or None), or auto."""
    if value == "auto":
        return "auto"
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {v if isinstance(v, str) else str(_mapping(j, v, "metrics").get("type")): v for v in value}
    out = {}
    for name, choice in _mapping(j, value, "metrics").items():
        given = dict(_mapping(j, choice, f"metrics.{name}"))
        head = j.value(str | None, given.pop("head", None), f"metrics.{name}.head")
        out[name] = (j.component("metric", given, f"metrics.{name}"), head)
    return out


def _regularizers(j: Validator, value: Any) -> tuple[Any, ...]:
    """None, one, or several by name."""
    if not value:
        return ()
    if isinstance(value, Mapping) and "type" not in value and all(isinstance(v, Mapping) for v in value.values()):
        return tuple(j.component("regularizer", v, f"regularizer.{name}") for name, v in value.items())
    return () if _is_unchosen(j, "regularizer", value) else (j.component("regularizer", value, "regularizer"),)


def _is_unchosen(j: Validator, group: str, value: Any) -> bool:
    """Whether options are set of a group in which nothing is chosen, which is an error."""
    if not isinstance(value, Mapping) or "type" in value or any(isinstance(each, Mapping) for each in value.values()):
        return False
    from framework.config.presets import choices

    options = ", ".join(f"{group}.{name}" for name in value)
    j.add_error(group, f"none is chosen that has {options}; {group}=NAME chooses one{did_you_mean('', choices()[group])}")
    return True


def _optimizer(j: Validator, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer and its parameter groups."""
    value = tree.get("optimizer")
    given = dict(value) if isinstance(value, Mapping) else value
    groups = given.pop("groups", None) if isinstance(given, dict) else None
    optimizer, path = j.component("optimizer", given, "optimizer"), "optimizer.groups"
    if groups and not isinstance(groups, list):
        j.add_error(path, f"{groups!r} is not a list of groups; for example [{{match: '*.b', lr: 0.01}}]")
        groups = []
    cls = None if j.errors else type(optimizer)
    return {"optimizer": optimizer, "groups": tuple(_group(j, cls, g, f"{path}[{i}]") for i, g in enumerate(groups or ()))}


def _group(j: Validator, cls: Any, value: Any, path: str) -> ParameterGroup:
    """A parameter group: a pattern of tensors, and options of the optimizer."""
    given = dict(value) if isinstance(value, Mapping) else {}
    if "match" not in given:
        j.add_error(
            path, f"{value!r} needs a 'match' with the tensors that it is for; for example {{match: '*.b', lr: 0.01}}"
        )
    match = j.value(str, given.pop("match", "*"), f"{path}.match")
    options = {} if cls is None else {name: j.option(cls, name, each, f"{path}.{name}") for name, each in given.items()}
    return ParameterGroup(match, tuple(GroupOption(str(name), each) for name, each in options.items()))


def _schedules(j: Validator, value: Any, regularizer: Any, path: str = "") -> dict[str, Any]:
    """option -> its schedule; the mapping is nested like the configuration, or has dotted names."""
    found: dict[str, Any] = {}
    for name, each in _mapping(j, value, "schedules").items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(each, Mapping) and "type" not in each:
            found |= _schedules(j, each, regularizer, here)
        elif each is not None:
            found[_numbered(here, regularizer)] = j.component("schedule", each, f"schedules.{here}")
    return found


def _numbered(path: str, regularizer: Any) -> str:
    """The option of one of several regularizers, which have no names in training."""
    group, _, rest = path.partition(".")
    name, _, option = rest.partition(".")
    if group != "regularizer" or not isinstance(regularizer, Mapping) or name not in regularizer or not option:
        return path
    return f"regularizer.{option}" if len(regularizer) == 1 else f"regularizer.{list(regularizer).index(name)}.{option}"


def _study(j: Validator, value: Any) -> Any:
    return j.component("study", value, "study") if value and not _is_unchosen(j, "study", value) else None


def _several(j: Validator, value: Any, group: str) -> dict[str, Any]:
    """name -> component, in order; null removes one."""
    given = {str(name): {} for name in value} if isinstance(value, list) else _mapping(j, value or {}, group)
    chosen = {name: {"type": name, **_mapping(j, v, f"{group}.{name}")} for name, v in given.items() if v is not None}
    return {name: j.component(SEVERAL_GROUPS[group], v, f"{group}.{name}") for name, v in chosen.items()}


OWN = ("callbacks", "figures", "study", "seed", "folds", "about")  # parts that each job parses: they may have a state
PARTS: Mapping[str, tuple[Callable[[Validator, Mapping[str, Any]], Mapping[str, Any]], Collection[str]]] = {
    "inherited": (_inherited, INHERITED[:2]),
    "dataset": (_dataset, ["dataset"]),
    "model": (_model, ["model"]),
    "heads": (lambda j, tree: {"heads": _heads(j, tree)}, ["heads", "loss"]),
    "metrics": (lambda j, tree: {"metrics": _metrics(j, tree.get("metrics", "auto"))}, ["metrics"]),
    "optimizer": (_optimizer, ["optimizer"]),
    "training": (_training, ["schedule", "schedules", "regularizer", "augmentation", "probes"]),
    "callbacks": (lambda j, tree: {"callbacks": _several(j, tree.get("callbacks"), "callbacks")}, ["callbacks"]),
    "figures": (lambda j, tree: {"figures": _several(j, tree.get("figures"), "figures")}, ["figures"]),
    "study": (lambda j, tree: {"study": _study(j, tree.get("study"))}, ["study"]),
    "recording": (_recording, ["trainer", "tracking", "figure"]),
    "seed": (lambda j, tree: {"seed": j.value(int, tree.get("seed", 0), "seed")}, ["seed"]),
    "folds": (lambda j, tree: _folds(j, tree.get("folds"), tree.get("fold")), ["folds", "fold"]),
    "machine": (_machine, ["device", "dtype", "threads", "tier", "plugins", "disable_plugins"]),
    "about": (lambda j, tree: {"about": _about(j, tree.get("name"), tree.get("tags"), tree.get("notes"))}, ABOUT),
}
