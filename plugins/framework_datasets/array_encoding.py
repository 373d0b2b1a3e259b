"""How the arrays of an npz file become x and y: decided on the training array, then the same for every array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import DataError, Field
from framework_datasets.arrays import labels, opened, place, real

AXES = {2: "NF", 3: "NTF", 4: "NCHW"}  # of x, by the number of its dimensions


@dataclass(frozen=True)
class ArrayEncoding:
    """x in float64, y as labels or numbers.

    Attributes:
        x, y: the arrays of a new file.
        shape: the shape of one example of x; 0 where any length will do (T).
        classes: how many classes there are; 0 if y is numbers.
        outputs: how many numbers y has per example; 0 if y is labels.
    """

    x: str
    y: str
    shape: tuple[int, ...]
    classes: int
    outputs: int

    @property
    def fields(self) -> dict[str, Field]:
        """What x and y are."""
        y = Field("N", "label", self.classes) if self.classes else Field("NF")
        return {"x": Field(AXES[len(self.shape) + 1]), "y": y}

    def encode(self, path: str, x: tuple[str, np.ndarray], y: tuple[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        """x (n, ...), and y (n,) or (n, k) if it is given.

        Args:
            path: the file, for messages.
            x, y: names and arrays as they are in the file.

        Raises:
            DataError: a shape, a type or a value is not what the training array had.
        """
        out = {"x": real(path, *x)}
        wrong = [i for i, size in enumerate(self.shape, 1) if x[1].ndim <= i or size not in (0, x[1].shape[i])]
        if wrong or x[1].ndim != len(self.shape) + 1:
            wanted = ", ".join(["n", *(str(size or "T") for size in self.shape)])
            raise DataError(f"{path}: array '{x[0]}' has shape {x[1].shape}; the training split has ({wanted})")
        if y is None:
            return out
        out["y"] = self._classes(path, *y) if self.classes else self._numbers(path, *y)
        if len(out["y"]) != len(out["x"]):
            raise DataError(
                f"{path}: '{x[0]}' has {len(out['x'])} rows and '{y[0]}' has {len(out['y'])}; every example needs both"
            )
        return out

    def _classes(self, path: str, name: str, a: np.ndarray) -> np.ndarray:
        if a.ndim != 1:
            raise DataError(f"{path}: array '{name}' has shape {a.shape}; labels are (n,)")
        y = labels(path, name, a)
        if y.max() >= self.classes:
            row = int(np.argmax(y >= self.classes))
            raise DataError(f"{path}: {place(name, row)} is {y[row]}; training labels go up to {self.classes - 1}")
        return y

    def _numbers(self, path: str, name: str, a: np.ndarray) -> np.ndarray:
        y = real(path, name, a)
        y = y[:, None] if y.ndim == 1 else y
        if y.shape[1:] != (self.outputs,):
            raise DataError(f"{path}: array '{name}' has shape {a.shape}; the training split has {self.outputs} per example")
        return y

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The examples of a new file, in its order.

        Raises:
            DataError: an array is missing, or is not as the training split was.
        """
        with opened(path) as file:
            x, y = (self.x, file.get(self.x)), (self.y, file.get(self.y)) if with_target else None
        return self.encode(str(path), x, y)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"type": "npz", **asdict(self)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> ArrayEncoding:
        """What `to_json` told."""
        return cls(told["x"], told["y"], tuple(told["shape"]), told["classes"], told["outputs"])


def shape_of_x(path: str, name: str, x: np.ndarray) -> tuple[int, ...]:
    """
    Raises:
        DataError: no layer reads arrays with so many dimensions.
    """
    if x.ndim not in AXES:
        hint = "; one feature is x[:, None]" if x.ndim == 1 else ""
        raise DataError(f"{path}: array '{name}' has shape {x.shape}; it should be (n, F), (n, T, F) or (n, C, H, W){hint}")
    return (0, *x.shape[2:]) if x.ndim == 3 else x.shape[1:]


def sizes_of_y(path: str, name: str, y: np.ndarray, task: str) -> tuple[int, int]:
    """classes and outputs, one of which is 0. With task auto, whole numbers (n,) are labels and all else is numbers.

    Raises:
        DataError: y is neither (n,) nor (n, k), or does not fit the task.
    """
    if y.ndim not in (1, 2):
        raise DataError(f"{path}: array '{name}' has shape {y.shape}; it should be (n,) or (n, k)")
    if task == "classification" or (task == "auto" and y.ndim == 1 and y.dtype.kind in "biu"):
        if y.ndim == 2:
            raise DataError(f"{path}: array '{name}' has shape {y.shape}; labels are (n,), as {name}.argmax(1) makes them")
        return int(labels(path, name, y).max()) + 1, 0
    return 0, 1 if y.ndim == 1 else y.shape[1]


def check_classes(path: str, ys: Mapping[str, tuple[str, np.ndarray, np.ndarray]]) -> None:
    """Every label is in the training split, and they count from 0 without a gap.

    Args:
        ys: split -> the array's name, the rows of it, and their labels.

    Raises:
        DataError: naming the label and a row.
    """
    seen = np.unique(ys["train"][2])
    for split, (name, rows, y) in ys.items():
        new = ~np.isin(y, seen)
        if new.any():
            at = int(np.argmax(new))
            raise DataError(
                f"{path}: {place(name, rows[at])} is {y[at]}, in the {split} split, and no row that trains has that label; "
                f"leave it out, draw another split (dataset.seed), or take numbers (dataset.task=regression)"
            )
    name, rows, y = ys["train"]
    if len(seen) == 1:
        raise DataError(f"{path}: array '{name}' holds one class only, {seen[0]}, from {place(name, rows[0])} on")
    gap = np.flatnonzero(seen != np.arange(len(seen)))
    if gap.size:
        at = int(np.argmax(y == seen[gap[0]]))
        raise DataError(
            f"{path}: {place(name, rows[at])} is {y[at]}, and there is no {gap[0]}; classes count from 0 without a gap "
            f"(numpy.unique({name}, return_inverse=True)[1] makes such labels; dataset.task=regression takes numbers)"
        )
