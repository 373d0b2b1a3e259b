"""`Data`, its fields and splits, and reading files of data."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args

import numpy as np

from framework.core.archives import open_archive
from framework.core.errors import DataError
from framework.core.reading import UnreadableError, affordable, open_regular, read_bytes
from framework.core.types import Shape

Kind = Literal["real", "id", "label", "mask"]
Split = Literal["train", "val", "test"]
ScaleMethod = Literal["none", "standard", "minmax"]
Layout = Literal["batch_major", "time_major"]  # of sequences in a file: (n, T, F) or (T, n, F)
LONGEST_LINE = 1 << 20  # bytes
AXES = ("N", "NF", "NCHW", "NT", "NTF", "NTL")


def read_file(path: str | Path) -> bytes:
    """The content of a file of data.

    Raises:
        DataError: it is not a file (a pipe or a device has no end), or it is larger than the free memory.
        OSError: it is missing, or may not be read.
    """
    try:
        return read_bytes(Path(path), affordable())
    except UnreadableError as error:
        raise DataError(str(error)) from error


def read_lines(path: str | Path) -> Iterator[bytes]:
    """The lines of a file of data, one by one, so that a file of any size takes the memory of a line. Without line ends.

    Raises:
        DataError: it is missing, may not be read, is not a file, or has a line of a megabyte.
    """
    try:
        with open(open_regular(Path(path).expanduser()), "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                if len(line) == LONGEST_LINE:
                    raise DataError(
                        f"{path}: line {number} has {LONGEST_LINE:,} bytes or more, so this is not a file of word vectors"
                    )
                yield line.rstrip(b"\r\n")
    except UnreadableError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[Any]:
    """The arrays of an `.npz` by name, read on access, or the one array of an `.npy`; to be used with `with`. The declared
    sizes are compared with the size of the file and with the free memory; nothing in the file can run code.

    Raises:
        DataError: it is not a file, or declares more than it holds or than there is memory.
        OSError: it is missing, or may not be read.
        Exception: whatever NumPy raises of a damaged file.
    """
    try:
        with open_archive(Path(path)) as found:
            yield found
    except UnreadableError as error:
        raise DataError(str(error)) from error


def map_array(path: str | Path) -> np.ndarray:
    """The array of an `.npy`, memory-mapped and read-only: its values stay on disk until they are used. The file must not
    change meanwhile.

    Raises:
        DataError: it is missing, no `.npy` of numbers, or shorter than its header says.
    """
    try:
        os.close(open_regular(Path(path)))
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except UnreadableError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # of a damaged file
        raise DataError(f"{path}: not an array that numpy.save has written ({error})") from error
    if not isinstance(found, np.memmap) or found.dtype.kind not in "biuf":
        raise DataError(f"{path}: not an array of numbers that numpy.save has written")
    return found


def is_mapped(a: np.ndarray) -> bool:
    """Whether an array is a part of a memory-mapped file."""
    base: Any = a
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


@dataclass(frozen=True)
class Field:
    """The declaration of one field of the data.

    Attributes:
        axes: its axes as stored, examples first: N, NF, NCHW, NT, NTF or NTL. Batches of NT, NTF and NTL are time-major.
            NTL holds L ids at every step, such as the letters of a word, or their mask.
        kind: real numbers, ids (indices into an embedding), labels (classes: integers (N,), or 0/1 columns (N, F) when
            several may hold at once), or a mask (weights).
        size: number of ids or classes; 0 for real fields and masks.
        names: the words of the ids, or the names of the classes, in order, if they have any.
        features: the names of the features of a real field with the axis F, in order, if they have any.
    """

    PADDING: ClassVar[str] = "<pad>"  # the name of the id after the end of a sentence ...
    UNKNOWN: ClassVar[str] = "<unk>"  # ... and of the one of all words without an id

    axes: str
    kind: Kind = "real"
    size: int = 0
    names: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            raise ValueError(f"axes: unknown axes {self.axes!r}; allowed: {', '.join(AXES)}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind: unknown kind {self.kind!r}; allowed: {', '.join(get_args(Kind))}")
        if self.axes == "NTL" and self.kind not in ("id", "mask"):
            raise ValueError(
                f"kind: axes NTL are for ids and their masks (got {self.kind!r}); features at every step are NTF"
            )
        if self.names and len(self.names) != self.size:
            raise ValueError(f"names: {len(self.names)} names (got size {self.size}); one for each id or class, or none")
        if self.features and (self.kind != "real" or not self.axes.endswith("F")):
            raise ValueError(f"features: only real fields with an axis F have them (got {self.kind} {self.axes})")

    def __str__(self) -> str:
        """`label N, 3 classes: cat, dog, fox`."""
        what = {"label": "classes", "id": "ids"}.get(self.kind, "")
        names = self.names or self.features
        shown = ", ".join(names if len(names) <= 8 else [*names[:6], "...", names[-1]])
        return f"{self.kind} {self.axes}{f', {self.size} {what}' if self.size else ''}{f': {shown}' if shown else ''}"

    def __repr__(self) -> str:
        return f"Field({self})"

    def shape(self, a: np.ndarray) -> Shape:
        """The field's shape without N, as layers see it; the length of a sequence is None. So the shape of ids has no
        numbers: (), (None,), or (None, None) with letters."""
        core = a.shape[1:]
        if self.axes == "NTL":
            return (None, None)
        return (None, *core[1:]) if self.time_major else tuple(core)

    @property
    def time_major(self) -> bool:
        """Whether its batches are (..., T, N), (..., T, N, F) or (..., T, N, L)."""
        return self.axes.startswith("NT")


class Encoding(Protocol):
    """The mapping from rows of a file to fields of a data set, which a trained network needs to read a new file.

    It is stored as plain values in JSON, with the data set's registered name as `type`. The class method
    `encoding_from_json(values)` of the data set's class restores it.

    Optional:
        notes(path, with_target): lines about a file that was read.
        sentence(words): field -> array of one sentence, without its target; DataError for a word that it cannot encode.
            Predictions of a file then have no rows for padding.
        history(path): the known end of a series (n, F), whose first columns are the targets, or None; and the later values
            of its other columns (m, ...). horizon: the number of steps from an input to its target, by default 1.
        labelled(path, labels): the text of a file with a label for every step; labels (n, T) are classes.
        spans(tags): (start, stop) of the entities in the tags of a sentence, and marked(words, pairs): the fields of one
            sentence, a row for each pair of such spans, which is marked. A head with one class for a sentence then answers
            for pairs; its first class means that there is no relation.
    """

    def to_json(self) -> dict[str, Any]:
        """Plain values, {"type": ..., ...}."""
        ...

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """field -> array (n, ...) of a new file's rows, in the file's order; targets only if `with_target`.

        Raises:
            DataError: the file cannot be read, or holds what the training data did not.
        """
        ...


@dataclass(frozen=True)
class Data:
    """A loaded data set.

    Attributes:
        splits: split -> field -> host array (n, ...). `train` is required; `val` and `test` may be missing.
        fields: field -> its axes and kind.
        f: the true function x -> y without noise, where it is known.
        sigma: the standard deviation of the noise on y, where it is known.
        names: the names of the classes, if any; those of a field with names of its own are in its `Field`.
        name: the name of the data set.
        encoding: how new files are read, where the data came from a file.
        stateful: whether every row of a split continues the row before it; states are then carried from batch to batch.
        forecast: the fields that hold the target of a step at later steps: the input if its next value is the target, or
            the input of a decoder. A layer that reads one of them from its end would read the answer, and is rejected.
        scale: the scale that `dataset.scale=auto` means for these data.
        scaled_with: target -> the field whose first features are the same quantities, and whose scale it uses.
        baselines: name -> split -> target -> naive predictions (n, ...) in the unit of the target, such as the last value of
            a series. A run reports their losses beside its own.
        notes: how the data set read its files, one line each; shown once per run or sweep.
        rows: split -> the number of each example in its source, from 0, where that is known; -1: an example of another
            fold (`framework.Fold`).
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
    scale: ScaleMethod = "none"
    scaled_with: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {len(next(iter(fields.values()), ()))}" for split, fields in self.splits.items())
        title = f"Data{f' {self.name}' if self.name else ''}: {sizes}"
        return "\n".join([title, *(f"  {line}" for line in self.described())])

    def described(self) -> list[str]:
        """`x: (1, 8, 8), real NCHW`, a line for each field, with its shape without N."""
        train = self.splits.get("train", {})
        shapes = {name: np.shape(train[name])[1:] for name in self.fields if name in train}
        return [f"{name}: {f'{shapes[name]}, ' if shapes.get(name) else ''}{f}" for name, f in self.fields.items()]

    def shapes(self) -> dict[str, Shape]:
        """field -> shape without N."""
        return {name: f.shape(self.splits["train"][name]) for name, f in self.fields.items()}

    def names_of(self, field: str | None) -> list[str]:
        """The names of a field's ids or classes: its own, those of the data set if their number fits, otherwise the
        numbers."""
        about = self.fields.get(str(field))
        if about is None:
            return []
        size = max(about.size, 2) if about.kind == "label" else about.size
        known = about.names or (self.names if len(self.names) == size else [str(i) for i in range(size)])
        return list(known)


def split_at_random(
    fields: Mapping[str, np.ndarray], rng: np.random.Generator, val: float, test: float
) -> dict[str, dict[str, np.ndarray]]:
    """Split examples at random: `val` and `test` are fractions of them, rounded; the rest is for training.

    Raises:
        ValueError: no example is left for training.
    """
    n = len(next(iter(fields.values())))
    order = rng.permutation(n)
    n_val, n_test = round(val * n), round(test * n)
    if n_val + n_test >= n:
        raise ValueError(f"val, test: {n_val} examples to validate and {n_test} to test leave none of {n} for training")
    parts = {"train": order[n_val + n_test :], "val": order[:n_val], "test": order[n_val : n_val + n_test]}
    return {name: {k: a[rows] for k, a in fields.items()} for name, rows in parts.items() if len(rows)}
