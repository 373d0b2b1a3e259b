"""`Context`, the extra argument of every component: array module, replica axes, random streams, training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.random import Key, generator, uniform
from framework.core.types import Tensor


@dataclass(frozen=True)
class Context:
    """The input of a component besides its parameters. The network passes each node its own context.

    Attributes:
        xp: the array module, NumPy or CuPy.
        replicas: shape of the leading replica axes, `(...)` in every docstring; `()` for a lone network.
        keys: one random key per replica, in row-major order.
        train: whether this pass trains; otherwise dropout and similar layers are the identity.
        step: the training step, counted from 0.
        part: which part of the step's batch, where gradients are accumulated over several.
        time: the time step, for a cell that draws random numbers.
        name: name of the current node.
        batch: every field of the batch: x, y, mask ...
        tensors: the trained tensors in the order of w, for an optimizer that treats each of them as a whole.
        soft: the fields of labels that hold probabilities of classes (..., N, K) after an augmentation, instead of classes.
        lag: truncation length in time steps, the current step included, for the gradient of a step's loss; None: no limit.
        carry: node -> final state of the previous chunk of a sequence; empty at the start of a sequence.
    """

    xp: Any = np
    replicas: tuple[int, ...] = ()
    keys: tuple[Key, ...] = (0,)
    train: bool = True
    step: int = 0
    part: int = 0
    time: int = 0
    tensors: tuple[Tensor, ...] = ()
    soft: tuple[str, ...] = ()
    lag: int | None = None
    name: str = ""
    batch: Mapping[str, Array] = field(default_factory=dict)
    carry: Mapping[str, Array] = field(default_factory=dict)

    def at(self, name: str) -> Context:
        """A copy of the context for the node `name`."""
        nodes: dict[str, Context] = self.__dict__.setdefault("_nodes", {})
        if name not in nodes:
            nodes[name] = self.but(name=name)
        return nodes[name]

    def but(self, **changes: Any) -> Context:
        """A copy of the context with some attributes changed."""
        # dataclasses.replace takes four times as long, and a step of a small network makes dozens of copies.
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changes)
        other.__dict__.pop("_nodes", None)
        return other

    def per(self, value: float | Array, like: Array) -> float | Array:
        """An option, shaped to broadcast with `like`: a number unchanged; an array of the replica shape `(...)` with one
        1-axis per core axis of `like`, in the dtype of `like`. With parameter groups an option of an optimizer has a number
        for each column, (..., P), and keeps that shape."""
        if isinstance(value, int | float):
            return value
        core, lead = like.ndim - len(self.replicas), len(self.replicas)
        array = self.xp.asarray(value, like.dtype)
        return array if array.ndim > lead and array.shape[-1] > 1 else array.reshape(*self.replicas, *(1,) * core)

    def uniform(self, like: Array, draw: int = 0) -> Array:
        """Numbers from U[0, 1), with the core shape and the dtype of `like`, each replica from its own stream."""
        return self._draw(like, draw, uniform)

    def normal(self, like: Array, draw: int = 0) -> Array:
        """Numbers from N(0, 1), with the core shape and the dtype of `like`, each replica from its own stream."""
        return self._draw(like, draw, lambda rng, shape: rng.standard_normal(shape, np.float32))

    def _draw(self, like: Array, draw: int, sample: Callable[[np.random.Generator, tuple[int, ...]], Array]) -> Array:
        # Drawn with 24 bits for every dtype, so that float32 and float64 runs see the same values.
        core = like.shape[len(self.replicas) :]
        keys = self.keys[:1] if len(set(self.keys)) == 1 else self.keys
        which = draw + (self.part << 32) + (self.time << 44)
        numbers = np.stack([sample(generator(key, self.name, self.step, which), core) for key in keys])
        lead = self.replicas if len(keys) > 1 else (1,) * len(self.replicas)
        return self.xp.asarray(numbers.reshape(*lead, *core), dtype=like.dtype)

    def mask(self, name: str = "mask") -> Array | None:
        """The batch's mask of that name, or None."""
        return self.batch.get(name)

    def initial(self) -> Array | None:
        """The final state of this node in the previous chunk, or None at the start of a sequence."""
        return self.carry.get(self.name)
