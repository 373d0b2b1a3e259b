"""All tensors of a network in one array, with a named view per tensor.

The array is (..., P + Q): first P trained parameters, then Q values of buffers (running statistics, connection masks) and
frozen tensors. Gradients and optimizer slots are (..., P). So the optimizer, clipping, norms and penalties are a few
operations on one array, and never touch a buffer.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.core.arrays import Array, launches_kernels
from framework.core.errors import CheckpointError
from framework.core.types import Params, Tensor

TensorName = tuple[str, str]  # (node, tensor)


@dataclass(frozen=True)
class Slot:
    """The position of a tensor in the arena: `start:stop` of the last axis, and its two core axes."""

    start: int
    stop: int
    shape: tuple[int, ...]


class Arena:
    """The memory layout of a network's tensors; it holds no values.

    Args:
        shapes: core shape of every tensor, in node order.
        untrained: tensors without a gradient: buffers and frozen tensors.
    """

    def __init__(self, shapes: Mapping[TensorName, tuple[int, ...]], untrained: Collection[TensorName] = ()) -> None:
        trained = [name for name in shapes if name not in untrained]
        self.slots: dict[TensorName, Slot] = {}
        at = 0
        for name in (*trained, *(name for name in shapes if name in untrained)):
            stop = at + int(np.prod(shapes[name]))
            self.slots[name] = Slot(at, stop, tuple(shapes[name]))
            at = stop
        self.size = at
        self.P = sum(int(np.prod(shapes[name])) for name in trained)
        self.trained: dict[str, dict[str, Slot]] = {}
        for node, tensor in trained:
            self.trained.setdefault(node, {})[tensor] = self.slots[node, tensor]
        # A node's trained tensors are contiguous: its norm is one dot product.
        self._spans = [(min(s.start for s in t.values()), max(s.stop for s in t.values())) for t in self.trained.values()]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The trained tensors, in their order."""
        slots = [(node, name, slot) for node, named in self.trained.items() for name, slot in named.items()]
        return tuple(Tensor(node, name, s.start, s.stop, s.shape) for node, name, s in slots)

    @property
    def layout(self) -> list[list[Any]]:
        """Node, name and core shape of every tensor, in the order of the memory; JSON can hold it."""
        return [[*name, *slot.shape] for name, slot in self.slots.items()]

    def check_layout(self, recorded: Sequence[Sequence[Any]]) -> None:
        """Check that an array of another process has this layout.

        Raises:
            CheckpointError: it has not; the message names the first tensor that differs.
        """
        for was, now in itertools.zip_longest(recorded, self.layout, fillvalue=()):
            if list(was) != list(now):
                raise CheckpointError(f"it has {_described(was)} where the network now has {_described(now)}")

    @property
    def layers(self) -> tuple[str, ...]:
        """The nodes that have trained tensors."""
        return tuple(self.trained)

    def fill(self, replicas: Sequence[Mapping[str, Params]], dtype: Any) -> np.ndarray:
        """The arena of a stack from the tensors of its lone replicas: a host array (R, P + Q)."""
        w = np.zeros((len(replicas), self.size), dtype)
        for r, nodes in enumerate(replicas):
            for (node, tensor), slot in self.slots.items():
                w[r, slot.start : slot.stop] = np.asarray(nodes[node][tensor]).reshape(-1)
        return w

    def views(self, flat: Array) -> dict[str, Params]:
        """node -> tensor -> view (..., i, o) into `flat`, which is (..., P + Q), or (..., P) for trained tensors only."""
        out: dict[str, Params] = {}
        for (node, tensor), slot in self.slots.items():
            if slot.stop <= flat.shape[-1]:
                out.setdefault(node, {})[tensor] = flat[..., slot.start : slot.stop].reshape(*flat.shape[:-1], *slot.shape)
        return out

    def norms(self, g: Array, xp: Any) -> Array:
        """Euclidean norms of a gradient (..., P): (..., 1 + L), first of the whole, then of each of the L `layers`.

        A square overflows in float32 from 2e19 on. On the host the gradient is then scaled by its largest value first; on a
        device, where that test would wait for results, squares are computed in float64.
        """
        if launches_kernels(xp):
            return self._norms_on_gpu(g, xp)
        if xp is not np:
            return xp.sqrt(self._squares(g.astype(np.float64), xp)).astype(g.dtype)
        squares = self._squares(g, xp)
        if not np.maximum.reduce(squares, None) < np.inf:  # also true for NaN, which stays
            largest = np.abs(g).max(-1, keepdims=True)
            largest[~(largest < np.inf) | (largest == 0)] = 1
            return np.sqrt(self._squares(g / largest, xp)) * largest
        return np.sqrt(squares, out=squares)

    def _norms_on_gpu(self, g: Array, xp: Any) -> Array:
        """The same with a launch for each layer: a product would need copies of a stack's slices."""
        squares = xp.multiply(g, g, dtype=np.float64)
        sums = xp.empty((1 + len(self._spans), *g.shape[:-1]), np.float64)  # each row is contiguous
        for i, (start, stop) in enumerate(self._spans, 1):
            squares[..., start:stop].sum(-1, out=sums[i])
        sums[1:].sum(0, out=sums[0])
        return xp.moveaxis(xp.sqrt(sums, out=sums).astype(g.dtype), 0, -1)

    def _squares(self, g: Array, xp: Any) -> Array:
        squares = xp.empty((*g.shape[:-1], 1 + len(self._spans)), g.dtype)
        for i, (start, stop) in enumerate(self._spans, 1):
            part = g[..., start:stop]
            squares[..., i] = (part[..., None, :] @ part[..., None])[..., 0, 0]  # takes half the time of einsum
        squares[..., 0] = squares[..., 1:].sum(-1)
        return squares


def _described(tensor: Sequence[Any]) -> str:
    return f"{tensor[0]}.{tensor[1]} {tuple(tensor[2:])}" if tensor else "no further tensor"
