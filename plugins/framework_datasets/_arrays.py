"""Reads arrays of an npz file as real numbers or labels; an invalid value is reported with its index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import DataError, map_array, open_arrays
from framework_datasets._files import existing, unreadable
from framework_datasets._table import near

NO_NPZ = "this is not an npz file; use numpy.savez, or dataset=csv for a table"


@dataclass(frozen=True)
class Archive:
    """An open npz file; `path` is its name in messages."""

    path: str
    file: Any

    @property
    def names(self) -> list[str]:
        """The names of its arrays."""
        return list(self.file.files)

    def get(self, name: str) -> np.ndarray:
        """An array by name.

        Raises:
            DataError: it does not exist, holds Python objects, or is damaged.
        """
        if name not in self.names:
            raise DataError(f"{self.path}: unknown array '{name}'{near(name, self.names)}")
        try:
            a = self.file[name]
        except Exception as error:  # a damaged archive can raise anything
            objects = "Object arrays" in str(error)
            what = "holds Python objects; save an array of numbers" if objects else f"cannot be read ({error})"
            raise DataError(f"{self.path}: array '{name}' {what}") from error
        if not isinstance(a, np.ndarray):
            raise DataError(f"{self.path}: '{name}' is not an array; write the file with numpy.savez")
        return a


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Archive]:
    """Open an npz file; only arrays of numbers are read from it.

    Raises:
        DataError: it cannot be read, or is not an npz file.
    """
    at = existing(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_arrays(at))
        except DataError:
            raise
        except OSError as error:
            if error.errno is None:  # raised by NumPy for another kind of file
                raise DataError(f"{path}: {NO_NPZ}") from error
            raise unreadable(path, error) from error
        except Exception as error:  # for any other kind of file
            raise DataError(f"{path}: {NO_NPZ}") from error
        if isinstance(file, np.ndarray):
            raise DataError(f"{path}: this is a single array (npy); use numpy.savez('{at.stem}.npz', x=..., y=...)")
        yield Archive(str(path), file)


def mapped(folder: Path, name: str) -> np.ndarray:
    """An array of a folder, on disk.

    Raises:
        DataError: it does not exist, is damaged or empty, or holds something else than numbers.
    """
    a = map_array(existing(folder / name))
    if not a.size:
        raise DataError(f"{folder / name}: the array is empty (shape {a.shape})")
    return np.asarray(a)


def place(name: str, index: Any) -> str:
    """The position of a value, `x[3, 2]`, counted from 0, rows first."""
    return f"{name}[{', '.join(str(int(i)) for i in np.atleast_1d(index))}] (counted from 0)"


def real(path: str, name: str, a: np.ndarray) -> np.ndarray:
    """The values of an array in float64.

    Raises:
        DataError: the array is not numeric, is empty, or holds NaN or inf.
    """
    if a.dtype.kind not in "biuf":
        kind, way = f"holds {a.dtype}", ""
        if a.dtype.kind in "UST":
            kind, way = "holds text", f"; classes are numbers 0, 1, ...: np.unique({name}, return_inverse=True)[1]"
        raise DataError(f"{path}: array '{name}' {kind}, not real numbers{way}")
    if not a.size:
        raise DataError(f"{path}: array '{name}' is empty (shape {a.shape})")
    a = a.astype(float)
    broken = np.argwhere(~np.isfinite(a))
    if len(broken):
        first = tuple(broken[0])
        more = f", and {len(broken) - 1} more values are not finite" if len(broken) > 1 else ""
        raise DataError(f"{path}: {place(name, first)} is {a[first]}{more}; leave out such rows")
    return a


def labels(path: str, name: str, a: np.ndarray, what: str = "a label") -> np.ndarray:
    """Labels of the same shape in int64, counted from 0.

    Raises:
        DataError: a label is negative or not an integer.
    """
    numbers = real(path, name, a)
    for broken, fault in ((numbers != np.round(numbers), "a fraction"), (numbers < 0, "negative")):
        if broken.any():
            at = tuple(np.argwhere(broken)[0])
            raise DataError(f"{path}: {place(name, at)} is {a[at]}: {what} must not be {fault}; it counts from 0")
    return numbers.astype(np.int64)
