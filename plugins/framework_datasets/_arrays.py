"""Arrays of an npz file become numbers or labels; what cannot is named with its index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import DataError, open_arrays
from framework_datasets._files import existing, unreadable
from framework_datasets._table import near

NO_NPZ = "this is no npz file; numpy.savez writes one, and dataset=csv reads tables"


@dataclass(frozen=True)
class Archive:
    """An open npz file; messages call it by `path`."""

    path: str
    file: Any

    @property
    def names(self) -> list[str]:
        """The arrays in it."""
        return list(self.file.files)

    def get(self, name: str) -> np.ndarray:
        """
        Raises:
            DataError: there is no such array, or it holds Python objects, or it is damaged.
        """
        if name not in self.names:
            raise DataError(f"{self.path}: no array '{name}'{near(name, self.names)}")
        try:
            a = self.file[name]
        except Exception as error:  # a damaged archive can raise anything
            objects = "Object arrays" in str(error)
            what = "holds Python objects; save an array of numbers" if objects else f"cannot be read ({error})"
            raise DataError(f"{self.path}: array '{name}' {what}") from error
        if not isinstance(a, np.ndarray):
            raise DataError(f"{self.path}: '{name}' is no array; write the file with numpy.savez")
        return a


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Archive]:
    """An npz file, from which nothing but arrays of numbers is taken.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    at = existing(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_arrays(at))
        except DataError:
            raise
        except OSError as error:
            if error.errno is None:  # of NumPy, which took it for something else
                raise DataError(f"{path}: {NO_NPZ}") from error
            raise unreadable(path, error) from error
        except Exception as error:  # whatever else the file is
            raise DataError(f"{path}: {NO_NPZ}") from error
        if isinstance(file, np.ndarray):
            raise DataError(f"{path}: this is one array (npy); numpy.savez('{at.stem}.npz', x=..., y=...) keeps two")
        yield Archive(str(path), file)


def place(name: str, index: Any) -> str:
    """`x[3, 2]`: where a value stands, counted from 0, rows first."""
    return f"{name}[{', '.join(str(int(i)) for i in np.atleast_1d(index))}] (counted from 0)"


def real(path: str, name: str, a: np.ndarray) -> np.ndarray:
    """The same numbers in float64.

    Raises:
        DataError: they are no real numbers, or there are none, or one is NaN or inf.
    """
    if a.dtype.kind not in "biuf":
        raise DataError(f"{path}: array '{name}' holds {a.dtype}, not real numbers")
    if not a.size:
        raise DataError(f"{path}: array '{name}' is empty; its shape is {a.shape}")
    a = a.astype(float)
    broken = np.argwhere(~np.isfinite(a))
    if len(broken):
        first = tuple(broken[0])
        more = f", and {len(broken) - 1} more are not finite" if len(broken) > 1 else ""
        raise DataError(f"{path}: {place(name, first)} is {a[first]}{more}; leave out such rows")
    return a


def labels(path: str, name: str, a: np.ndarray, what: str = "a label") -> np.ndarray:
    """The same shape in int64, from 0 on.

    Raises:
        DataError: a label is no whole number, or negative.
    """
    numbers = real(path, name, a)
    for broken, fault in ((numbers != np.round(numbers), "a fraction"), (numbers < 0, "negative")):
        if broken.any():
            at = tuple(np.argwhere(broken)[0])
            raise DataError(f"{path}: {place(name, at)} is {a[at]}: {what} may not be {fault}; they count from 0")
    return numbers.astype(np.int64)
