"""Checks whether a learner and its data fit together, before anything runs, for the shell and for Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

import numpy as np

from framework.config.options import EarlyStopping, Tier
from framework.core.context import Context
from framework.core.errors import ConfigError, DataError, did_you_mean
from framework.core.inspection import NO_COMPONENT, Inspector
from framework.core.signatures import has_method
from framework.core.types import Shape
from framework.data.augmentation import Layout, whole_batch
from framework.data.dataset import Data
from framework.data.validation import checked
from framework.nn.heads import Head
from framework.nn.network import Node
from framework.registry.discovery import discover
from framework.training.bptt import check_carry, check_time_axis, check_truncation, chunks
from framework.training.groups import check_groups
from framework.training.learner import Learner
from framework.training.plan import TrainingPlan
from framework.training.probes import check_nodes
from framework.training.pruning import check_pruning
from framework.training.schedules import check_schedules
from framework.training.targets import check_target_kind


def checked_data(learners: Sequence[Learner], data: Sequence[Data], tier: str) -> list[Data]:
    """The validated data of a training, after all checks of learners and data; called by `framework.training.trainer.train`.

    Raises:
        ConfigError: an option is not what its component declares, or learner and data do not fit together.
        DataError: the data are not what their fields declare, or differ in shape.
    """
    if tier not in get_args(Tier):
        raise ConfigError(f"tier: {tier!r} is not allowed{did_you_mean(tier, get_args(Tier))}")
    check_learners(learners)
    found = [checked(each) for each in data]
    first = found[0]
    for i, each in enumerate(found):
        if each.fields != first.fields or _shapes(each) != _shapes(first):
            raise DataError(f"data set {i} and data set 0 differ in fields, splits or shapes; those of a stack are equal")
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
        if learner.options.keeps_best or stopping != EarlyStopping():
            check_monitor(learner, "val" in data.splits)
        check_layers(learner, data)
        check_clipping(learner)
        check_groups(learner)
        if len(next(iter(data.splits["train"].values()))):  # a trained network is restored without its examples
            plan, measured = TrainingPlan.of(learner.options, data), measured_metrics(learner, "val" in data.splits)
            check_schedules(learner, plan.steps, measured)
            epochs = math.ceil(plan.steps / plan.updates_per_epoch)
            check_pruning(learner.options.prune, measured, epochs, learner.options.validate_every)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def check_fit(learner: Learner, data: Data) -> None:
    """Check that the network, heads and metrics fit the data.

    Raises:
        ConfigError: the learner needs a field or shape that the data lack.
    """
    shapes, nodes = data.shapes(), learner.network.nodes
    for name, shape in learner.network.fields.items():
        if name not in shapes:
            raise ConfigError(f"network: input '{name}' is not a field of the data{did_you_mean(name, shapes)}")
        if shape != shapes[name] and any(name in node.sources for node in nodes.values()):
            raise ConfigError(f"network: input '{name}' has shape {shape}, but the data have {shapes[name]}")
    for name, head in learner.heads.items():
        for source in head.sources:
            if source not in nodes:
                raise ConfigError(f"heads.{name}.from: unknown layer '{source}'{did_you_mean(source, nodes)}")
        check_target(name, head.target, data)
        check_mask(f"heads.{name}.mask", head.mask, "mask", data)
        check_target_kind(f"heads.{name}", "loss", head.loss, head.target, data)
    for name, measure in learner.measures.items():
        if measure.head not in learner.heads:
            hint = did_you_mean(measure.head, learner.heads)
            raise ConfigError(f"metrics.{name}.head: unknown head '{measure.head}'{hint}")
        check_target_kind(f"metrics.{name}", "metric", measure.metric, learner.heads[measure.head].target, data)


def check_sequences(learner: Learner, data: Data) -> None:
    """Check truncation and carried states.

    Raises:
        ValueError: these data or targets cannot be cut, or no state can be carried.
    """
    options = learner.options
    if data.stateful:
        n = len(next(iter(data.splits["train"].values())))
        size = n if options.batch_size == "all" else options.batch_size
        check_carry(learner.network.nodes, data, size, options.accumulate)
    if options.bptt.lag is not None:
        check_time_axis("trainer.bptt.lag", data)
        whole = [n for n, node in learner.network.nodes.items() if getattr(node.layer, "whole_sequences", False)]
        if whole:
            raise ValueError(
                f"trainer.bptt.lag: the gradient of the layer '{whole[0]}', which reads whole sequences, has no lag"
            )
    if options.bptt.chunk is not None:
        targets = [head.target for head in learner.heads.values() if head.target]
        check_truncation(targets, learner.network.nodes, data)
        for name, head in learner.heads.items():
            if getattr(head.loss, "whole_sequences", False):
                kind = type(head.loss).__name__
                raise ValueError(
                    f"trainer.bptt.chunk: the loss {kind} of head '{name}' is that of whole sequences, which cannot be cut; "
                    "trainer.bptt.lag truncates the gradient"
                )
    chunks(data, options.bptt.chunk, options.accumulate)


def check_monitor(learner: Learner, has_validation: bool) -> None:
    """Check that the monitored metric exists.

    Raises:
        ValueError: the metric is not measured, or no validation split exists.
    """
    options, stopping = learner.options, learner.options.early_stopping
    monitor = stopping.monitor
    if not has_validation and not monitor.startswith("train/"):
        key = "keep" if options.keep == "best" else f"early_stopping.{'goal' if stopping.patience is None else 'patience'}"
        raise ValueError(
            f"trainer.{key}: the data set has no validation split; early_stopping.monitor=train/loss needs none"
        )
    measured = measured_metrics(learner, has_validation)
    if monitor not in measured:
        raise ValueError(f"trainer.early_stopping.monitor: '{monitor}' is not measured{did_you_mean(monitor, measured)}")


def check_clipping(learner: Learner) -> None:
    """Check that the gradient is clipped in one way.

    Raises:
        ConfigError: its norm and its values would be clipped.
    """
    norm, value = learner.options.clip_norm, learner.options.clip_value
    if norm is not None and value is not None:
        raise ConfigError(
            f"trainer.clip_value: cannot be combined with trainer.clip_norm (got {value} and {norm}); set one to null"
        )


def measured_metrics(learner: Learner, has_validation: bool) -> list[str]:
    """The metrics of a validation."""
    found = ["val/loss", "train/loss", *(f"val/{name}" for name in learner.measures)] if has_validation else ["train/loss"]
    return found + [f"train/{name}" for name in learner.measures if learner.options.train_metrics]


def check_layers(learner: Learner, data: Data) -> None:
    """Check masks, causality and batch statistics of the layers.

    Raises:
        ConfigError: a mask is missing, a layer reads the target, or a batch has too few values.
    """
    for name, node in learner.network.nodes.items():
        layer: Any = node.layer
        mask = getattr(layer, "mask", None)
        if isinstance(mask, str):
            default = next((f.default for f in fields(layer) if f.name == "mask"), "mask")
            check_mask(f"model.layers.{name}.mask", mask, default, data)
        if getattr(layer, "reads_target", False):
            _check_gold(f"model.layers.{name}.gold", layer.gold, layer.units, data)
    ahead = _ahead(learner.network.nodes, data)
    if ahead:
        _check_causal(learner.network.nodes, learner.heads, data, ahead)
    statistics = {n: node for n, node in learner.network.nodes.items() if getattr(node.layer, "over_batch", False)}
    if statistics:
        _check_batch_statistics(statistics, learner, data)


def check_target(head: str, target: str | None, data: Data) -> None:
    """Check that a head's target is a field of the data.

    Raises:
        ConfigError: unknown field.
    """
    if target is not None and target not in data.fields:
        raise ConfigError(f"heads.{head}.target: unknown field '{target}'{did_you_mean(target, data.fields)}")


def check_mask(path: str, mask: str | None, default: Any, data: Data) -> None:
    """Check that a mask is a field of the data; the default may be absent.

    Raises:
        ConfigError: unknown field, or not a mask.
    """
    if mask is None:
        return
    masks = [name for name, field in data.fields.items() if field.kind == "mask"]
    if mask in data.fields and mask not in masks:
        raise ConfigError(
            f"{path}: the field '{mask}' is of kind {data.fields[mask].kind}, not a mask{did_you_mean('', masks)}"
        )
    if mask not in masks and mask != default:
        raise ConfigError(f"{path}: unknown mask '{mask}'{did_you_mean(mask, masks)}")


def check_changes(learner: Learner, changed: Mapping[str, Layout], data: Data) -> None:
    """Check that losses and layers can read what augmentations change.

    Raises:
        ConfigError: a loss or a layer reads labels that become probabilities of classes, or a mask changes whose sum over
            the parts of an update is needed.
    """
    keys = [f"augmentation.{name}" for name, each in learner.augmentations.items() if whole_batch(each)]
    why = f"{' and '.join(keys)}: the labels '{{}}' become probabilities of classes, which {{}} does not take"
    soft = [name for name, layout in changed.items() if layout.soft]
    for head in learner.heads.values():
        if head.target in soft and not getattr(head.loss, "soft_labels", False):
            fitting = [
                name for name in discover().names("loss") if getattr(discover().get("loss", name), "soft_labels", False)
            ]
            who = f"the loss {type(head.loss).__name__}"
            raise ConfigError(f"{why.format(head.target, who)}; losses that do: {', '.join(fitting)}")
        if head.target in soft and learner.options.accumulate > 1 and _weighs_classes(head):
            start = " and ".join(keys)
            raise ConfigError(f"{start}: the weights of the labels '{head.target}' change, which needs trainer.accumulate=1")
    for name, node in learner.network.nodes.items():
        if getattr(node.layer, "reads_target", False) and getattr(node.layer, "gold", None) in soft:
            raise ConfigError(why.format(node.layer.gold, f"the layer '{name}'"))  # type: ignore[attr-defined]
    masks = [name for name in changed if data.fields[name].kind == "mask"]
    if masks and learner.options.accumulate > 1:
        raise ConfigError(f"{' and '.join(keys)}: the mask '{masks[0]}' changes, which needs trainer.accumulate=1")


def _weighs_classes(head: Head) -> bool:
    """Whether the loss divides by weights that depend on the labels."""
    loss: Any = head.loss
    return has_method(loss, "example_weights") and loss.example_weights(np.zeros(1, np.int64), Context(), None) is not None


def _check_gold(path: str, gold: str, classes: int, data: Data) -> None:
    """Check that the field of correct tags exists, with one tag per step and one class per output."""
    field = data.fields.get(gold)
    sequences = [name for name, f in data.fields.items() if f.kind == "label" and f.axes == "NT"]
    if field is None or gold not in sequences:
        what = (
            "unknown field" if field is None else f"not a label for every step: it has axes {field.axes}, kind {field.kind}"
        )
        raise ConfigError(f"{path}: {what} (got '{gold}'){did_you_mean(gold, sequences)}")
    if field.size != classes:
        raise ConfigError(
            f"{path}: '{gold}' has {field.size} tags, and the layer has {classes} outputs; units: auto sets them"
        )


def _ahead(nodes: Mapping[str, Node], data: Data) -> dict[str, str]:
    """Fields that hold the target of a later step, nodes that read the target of earlier steps, and what is computed from
    them: name -> the field or node where it comes from."""
    ahead = {name: name for name in data.forecast}
    for name, node in nodes.items():
        found = [ahead[s] for s in node.sources if s in ahead]
        if found or getattr(node.layer, "reads_target", False):
            ahead[name] = found[0] if found else name
    return ahead


def _check_causal(nodes: Mapping[str, Node], heads: Mapping[str, Head], data: Data, ahead: Mapping[str, str]) -> None:
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
            origin = next((ahead[s] for s in node.sources if s in ahead), None)
            if whole and origin is not None:
                raise ConfigError(
                    f"model.layers.{node_name}: it reads sequences in reverse, but '{origin}' holds the "
                    f"target '{head.target}' of earlier steps: head '{name}' would read the answer; use a model that only "
                    "reads forwards (model=rnn, lstm, gru)"
                )


def _check_batch_statistics(found: Mapping[str, Node], learner: Learner, data: Data) -> None:
    """Check that layers with batch statistics get two values of each feature, in the smallest batch too."""
    options, n = learner.options, len(next(iter(data.splits["train"].values())))
    if n == 0:  # a trained network is restored without its examples
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
            how = f"use trainer.batch_size={other[0]}" if other else "there is only one example"
            raise ConfigError(
                f"model.layers.{name}: it needs mean and variance of each batch, but with {n} training examples and "
                f"trainer.batch_size={options.batch_size} a batch has a single example, whose variance is 0; {how}"
            )


def _steps(part: slice | None, data: Data) -> int:
    lengths = [data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major]
    return min(lengths, default=1) if part is None else part.stop - part.start


def check_learners(learners: Sequence[Learner]) -> None:
    """Validate the options of all components of the learners.

    Raises:
        ConfigError: an option is not what its component declares.
    """
    inspector, seen = Inspector(NO_COMPONENT, {}), set()
    for learner in learners:
        for name, head in learner.heads.items():
            if not hasattr(head.weight, "ndim"):
                inspector.value(float, head.weight, f"heads.{name}.weight")
        for kind, path, part in _parts(learner):
            if id(part) not in seen:
                seen.add(id(part))
                inspector.component(kind, part, path) if kind else inspector.options(part, path)
    inspector.done()


def _parts(learner: Learner) -> list[tuple[str, str, Any]]:
    """(kind, path, component) of everything in a learner except layers, which their network has validated."""
    parts: list[tuple[str, str, Any]] = [("", "trainer", learner.options)]
    parts += [("loss", f"heads.{name}", head.loss) for name, head in learner.heads.items()]
    parts += [("optimizer", "optimizer", learner.optimizer), ("schedule", "schedule", learner.schedule)]
    parts += [("regularizer", "regularizer", part) for part in learner.regularizers]
    parts += [("augmentation", f"augmentation.{name}", part) for name, part in learner.augmentations.items()]
    parts += [("probe", f"probes.{name}", part) for name, part in learner.probes.items()]
    parts += [("schedule", f"schedules.{name}", part) for name, part in learner.schedules.items()]
    return parts + [("metric", f"metrics.{name}", measure.metric) for name, measure in learner.measures.items()]
