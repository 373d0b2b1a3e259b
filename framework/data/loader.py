"""`DataLoader` and `BatchSampler`: batches from splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.errors import DataError
from framework.core.random import Key, generator
from framework.data.dataset import Data, is_mapped


class DataLoader:
    """The examples of one split for a stack of R replicas, on the device.

    Args:
        data: one data set that all replicas share, or one per replica (equal shapes).
        split: which split.
        xp, dtype: where and in which precision real fields are held. On the CPU, a field of that type is not copied.

    Raises:
        DataError: a field on disk has another type.
    """

    def __init__(self, data: Sequence[Data], split: str, xp: Any, dtype: Any) -> None:
        self.xp, self.dtype, self.stateful = xp, np.dtype(dtype), data[0].stateful
        self.time_major = {name for name, f in data[0].fields.items() if f.time_major}
        self.arrays: dict[str, Array] = {}  # field -> (1 or R, n, ...)
        for name, f in data[0].fields.items():
            each, held = [d.splits[split][name] for d in data], dtype if f.kind in ("real", "mask") else np.int64
            if f.kind == "real" and xp is np and each[0].dtype != dtype and is_mapped(each[0]):
                raise DataError(
                    f"dataset: '{name}' is {each[0].dtype} on disk, and training reads {np.dtype(dtype)} (dtype): it would "
                    f"be copied to memory; set dtype={each[0].dtype}, or save it as {np.dtype(dtype)}"
                )
            self.arrays[name] = xp.asarray(each[0][None] if len(each) == 1 else np.stack(each), dtype=held)
        self.n = next(iter(self.arrays.values())).shape[1]
        self._order: tuple[Any, Any] = (None, None)  # of an epoch, on the host and on the device

    @property
    def longest(self) -> int:
        """Steps of the longest sequence; 1 without sequences."""
        return max((self.arrays[name].shape[2] for name in self.time_major), default=1)

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        self.arrays = {k: a[keep] if a.shape[0] > 1 else a for k, a in self.arrays.items()}

    def batch(self, rows: np.ndarray | slice) -> dict[str, Array]:
        """Fields with replica axes: (1 or R, N, ...), time-major where the field has a time axis.

        Args:
            rows: a slice of the split for everyone, or the indices (1 or R, N) of each replica.
        """
        if not isinstance(rows, slice):
            rows = self._on_device(rows)
        return {name: self._oriented(name, self._rows(a, rows)) for name, a in self.arrays.items()}

    def _on_device(self, rows: np.ndarray) -> Array:
        """The indices on the device. Batches are columns of the order of an epoch, which is brought there once."""
        order = rows.base
        if self.xp is np or order is None or order.ndim != 2 or rows.strides != order.strides or len(rows) != len(order):
            return self.xp.asarray(rows)
        if self._order[0] is not order:
            self._order = order, self.xp.asarray(order)
        start = (rows.ctypes.data - order.ctypes.data) // order.itemsize
        return self._order[1][:, start : start + rows.shape[1]]

    def _rows(self, a: Array, rows: Array | slice) -> Array:
        if isinstance(rows, slice):
            return a[:, rows]
        if a.shape[0] == 1:
            return a[0].take(rows, 0)
        return a[self.xp.arange(a.shape[0])[:, None], rows]

    def _oriented(self, name: str, a: Array) -> Array:
        return a.swapaxes(1, 2) if name in self.time_major else a


def in_streams(n: int, streams: int) -> np.ndarray:
    """The order (n,) that reads stateful sequences as several parallel streams: the first row of every stream, the second
    row of every stream, and so on. If not all can be equally long, the first ones are a row longer."""
    length, longer = divmod(n, min(streams, n))
    stream = np.arange(min(streams, n))
    first = stream * length + np.minimum(stream, longer)
    return np.concatenate([(first + np.arange(length)[:, None]).ravel(), first[:longer] + length])


class BatchSampler:
    """The rows of each batch of one epoch, the last batch shorter if need be.

    Every replica has its own order, from its own random stream; replicas with equal keys share it, and so the batch.
    Stateful sequences (`stateful`) are read as `size` streams: a batch is the next row of each.
    """

    def __init__(
        self, n: int, size: int, keys: Sequence[Key], epoch: int, shuffle: bool = True, stateful: bool = False
    ) -> None:
        self.n, self.size = n, size
        self.order: np.ndarray | None = None
        if stateful:
            self.order = in_streams(n, size)[None]
        elif shuffle and size < n:
            distinct = keys[:1] if len(set(keys)) == 1 else keys
            self.order = np.stack([generator(key, "order", epoch).permutation(n) for key in distinct])

    @property
    def starts(self) -> range:
        """The first rows of the batches."""
        return range(0, self.n, self.size)

    def at(self, start: int) -> np.ndarray | slice:
        """The batch that starts at a row, for the remaining replicas."""
        stop = start + self.size
        return slice(start, stop) if self.order is None else self.order[:, start:stop]

    def __iter__(self) -> Iterator[np.ndarray | slice]:
        return map(self.at, self.starts)

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        if self.order is not None and self.order.shape[0] > 1:
            self.order = self.order[keep]
