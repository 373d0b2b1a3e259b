"""Whether a learner and its data go together: found out before anything runs, by whatever route they come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

from framework.config.options import EarlyStopping, Tier
from framework.core.errors import ConfigError, DataError, did_you_mean
from framework.core.inspection import NO_COMPONENT, Inspector
from framework.core.types import Shape
from framework.data.dataset import Data, Field
from framework.data.validation import checked
from framework.nn.heads import Head
from framework.nn.network import Node
from framework.registry.discovery import discover
from framework.training.bptt import check_carry, check_time_axis, check_truncation, chunks
from framework.training.learner import Learner
from framework.training.probes import check_nodes


def checked_data(learners: Sequence[Learner], data: Sequence[Data], tier: str) -> list[Data]:
    """The data as they may be trained on: the door of `framework.training.trainer.train`.

    Raises:
        ConfigError: an option is not what its component declares, or learner and data do not go together.
        DataError: the data are not what their fields declare, or not alike.
    """
    if tier not in get_args(Tier):
        raise ConfigError(f"tier: {tier!r} is not allowed{did_you_mean(tier, get_args(Tier))}")
    check_learners(learners)
    found = [checked(each) for each in data]
    first = found[0]
    for i, each in enumerate(found):
        if each.fields != first.fields or _shapes(each) != _shapes(first):
            raise DataError(f"data set {i} has other fields, splits or shapes than data set 0; those of a stack are alike")
    check(learners[0], first)
    return found


def _shapes(data: Data) -> dict[str, dict[str, Shape]]:
    return {split: {name: arrays[name].shape for name in data.fields} for split, arrays in data.splits.items()}


def check(learner: Learner, data: Data) -> None:
    """Check what every training needs: called by `train`, and for a configuration before anything runs.

    Raises:
        ConfigError: learner and data do not fit together.
    """
    try:
        check_fit(learner, data)
        check_nodes(learner.probes, learner.network)
        check_sequences(learner, data)
        stopping = learner.options.early_stopping
        if stopping.patience or learner.options.keeps_best or stopping.monitor != EarlyStopping().monitor:
            check_monitor(learner, "val" in data.splits)
        check_layers(learner, data)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def check_fit(learner: Learner, data: Data) -> None:
    """
    Raises:
        ConfigError: the learner reads what the data have not, or in another shape, or would learn what it must not.
    """
    shapes, nodes = data.shapes(), learner.network.nodes
    for name, shape in learner.network.fields.items():
        if name not in shapes:
            raise ConfigError(f"network: it reads '{name}', and the data have no such field{did_you_mean(name, shapes)}")
        if shape != shapes[name] and any(name in node.sources for node in nodes.values()):
            raise ConfigError(f"network: it reads '{name}' of shape {shape}, and the data have {shapes[name]}")
    for name, head in learner.heads.items():
        for source in head.sources:
            if source not in nodes:
                raise ConfigError(f"heads.{name}.from: unknown layer '{source}'{did_you_mean(source, nodes)}")
        check_target(name, head.target, data)
        check_mask(f"heads.{name}.mask", head.mask, "mask", data)
        check_target_kind(f"heads.{name}", "loss", head.loss, head.target, data)
    for name, measure in learner.measures.items():
        if measure.head not in learner.heads:
            raise ConfigError(f"metrics.{name}.head: no head '{measure.head}'{did_you_mean(measure.head, learner.heads)}")
        check_target_kind(f"metrics.{name}", "metric", measure.metric, learner.heads[measure.head].target, data)


def check_sequences(learner: Learner, data: Data) -> None:
    """
    Raises:
        ValueError: these data or targets cannot be cut, or a state cannot be carried on.
    """
    options = learner.options
    if data.stateful:
        n = len(next(iter(data.splits["train"].values())))
        size = n if options.batch_size == "all" else options.batch_size
        check_carry(learner.network.nodes, data, size, options.accumulate)
    if options.bptt.lag is not None:
        check_time_axis("trainer.bptt.lag", data)
    if options.bptt.chunk is not None:
        targets = [head.target for head in learner.heads.values() if head.target]
        check_truncation(targets, learner.network.nodes, data)
    chunks(data, options.bptt.chunk, options.accumulate)


def check_monitor(learner: Learner, has_validation: bool) -> None:
    """
    Raises:
        ValueError: early stopping watches what is not measured, or there is no validation to choose the best weights by.
    """
    options = learner.options
    if not has_validation:
        key = "keep" if options.keep == "best" else "early_stopping.patience"
        raise ValueError(f"trainer.{key}: the data set has no validation split to watch")
    measured = ["val/loss", *(f"val/{name}" for name in learner.measures)]
    measured += [f"train/{name}" for name in learner.measures if options.train_metrics]
    monitor = options.early_stopping.monitor
    if monitor not in measured:
        raise ValueError(f"trainer.early_stopping.monitor: '{monitor}' is not measured{did_you_mean(monitor, measured)}")


def check_layers(learner: Learner, data: Data) -> None:
    """
    Raises:
        ConfigError: a layer names a mask that is not there, reads the answer, or has too few values in a batch.
    """
    for name, node in learner.network.nodes.items():
        layer: Any = node.layer
        mask = getattr(layer, "mask", None)
        if isinstance(mask, str):
            default = next((f.default for f in fields(layer) if f.name == "mask"), "mask")
            check_mask(f"model.layers.{name}.mask", mask, default, data)
    if data.forecast:
        _check_causal(learner.network.nodes, learner.heads, data)
    statistics = {n: node for n, node in learner.network.nodes.items() if getattr(node.layer, "over_batch", False)}
    if statistics:
        _check_batch_statistics(statistics, learner, data)


def check_target(head: str, target: str | None, data: Data) -> None:
    """
    Raises:
        ConfigError: the data have no such field.
    """
    if target is not None and target not in data.fields:
        raise ConfigError(f"heads.{head}.target: the data have no field '{target}'{did_you_mean(target, data.fields)}")


def check_mask(path: str, mask: str | None, default: Any, data: Data) -> None:
    """The default may be absent, as most data have no mask.

    Raises:
        ConfigError: there is no such field, or it is not a mask.
    """
    if mask is None:
        return
    masks = [name for name, field in data.fields.items() if field.kind == "mask"]
    if mask in data.fields and mask not in masks:
        raise ConfigError(
            f"{path}: the field '{mask}' is of kind {data.fields[mask].kind}, not a mask{did_you_mean('', masks)}"
        )
    if mask not in masks and mask != default:
        raise ConfigError(f"{path}: the data have no mask '{mask}'{did_you_mean(mask, masks)}")


def target_kind(field: Field) -> str:
    """real, label (one class per example), binary (one of two classes), or columns (several labels may hold at once)."""
    if field.kind != "label":
        return field.kind
    return "columns" if field.axes.endswith("F") else "binary" if field.size == 2 else "label"


def accepts(judge: Any, kind: str) -> bool:
    """Whether a loss or metric takes such targets; one that does not say takes all."""
    targets = getattr(judge, "targets", (kind,))
    return kind in targets or (kind == "binary" and "label" in targets)


def check_target_kind(path: str, role: str, judge: Any, target: str | None, data: Data) -> None:
    """
    Args:
        role: loss or metric.

    Raises:
        ConfigError: a loss or metric does not take such a target.
    """
    if target is None or accepts(judge, target_kind(data.fields[target])):
        return
    kind, inner = target_kind(data.fields[target]), getattr(judge, "loss", None)
    if inner is not None:  # a metric that is the mean of a loss: what it lacks is another loss
        path, role, judge = f"{path}.loss", "loss", inner
    fitting = [name for name in discover().names(role) if _may_accept(discover().get(role, name), kind)]
    raise ConfigError(
        f"{path}: {type(judge).__name__} takes targets of kind {' or '.join(judge.targets) or 'none'}, and '{target}' is "
        f"{kind}; {role + 'e' if role == 'loss' else role}s for it are {', '.join(fitting)}"
    )


def _may_accept(component: Any, kind: str) -> bool:
    """Of a class, whose targets may depend on an option."""
    return isinstance(getattr(component, "targets", None), property) or accepts(component, kind)


def _check_causal(nodes: Mapping[str, Node], heads: Mapping[str, Head], data: Data) -> None:
    ahead = set(data.forecast)  # what holds the answer at a later step, and what is computed from it
    for name, node in nodes.items():
        if ahead.intersection(node.sources):
            ahead.add(name)
    for name, head in heads.items():
        if head.target is None or not data.fields[head.target].time_major:
            continue
        before = set(head.sources)
        for node_name, node in reversed(list(nodes.items())):
            layer: Any = node.layer
            if node_name not in before:
                continue
            before.update(node.sources)
            whole = getattr(layer, "reverse", False) or getattr(layer, "output", "all") != "all"
            if whole and ahead.intersection(node.sources):
                raise ConfigError(
                    f"model.layers.{node_name}: it reads the sequence up to its end, and the target '{head.target}' of a "
                    f"step is what '{', '.join(data.forecast)}' holds at a later one: head '{name}' would read the answer; "
                    "only a model that reads forwards can predict it (model=rnn, lstm, gru)"
                )


def _check_batch_statistics(found: Mapping[str, Node], learner: Learner, data: Data) -> None:
    """Layers with statistics over the batch need two values of each feature, in the smallest batch too."""
    options, n = learner.options, len(next(iter(data.splits["train"].values())))
    if n == 0:  # a trained network is put together again, without its examples
        return
    size = n if options.batch_size == "all" else min(options.batch_size, n)
    ends = options.steps is None or options.steps >= math.ceil(n / (size * options.accumulate))
    least = (n % size or size) if ends else size
    if least != 1:
        return
    steps = min((_steps(part, data) for part in chunks(data, options.bptt.chunk, options.accumulate)), default=1)
    shapes = learner.network.shapes
    for name, node in found.items():
        shape = shapes[node.sources[0]]
        values = {1: 1, 2: steps}.get(len(shape), math.prod(shape[1:]))
        if values == 1:
            other = [b for b in (*range(size, 1, -1), *range(size + 1, n + 1)) if b <= n and n % b != 1]
            how = f"trainer.batch_size={other[0]} leaves none" if other else "there is only one"
            raise ConfigError(
                f"model.layers.{name}: it takes mean and variance over each batch, and with {n} training examples and "
                f"trainer.batch_size={options.batch_size} a batch has a single example, whose variance is 0; {how}"
            )


def _steps(part: slice | None, data: Data) -> int:
    lengths = [data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major]
    return min(lengths, default=1) if part is None else part.stop - part.start


def check_learners(learners: Sequence[Learner]) -> None:
    """
    Raises:
        ConfigError: an option of a component of a learner is not what is declared.
    """
    judge, seen = Inspector(NO_COMPONENT, {}), set()
    for learner in learners:
        for name, head in learner.heads.items():
            if not hasattr(head.weight, "ndim"):
                judge.value(float, head.weight, f"heads.{name}.weight")
        for kind, path, part in _parts(learner):
            if id(part) not in seen:
                seen.add(id(part))
                judge.component(kind, part, path) if kind else judge.options(part, path)
    judge.done()


def _parts(learner: Learner) -> list[tuple[str, str, Any]]:
    """(kind, path, component) of all that a learner is made of, but its layers, which their network has inspected."""
    parts: list[tuple[str, str, Any]] = [("", "trainer", learner.options)]
    parts += [("loss", f"heads.{name}", head.loss) for name, head in learner.heads.items()]
    parts += [("optimizer", "optimizer", learner.optimizer), ("schedule", "schedule", learner.schedule)]
    parts += [("regularizer", "regularizer", part) for part in learner.regularizers]
    parts += [("augmentation", f"augmentation.{name}", part) for name, part in learner.augmentations.items()]
    parts += [("probe", f"probes.{name}", part) for name, part in learner.probes.items()]
    return parts + [("metric", f"metrics.{name}", measure.metric) for name, measure in learner.measures.items()]
