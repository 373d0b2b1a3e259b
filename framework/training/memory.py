"""Estimates the memory of one replica: how wide a stack may be, and into which slices it is cut.

The estimate uses the tensors and the outputs of the nodes; the caches for the backward pass are guessed from those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from framework.config.schema import Settings
from framework.core.memory import format_bytes, free_bytes
from framework.core.types import Params, Shape
from framework.data.dataset import Data
from framework.inference.evaluation import EVALUATION_BATCH, EVALUATION_STEPS
from framework.nn.drawing import large
from framework.nn.network import Node
from framework.training.learner import Learner

SLOTS = 4  # arrays as large as the parameters that a step uses: weights, gradient, two of the optimizer
KEPT = 3  # arrays as large as a node's output that a step uses: the output, its gradient, one cache
KEPT_IN_TIME = 8  # the same for a node over time: gates, states and their gradients
SPARE = 3  # best weights, metrics, temporary arrays
SHARE = 0.25  # of the free memory that one stack may take


@dataclass(frozen=True)
class Footprint:
    """The memory of a replica, in bytes.

    Attributes:
        step: arrays that a training step uses.
        whole: permanent arrays, plus the larger of a step and a validation.
    """

    step: int
    whole: int


def footprint(learner: Learner, data: Data, dtype: Any, own_data: bool = False) -> Footprint:
    """The memory of one replica.

    Args:
        own_data: whether each replica has a separate data set.
    """
    shapes = _with_letters(learner.network.shapes, data)
    train = next(iter(data.splits["train"].values()))
    longest = max((data.splits["train"][n].shape[1] for n, f in data.fields.items() if f.time_major), default=1)
    size, n = learner.options.batch_size, len(train)
    rows = n if size == "all" else min(size, n)
    measured = min(n, EVALUATION_BATCH, max(1, EVALUATION_STEPS // longest))
    steps = min(longest, learner.options.bptt.chunk or longest)
    outputs, item = _outputs(shapes, 1), np.dtype(dtype).itemsize
    weights = item * sum(map(prod, learner.network.tensor_shapes.values()))
    step = SLOTS * weights + item * rows * _outputs(shapes, steps, KEPT, KEPT_IN_TIME)
    validation = item * measured * (_outputs(shapes, longest) + outputs)
    of_data = sum(a.nbytes for split in data.splits.values() for a in split.values()) if own_data else 0
    return Footprint(step, SPARE * weights + max(step, validation) + of_data)


def check_memory(
    nodes: Mapping[str, Node], tensors: Mapping[str, Params], shapes: Mapping[str, Shape], data: Data, settings: Settings
) -> None:
    """Check that a training fits into memory.

    Raises:
        ValueError: weights, their gradient and the outputs of the nodes for one batch, which every training needs at once,
            are larger than the free memory.
    """
    train, size, item = data.splits.get("train", {}), settings.trainer.batch_size, np.dtype(settings.dtype).itemsize
    n = len(next(iter(train.values()), ()))
    rows = n if size == "all" else min(size, n)
    longest = max((train[name].shape[1] for name, f in data.fields.items() if f.time_major and name in train), default=1)
    steps = min(longest, settings.trainer.bptt.chunk or longest)
    weights = {name: 2 * item * sum(a.size for a in p.values()) for name, p in tensors.items()}
    shapes = _with_letters(shapes, data)
    outputs = {name: item * rows * _outputs({name: shapes[name]}, steps) for name in nodes}
    needed, free = sum(weights.values()) + sum(outputs.values()), free_bytes()
    if needed > free:
        name = max(nodes, key=lambda name: weights.get(name, 0) + outputs[name])
        what = "weights" if weights.get(name, 0) > outputs[name] else f"outputs for a batch of {rows} (trainer.batch_size)"
        raise ValueError(
            f"model.layers.{name}{large(nodes[name].layer)}: a step needs at least {format_bytes(needed)} of memory, "
            f"most of it for the {what} of this layer; {format_bytes(free)} are free"
        )


def _with_letters(shapes: Mapping[str, Shape], data: Data) -> dict[str, Shape]:
    """The shapes, with the number of ids at a step (axes NTL) where it was open."""
    found = [a.shape[2] for name, a in data.splits.get("train", {}).items() if data.fields[name].axes == "NTL"]
    most = max(found, default=1)
    return {name: (*shape[:1], *(most if k is None else k for k in shape[1:])) for name, shape in shapes.items()}


def _outputs(shapes: dict[str, Shape], steps: int, factor: int = 1, factor_in_time: int = 1) -> int:
    """The number of values that all nodes output for one example."""
    return sum(
        prod(steps if s is None else s for s in shape) * (factor_in_time if None in shape else factor)
        for shape in shapes.values()
    )


def widest(found: Footprint, xp: Any) -> int:
    """The number of replicas that fit into the memory that a stack may take."""
    return max(1, int(SHARE * free_memory(xp)) // found.whole)


def free_memory(xp: Any) -> int:
    """Free memory of the device or of this machine, in bytes. CuPy keeps the memory of freed arrays in a pool."""
    if xp is not np:
        return int(xp.cuda.Device().mem_info[0]) + int(xp.get_default_memory_pool().free_bytes())
    return free_bytes()
