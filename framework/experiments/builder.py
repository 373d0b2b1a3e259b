"""Builds a learner from settings and data: `auto` options are resolved, and all parts are checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from framework.config.schema import HeadSettings, Settings
from framework.core.errors import ConfigError, did_you_mean
from framework.core.memory import limited
from framework.core.signatures import has_method
from framework.core.types import Shape
from framework.data.augmentation import check_augmentations
from framework.data.dataset import Data, Field
from framework.inference.evaluation import HeadMetric
from framework.nn.heads import Head
from framework.nn.network import Network, Node
from framework.registry.discovery import discover
from framework.training.check import check, check_changes, check_mask, check_target
from framework.training.learner import Learner
from framework.training.memory import check_memory
from framework.training.targets import check_target_kind, target_kind

# The loss for `auto`, by the kind of target.
LOSSES = {
    "real": "mse",
    "label": "softmax_cross_entropy",
    "binary": "softmax_cross_entropy",
    "columns": "binary_cross_entropy",
}


def assemble(settings: Settings, data: Data) -> Learner:
    """A learner for these data.

    Raises:
        ConfigError: the settings and the data do not fit together.
    """
    nodes = _with_sizes(settings.nodes, data)
    heads = {name: _head(name, head, nodes, data) for name, head in settings.heads.items()}
    for name, head in heads.items():
        _set_units(name, head, nodes, data)
    _check_units(nodes)
    try:
        network = Network(nodes, data.shapes())
        with limited():
            tensors, shapes = network.preview(settings.seed)
        network.arena(tensors)
        check_memory(network.nodes, tensors, shapes, data, settings)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    for name, head in heads.items():
        _check_steps(name, head, shapes, data, network)
        _check_width(name, head, shapes, data)
    learner = Learner(
        network=network,
        heads=heads,
        optimizer=settings.optimizer,
        groups=settings.groups,
        schedule=settings.schedule,
        schedules=settings.schedules,
        options=settings.trainer,
        regularizers=settings.regularizers,
        augmentations=settings.augmentations,
        probes=settings.probes,
        measures=_measures(settings, heads, data),
    )
    for name, measure in learner.measures.items():
        _check_metric_width(name, measure, heads, shapes, data)
    check(learner, data)
    _check_augmentations(learner, data, settings.dtype)
    return learner


def scaled_targets(settings: Settings, heads: Mapping[str, Head], data: Data) -> list[str]:
    """The real targets that are scaled: all but images, and those whose loss needs their own unit."""
    how = data.scale if settings.dataset_scale == "auto" else settings.dataset_scale
    if how == "none" or not settings.dataset_scale_targets:
        return []
    kept = {head.target for head in heads.values() if getattr(head.loss, "own_unit", False)}
    real = [name for name, f in data.fields.items() if f.kind == "real" and f.axes != "NCHW" and name not in kept]
    return [name for name in real if any(head.target == name for head in heads.values())]


def _head(name: str, head: HeadSettings, nodes: Mapping[str, Node], data: Data) -> Head:
    source = head.source or list(nodes)[-1]
    sources = (source,) if isinstance(source, str) else source
    for node in sources:
        if node not in nodes:
            raise ConfigError(f"heads.{name}.from: unknown layer '{node}'{did_you_mean(node, nodes)}")
    check_target(name, head.target, data)
    loss: Any = head.loss
    kind = target_kind(data.fields[head.target]) if head.target else None
    own = _own_loss(nodes[sources[0]]) if len(sources) == 1 else None
    if own is not None and (loss == "auto" or isinstance(loss, own)):
        loss, sources = own() if loss == "auto" else loss, (*_read_by(sources[0], nodes), *sources)
    if loss == "auto":
        if kind not in LOSSES:
            raise ConfigError(f"heads.{name}.type: auto needs a target of real numbers or labels; name a loss")
        loss = discover().get("loss", LOSSES[kind])()
    _check_arguments(f"heads.{name}", loss, sources, head.target)
    check_target_kind("loss" if name == "loss" else f"heads.{name}", "loss", loss, head.target, data)
    return Head(loss, sources if len(sources) > 1 else sources[0], head.target, _mask(name, head, data), head.weight)


def _own_loss(node: Node) -> Any:
    """The class of the loss that belongs to a layer, such as the crf to transitions; None for most layers."""
    name = getattr(node.layer, "loss", None)
    return discover().get("loss", name) if isinstance(name, str) else None


def _mask(name: str, head: HeadSettings, data: Data) -> str | None:
    """The head's mask; a mask over steps does not apply to targets that a sequence has once."""
    check_mask(f"heads.{name}.mask", head.mask, "mask", data)
    mask, target = data.fields.get(str(head.mask)), data.fields.get(str(head.target))
    return None if mask and target and mask.time_major and not target.time_major else head.mask


def _check_arguments(path: str, criterion: Any, sources: tuple[str, ...], target: str | None) -> None:
    """Check the number of layers and the target of a loss or metric; without declarations, any are accepted."""
    who, targets = type(criterion).__name__, getattr(criterion, "targets", None)
    n = getattr(criterion, "sources", len(sources) if targets is None else 1)
    if len(sources) != n:
        wanted = "one layer" if n == 1 else f"{n} layers, from: [{', '.join('abcdefgh'[:n])}]"
        raise ConfigError(f"{path}: {who} reads {wanted} (got {', '.join(sources)})")
    if targets == () and target is not None:
        raise ConfigError(f"{path}: {who} takes no target (got '{target}'); set target: null")
    if targets and target is None:
        raise ConfigError(f"{path}: {who} needs a target of kind {' or '.join(targets)}, but the head has none")


def _with_sizes(nodes: Mapping[str, Node], data: Data) -> dict[str, Node]:
    """The nodes, with vocabulary sizes for those that read a field of ids, and the steps of sequences of one length."""
    out, before = dict(nodes), next(iter(data.fields))
    first: dict[str, str] = {}  # node -> the field that it reads first, directly or by way of other nodes
    reached: dict[str, set[str]] = {name: {name} for name in data.fields}  # node -> all such fields
    for name, node in nodes.items():
        sources, before = node.sources or (before,), name
        source = sources[0]
        reached[name] = {field for each in sources for field in reached.get(each, ())}
        first[name] = first.get(source, source)
        layer: Any = node.layer
        field, size = data.fields.get(first[name]), getattr(layer, "size", None)
        if size is not None and field is not None and field.kind == "id":
            if size == "auto":
                out[name] = replace(node, layer=_with_words(name, replace(layer, size=field.size), first[name], field))
            elif source in data.fields and size < field.size:
                raise ConfigError(
                    f"model.layers.{name}.size: '{source}' has {field.size} symbols (got {size}); auto sets it"
                )
        steps = _steps(reached[name], data) if getattr(layer, "steps", None) == "auto" else None
        if steps is not None:
            out[name] = replace(node, layer=replace(layer, steps=steps))
    return out


def _with_words(name: str, layer: Any, source: str, field: Field) -> Any:
    """The layer, with the names of its ids if it looks them up in a file of vectors."""
    if getattr(layer, "vectors", None) is None or layer.words != "auto":
        return layer
    if not field.names:
        raise ConfigError(f"model.layers.{name}.vectors: the data set does not name the symbols of '{source}'")
    return replace(layer, words=field.names)


def _steps(fields: Collection[str], data: Data) -> int | None:
    """The length of all sequences in these fields; None if there are none, or of several lengths."""
    series = [name for name in fields if data.fields[name].time_major]
    lengths = {split[name].shape[1] for split in data.splits.values() for name in series}
    return lengths.pop() if len(lengths) == 1 else None


def _set_units(name: str, head: Head, nodes: dict[str, Node], data: Data) -> None:
    """Set the units of the layer that a head reads (perhaps through layers without units) as its target needs."""
    if not (isinstance(head.source, str) or hasattr(head.loss, "columns")) or head.target is None:
        return
    node = head.sources[0]
    while getattr(nodes[node].layer, "units", None) is None:
        before = _read_by(node, nodes)
        if len(before) != 1 or before[0] not in nodes:
            return
        node = before[0]
    layer: Any = nodes[node].layer
    if layer.units == "auto":
        nodes[node] = replace(nodes[node], layer=replace(layer, units=_outputs(head, data)))


def _read_by(name: str, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """What a node reads: the node before it unless it names its sources; nothing known for the first."""
    order = list(nodes)
    at = order.index(name)
    return nodes[name].sources or ((order[at - 1],) if at else ())


def _outputs(head: Head, data: Data) -> int:
    """The number of outputs that a target needs, or that the loss needs for such a target."""
    assert head.target is not None
    field = data.fields[head.target]
    loss: Any = head.loss
    if target_kind(field) in ("label", "binary"):
        columns = 1 if "label" not in getattr(loss, "targets", ("label",)) else field.size
    else:
        columns = int(data.splits["train"][head.target].shape[-1])
    return int(loss.width(columns)) if has_method(loss, "width") else columns


def _shortened(network: Network, shapes: Mapping[str, Shape]) -> dict[str, str]:
    """The nodes with fewer steps than the data -> the layer that shortens them."""
    found: dict[str, str] = {}
    for name, node in network.nodes.items():
        before = [found[s] for s in node.sources if s in found]
        if getattr(node.layer, "shortens", False) and len(shapes[node.sources[0]]) == 2:
            before.append(name)
        if before and shapes[name][:1] == (None,):
            found[name] = before[0]
    return found


def _check_steps(name: str, head: Head, shapes: Mapping[str, Shape], data: Data, network: Network) -> None:
    if head.target is None or not hasattr(head.loss, "targets"):
        return
    wanted = data.fields[head.target].time_major
    shortened = _shortened(network, shapes)
    for source in head.sources:
        if wanted and source in shortened:
            raise ConfigError(
                f"model.layers.{shortened[source]}: its output has fewer steps than its input, but head '{name}' has a "
                f"target '{head.target}' for every step; set padding: same"
            )
        given = shapes[source][:1] == (None,)
        if given and not wanted:
            raise ConfigError(
                f"model.layers.{source}: it has an output for every step, but head '{name}' has one target "
                f"'{head.target}' for a sequence; set output: last in a recurrent layer (presets: model.output=last)"
            )
        if wanted and not given:
            raise ConfigError(
                f"model.layers.{source}: it has one output for a sequence, but head '{name}' has a target '{head.target}' "
                "for every step; set output: all in a recurrent layer (presets: model.output=all)"
            )


def _check_width(name: str, head: Head, shapes: Mapping[str, Shape], data: Data) -> None:
    columns, who = getattr(head.loss, "columns", None), type(head.loss).__name__
    if columns is None and len({shapes[source] for source in head.sources}) > 1 and hasattr(head.loss, "sources"):
        shown = ", ".join(f"'{source}' has {shapes[source]}" for source in head.sources)
        raise ConfigError(f"heads.{name}: {who} needs outputs of equal shape; {shown}")
    if head.target is None or not hasattr(head.loss, "targets"):
        return
    if isinstance(head.source, str) or columns is not None:
        source = head.sources[0]
        given, needed = shapes[source][-1], _outputs(head, data)
        if given != needed:
            raise ConfigError(
                f"model.layers.{source}: it has {given} outputs, but head '{name}' needs {needed} for the target "
                f"'{head.target}' (units: auto on the last dense layer sets the number)"
            )
    for source, k in zip(head.sources, columns(needed) if columns is not None else (), strict=False):
        if shapes[source][-1] != k:
            raise ConfigError(
                f"heads.{name}: {who} needs {k} outputs of '{source}' for the target '{head.target}' (got "
                f"{shapes[source][-1]}); it reads the emissions first, then a layer transitions"
            )


def _check_metric_width(
    name: str, measure: HeadMetric, heads: Mapping[str, Head], shapes: Mapping[str, Shape], data: Data
) -> None:
    """Check that a metric of raw outputs gets as many as a loss with its targets would need."""
    head = replace(heads[measure.head], loss=measure.metric)  # type: ignore[arg-type]
    raw = getattr(measure.metric, "raw", False) and getattr(measure.metric, "targets", ())
    if not raw or head.target is None or not isinstance(head.source, str):
        return
    given, needed = shapes[head.source][-1], _outputs(head, data)
    if given != needed:
        raise ConfigError(
            f"metrics.{name}: {type(measure.metric).__name__} needs {needed} outputs for the target '{head.target}', but "
            f"'{head.source}' has {given}"
        )


def _check_augmentations(learner: Learner, data: Data, dtype: str) -> None:
    held = {name: data.splits["train"][name][:2] for name in data.fields}
    held = {name: a.astype(dtype) if data.fields[name].kind in ("real", "mask") else a for name, a in held.items()}
    try:
        check_changes(learner, check_augmentations(learner.augmentations, data.fields, held), data)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_units(nodes: Mapping[str, Node]) -> None:
    for name, node in nodes.items():
        if getattr(node.layer, "units", None) == "auto":
            raise ConfigError(
                f"model.layers.{name}.units: auto needs a layer that a loss reads "
                "and compares with a target; give a number of units"
            )


def _measures(settings: Settings, heads: Mapping[str, Head], data: Data) -> dict[str, HeadMetric]:
    """The metrics of every head; with several heads, a metric's name begins with that of its head."""
    if settings.metrics != "auto":
        return {name: _measure(name, metric, head, heads, data) for name, (metric, head) in settings.metrics.items()}
    out: dict[str, HeadMetric] = {}
    scaled = scaled_targets(settings, heads, data)
    for name, head in heads.items():
        found: dict[str, Any] = {}
        if head.target and data.fields[head.target].kind == "label":
            found["accuracy"] = discover().get("metric", "accuracy")()
        elif head.target in scaled and _outputs(head, data) == 1:  # the loss is not in its unit
            found["mae"] = discover().get("metric", "mae")()
        elif hasattr(head.loss, "margin") and len(head.sources) == 2:
            pairs = discover().get("metric", "pairwise_accuracy")
            found = {"pairwise_accuracy": pairs(), "margin_kept": pairs(head.loss.margin)}
        out |= {metric if len(heads) == 1 else f"{name}/{metric}": HeadMetric(made, name) for metric, made in found.items()}
    return out


def _measure(name: str, metric: Any, of: str | None, heads: Mapping[str, Head], data: Data) -> HeadMetric:
    known = _known(name, of, heads)
    sources = heads[known].sources if getattr(metric, "raw", False) else ("the prediction",)
    _check_arguments(f"metrics.{name}", metric, sources, heads[known].target)
    check_target_kind(f"metrics.{name}", "metric", metric, heads[known].target, data)
    named = _with_names(name, _with_tags(name, metric, heads[known].target, data), heads[known].target, data)
    return HeadMetric(named, known)


def _with_names(name: str, metric: Any, target: str | None, data: Data) -> Any:
    """The metric, with the names of the classes or label columns for their values, or their numbers."""
    if getattr(metric, "names", None) is None or target is None:
        return metric
    known = data.names_of(target)
    if target_kind(data.fields[target]) == "columns" and len(known) != (F := data.splits["train"][target].shape[-1]):
        known = [str(k) for k in range(F)]
    if metric.names != "auto" and len(metric.names) != len(known):
        raise ConfigError(f"metrics.{name}.names: '{target}' has {len(known)} classes (got {len(metric.names)} names)")
    return replace(metric, names=tuple(known)) if metric.names == "auto" else metric


def _with_tags(name: str, metric: Any, target: str | None, data: Data) -> Any:
    """The metric, with the names of the classes if it needs them."""
    if getattr(metric, "tags", None) is None or target is None:
        return metric
    field = data.fields[target]
    names, needed = (field.names or data.names if metric.tags == "auto" else metric.tags), field.size
    if len(names) != needed:
        got = f"the data set has {len(names)} names" if metric.tags == "auto" else f"got {len(names)} names"
        raise ConfigError(
            f"metrics.{name}.tags: '{target}' has {needed} classes, but {got}; give a name for each: [O, B-PER, I-PER]"
        )
    try:
        return replace(metric, tags=tuple(names))
    except ValueError as error:
        raise ConfigError(f"metrics.{name}: {error}") from error


def _known(metric: str, head: str | None, heads: Mapping[str, Head]) -> str:
    if head is not None and head not in heads:
        raise ConfigError(f"metrics.{metric}.head: unknown head '{head}'{did_you_mean(head, heads)}")
    return head or next(iter(heads))
