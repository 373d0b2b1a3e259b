"""The one extra argument of every component: where it runs, for whom, in which step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.random import Key, generator


@dataclass(frozen=True)
class Context:
    """What a component may know beside its own numbers. The network hands each node its own.

    Attributes:
        xp: the array module, NumPy or CuPy.
        replicas: shape of the leading replica axes, `(...)` in every docstring; `()` for a lone network.
        keys: one random key per replica, in row-major order.
        train: whether this pass trains; dropout and its like are the identity otherwise.
        step: the training step, counted from 0.
        part: which part of the step's batch, where gradients are accumulated over several.
        time: the step of a sequence that runs, for a cell that draws numbers.
        name: the node that runs.
        batch: every field of the batch: x, y, mask ...
        lag: over how many lags, its own step included, the loss of a step reaches back in time; None: over all.
        carry: node -> state left by the chunk of a sequence before; empty where a sequence begins.
    """

    xp: Any = np
    replicas: tuple[int, ...] = ()
    keys: tuple[Key, ...] = (0,)
    train: bool = True
    step: int = 0
    part: int = 0
    time: int = 0
    lag: int | None = None
    name: str = ""
    batch: Mapping[str, Array] = field(default_factory=dict)
    carry: Mapping[str, Array] = field(default_factory=dict)

    def at(self, name: str) -> Context:
        """The same context for the node `name`."""
        nodes: dict[str, Context] = self.__dict__.setdefault("_nodes", {})
        if name not in nodes:
            nodes[name] = self.but(name=name)
        return nodes[name]

    def but(self, **changes: Any) -> Context:
        """The same context with some attributes changed."""
        # dataclasses.replace costs four times as much, and a step of a small network asks for dozens.
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changes)
        other.__dict__.pop("_nodes", None)
        return other

    def per(self, value: float | Array, like: Array) -> float | Array:
        """An option, ready to meet `like`: a number as it is; an array of the replica shape `(...)` with one 1-axis per
        core axis of `like`, in the dtype of `like`."""
        if isinstance(value, int | float):
            return value
        core = like.ndim - len(self.replicas)
        return self.xp.asarray(value, like.dtype).reshape(*self.replicas, *(1,) * core)

    def uniform(self, like: Array, draw: int = 0) -> Array:
        """Numbers from U[0, 1), with the core shape and the dtype of `like`, each replica from its own stream."""
        return self._draw(like, draw, lambda rng, shape: rng.random(shape, np.float32))

    def normal(self, like: Array, draw: int = 0) -> Array:
        """Numbers from N(0, 1), with the core shape and the dtype of `like`, each replica from its own stream."""
        return self._draw(like, draw, lambda rng, shape: rng.standard_normal(shape, np.float32))

    def _draw(self, like: Array, draw: int, sample: Callable[[np.random.Generator, tuple[int, ...]], Array]) -> Array:
        # Drawn with 24 bits whatever the dtype: a float32 and a float64 run then see the same numbers.
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
        """The state this node was left in by the chunk before, or None where a sequence begins."""
        return self.carry.get(self.name)
