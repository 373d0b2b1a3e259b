from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import Data, DataError, option
from framework_datasets._array_encoding import ArrayEncoding
from framework_datasets._arrays import mapped
from framework_datasets._files import folder_of, sample_folder

SPLITS = ("train", "val", "test")
X = {np.dtype(np.float32), np.dtype(np.float64)}


@dataclass(frozen=True)
class Npy:
    """Your own arrays, read from disk while training: a folder of .npy files, which may be larger than the memory.

    The folder holds x.npy and y.npy, or x_train.npy, y_train.npy, x_val.npy, y_val.npy, x_test.npy, y_test.npy, as
    numpy.save writes them. They are memory-mapped: a batch reads its own rows, and the system keeps in memory what fits.
    Without files for each split, the last rows validate and test, in the order of the file: store them in random order.
    Fields: x (n, F), (n, T, F) sequences or (n, C, H, W) images, of the type that the training has (`dtype`), float32 by
    default. y (n,) integers: the class, 0 ... K-1; or y (n, k) of the same type as x: numbers.

    Raises:
        DataError: a file is missing, damaged or of another type; the number of rows differs.
    """

    path: str = option(help="the folder, relative to the current folder")
    val: float = option(0.2, least=0, below=1, help="fraction for validation, if the files are not split")
    test: float = option(0.2, least=0, below=1, help="fraction for the test, likewise")

    def load(self, rng: np.random.Generator) -> Data:
        folder = folder_of(self.path)
        parts = {s: _read(folder, f"_{s}") for s in SPLITS if (folder / f"x_{s}.npy").exists()}
        if "train" not in parts:
            parts = self._cut(_read(folder, ""))
        x, y = parts["train"]["x"], parts["train"]["y"]
        classes = 1 + max(int(part["y"].max()) for part in parts.values()) if y.dtype.kind in "iu" else 0
        encoding = ArrayEncoding("x", "y", _core(x), max(classes, 2) if classes else 0, 0 if classes else y.shape[1])
        size = sum(a.nbytes for part in parts.values() for a in part.values())
        notes = (f"{self.path}: {size / 1e6:,.1f} MB stay on disk; every batch reads its rows",)
        return Data(parts, encoding.fields, encoding=encoding, notes=notes)

    def _cut(self, arrays: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
        """The splits, one after another: views, since rows at random would have to be copied."""
        n = len(arrays["x"])
        val, test = round(self.val * n), round(self.test * n)
        if val + test >= n:
            raise DataError(f"{self.path}: val and test take {val} and {test} rows, which leave none of {n} for training")
        edges = {"train": (0, n - val - test), "val": (n - val - test, n - test), "test": (n - test, n)}
        return {s: {k: a[low:high] for k, a in arrays.items()} for s, (low, high) in edges.items() if high > low}

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> ArrayEncoding:
        """The encoding that was saved with a model; new rows come in an npz file."""
        return ArrayEncoding.from_json(values)

    @staticmethod
    def examples() -> list[tuple[Npy, None]]:
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((30, 4)), np.arange(30) % 3
        whole = sample_folder("npy", {"x": x.astype(np.float32), "y": y})
        split = {f"x_{s}": x[:, None] for s in SPLITS} | {f"y_{s}": x[:, :1] for s in SPLITS}
        return [(Npy(whole), None), (Npy(sample_folder("npy_split", split)), None)]


def _core(x: np.ndarray) -> tuple[int, ...]:
    """The shape of an example; the length of a sequence is open (0)."""
    return (0, *x.shape[2:]) if x.ndim == 3 else x.shape[1:]


def _read(folder: Path, end: str) -> dict[str, np.ndarray]:
    """x and y of one part, on disk.

    Raises:
        DataError: as the class.
    """
    read = functools.partial(mapped, folder)
    x, y = read(f"x{end}.npy"), read(f"y{end}.npy")
    at = folder / f"x{end}.npy"
    if x.dtype not in X or x.ndim not in (2, 3, 4):
        raise DataError(f"{at}: x must be float32 or float64 of 2, 3 or 4 axes (got {x.dtype}, shape {x.shape})")
    if y.dtype.kind in "iu" and y.ndim == 1:
        y = np.asarray(y, np.int64)  # stays on disk if it is int64 already
    elif y.dtype != x.dtype or y.ndim != 2:
        raise DataError(
            f"{folder / f'y{end}.npy'}: y must be integers (n,), the class, or numbers (n, k) of type {x.dtype} "
            f"(got {y.dtype}, shape {y.shape})"
        )
    if len(x) != len(y):
        raise DataError(f"{at}: x has {len(x)} rows, but y has {len(y)}; every example needs both")
    return {"x": x, "y": y}
