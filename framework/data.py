"""Splits and batches: what a data set holds, and the examples that each replica sees in each step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from framework.archives import opened
from framework.arrays import Array
from framework.components import Shape
from framework.reading import UnreadableError, affordable, read_bytes
from framework.streams import Key, generator

Kind = Literal["real", "id", "label", "mask"]
Split = Literal["train", "val", "test"]
Layout = Literal["batch_major", "time_major"]  # of a user's sequences: (n, T, F) or (T, n, F)
AXES = ("N", "NF", "NCHW", "NT", "NTF")


class DataError(ValueError):
    """A file of data cannot be used; the message names the file, the place in it, and what to do."""


def read_file(path: str | Path) -> bytes:
    """What a file of data holds.

    Raises:
        DataError: it is no file (a pipe or a device would be read without end), or larger than there is memory for.
        OSError: it is missing, or may not be read.
    """
    try:
        return read_bytes(Path(path), affordable())
    except UnreadableError as error:
        raise DataError(str(error)) from error


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[Any]:
    """The arrays of an `.npz` by name, read when asked for, or the one array of an `.npy`; to be used with `with`. What the
    file claims to hold is compared with its size and with the memory that is free; nothing in it can run code.

    Raises:
        DataError: it is no file, or claims too much.
        OSError: it is missing, or may not be read.
        Exception: whatever NumPy raises of a damaged file.
    """
    try:
        with opened(Path(path)) as found:
            yield found
    except UnreadableError as error:
        raise DataError(str(error)) from error


@dataclass(frozen=True)
class Field:
    """What one field of the data is.

    Attributes:
        axes: its axes as stored, examples first: N, NF, NCHW, NT or NTF. Batches of NT and NTF are time-major.
        kind: real numbers, ids (indices into an embedding), labels (classes: integers (N,), or 0/1 columns (N, F) when
            several may hold at once), or a mask (weights).
        size: how many ids or classes there are; 0 for real fields and masks.
    """

    axes: str
    kind: Kind = "real"
    size: int = 0

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            raise ValueError(f"axes {self.axes!r} are none of {', '.join(AXES)}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(get_args(Kind))}")

    def shape(self, a: np.ndarray) -> Shape:
        """The field's shape without N, as layers see it; the length of a sequence is open."""
        core = a.shape[1:]
        return (None, *core[1:]) if self.time_major else tuple(core)

    @property
    def time_major(self) -> bool:
        """Whether its batches are (..., T, N[, F])."""
        return self.axes.startswith("NT")


class Encoding(Protocol):
    """How the rows of a file became the fields of a data set: what a trained network needs to read a new file.

    Plain values of it go into JSON with the data set's name in the registry as `type`; the data set's class turns them back
    with its class method `encoding_from_json(told)`.
    """

    def to_json(self) -> dict[str, Any]:
        """Plain values, {"type": ..., ...}."""
        ...

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """field -> array (n, ...) of a new file's rows, in the file's order; the targets only if asked for.

        Raises:
            DataError: the file cannot be read, or holds what the training data did not.
        """
        ...


@dataclass(frozen=True)
class Data:
    """A loaded data set.

    Attributes:
        splits: split -> field -> host array (n, ...). `train` is there; `val` and `test` may be missing.
        fields: field -> what it is.
        f: the true function x -> y without noise, where it is known.
        sigma: the standard deviation of the noise on y, where it is known.
        names: the names of the classes, where there are any.
        name: what the data set is called.
        encoding: how new files are read, where the data came from a file.
        stateful: whether every row of a split goes on where the one before it ends; states are then carried from batch to
            batch.
        forecast: the fields that hold the target of a step at later steps: the input where its next value is the target,
            or what a decoder reads. A layer that reads one of them from its end would read the answer, and is refused.
        scaled_with: target -> the field whose scale it takes, being the same quantity; other targets keep their unit.
        notes: what the data set took its files for, one line each; shown once per run or sweep.
    """

    splits: Mapping[str, Mapping[str, np.ndarray]]
    fields: Mapping[str, Field]
    f: Any = None
    sigma: float | None = None
    names: Sequence[str] = field(default=())
    name: str = ""
    encoding: Encoding | None = None
    stateful: bool = False
    forecast: tuple[str, ...] = ()
    scaled_with: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def shapes(self) -> dict[str, Shape]:
        """field -> shape without N."""
        return {name: f.shape(self.splits["train"][name]) for name, f in self.fields.items()}


def split_at_random(
    fields: Mapping[str, np.ndarray], rng: np.random.Generator, val: float, test: float
) -> dict[str, dict[str, np.ndarray]]:
    """Examples shared out at random: `val` and `test` are fractions of them, rounded; the rest is for training.

    Raises:
        ValueError: nothing is left for training.
    """
    n = len(next(iter(fields.values())))
    order = rng.permutation(n)
    n_val, n_test = round(val * n), round(test * n)
    if n_val + n_test >= n:
        raise ValueError(f"{n_val} examples for validation and {n_test} for testing leave none of {n} for training")
    parts = {"train": order[n_val + n_test :], "val": order[:n_val], "test": order[n_val : n_val + n_test]}
    return {name: {k: a[rows] for k, a in fields.items()} for name, rows in parts.items() if len(rows)}


class Feed:
    """The examples of one split for a stack of R replicas, on the device.

    Args:
        data: one data set that all replicas share, or one per replica (equal shapes).
        split: which split.
        xp, dtype: where and in which precision real fields are held.
    """

    def __init__(self, data: Sequence[Data], split: str, xp: Any, dtype: Any) -> None:
        self.xp, self.stateful = xp, data[0].stateful
        self.time_major = {name for name, f in data[0].fields.items() if f.time_major}
        self.arrays: dict[str, Array] = {}  # field -> (1 or R, n, ...)
        for name, f in data[0].fields.items():
            stacked = np.stack([d.splits[split][name] for d in data])
            self.arrays[name] = xp.asarray(stacked, dtype=dtype if f.kind in ("real", "mask") else np.int64)
        self.n = next(iter(self.arrays.values())).shape[1]

    @property
    def longest(self) -> int:
        """Steps of the longest sequence; 1 where there are none."""
        return max((self.arrays[name].shape[2] for name in self.time_major), default=1)

    def take(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        self.arrays = {k: a[keep] if a.shape[0] > 1 else a for k, a in self.arrays.items()}

    def batch(self, rows: np.ndarray | slice) -> dict[str, Array]:
        """Fields with replica axes: (1 or R, N, ...), time-major where the field has a time axis.

        Args:
            rows: a slice of the split for everyone, or the indices (1 or R, N) of each replica.
        """
        if not isinstance(rows, slice):
            rows = self.xp.asarray(rows)
        return {name: self._oriented(name, self._rows(a, rows)) for name, a in self.arrays.items()}

    def _rows(self, a: Array, rows: Array | slice) -> Array:
        if isinstance(rows, slice):
            return a[:, rows]
        if a.shape[0] == 1:
            return a[0].take(rows, 0)
        return a[self.xp.arange(a.shape[0])[:, None], rows]

    def _oriented(self, name: str, a: Array) -> Array:
        return a.swapaxes(1, 2) if name in self.time_major else a


def in_streams(n: int, streams: int) -> np.ndarray:
    """The order (n,) in which rows that go on from each other are read as several streams side by side: the first row of
    every stream, the second of every stream, and so on. Where not all can be equally long, the first are a row longer."""
    length, longer = divmod(n, min(streams, n))
    stream = np.arange(min(streams, n))
    first = stream * length + np.minimum(stream, longer)
    return np.concatenate([(first + np.arange(length)[:, None]).ravel(), first[:longer] + length])


class EpochRows:
    """The rows of each batch of one epoch, the last batch shorter if need be.

    Every replica has its own order, drawn from its own stream; replicas with one key share it, and so the batch. Rows that
    go on from each other (`stateful`) are read as `size` streams: a batch is the next row of each.
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
        """Where the batches begin."""
        return range(0, self.n, self.size)

    def at(self, start: int) -> np.ndarray | slice:
        """The batch that begins there, for the replicas that are left."""
        stop = start + self.size
        return slice(start, stop) if self.order is None else self.order[:, start:stop]

    def __iter__(self) -> Iterator[np.ndarray | slice]:
        return map(self.at, self.starts)

    def take(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        if self.order is not None and self.order.shape[0] > 1:
            self.order = self.order[keep]
