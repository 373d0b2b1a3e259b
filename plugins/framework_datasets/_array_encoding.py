"""Encodes the arrays of an npz file as x and y: fitted on the training array, then applied to every array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import DataError, Field
from framework_datasets._array_labels import are_labels, is_one_hot, plain_labels
from framework_datasets._array_padding import clear_inputs, clear_targets
from framework_datasets._arrays import labels, opened, place, real

Layout = Literal["batch_major", "time_major", "NCHW", "NHWC"]
Named = tuple[str, np.ndarray]

AXES = {2: "NF", 3: "NTF", 4: "NCHW"}  # of x, by the number of its dimensions


@dataclass(frozen=True)
class ArrayEncoding:
    """The encoding of x in float64, and of y as labels or real numbers.

    Attributes:
        x, y: names of the arrays in a new file.
        shape: the shape of one example of x; 0 for an axis of any length (T).
        classes: number of classes; 0 if y holds real numbers.
        outputs: number of values of y per example; 0 if y holds labels.
        steps: whether y has a label or values for every step of a sequence.
        layout: of sequences and images in a file; time_major: (T, n, F), NHWC: (n, H, W, C). Fields are batch-major, NCHW.
        mask: the array with the mask of a new file's sequences; empty if the training data had none.
        ids: number of ids, if x holds sequences of ids (n, T); 0 if x holds real numbers.
    """

    x: str
    y: str
    shape: tuple[int, ...]
    classes: int
    outputs: int
    steps: bool = False
    layout: Layout = "batch_major"
    mask: str = ""
    ids: int = 0

    @property
    def sequences(self) -> bool:
        """Whether x holds sequences."""
        return bool(self.ids) or len(self.shape) == 2

    @property
    def fields(self) -> dict[str, Field]:
        """The declarations of x, y and the mask."""
        axes = "NT" if self.steps else "N"
        y = Field(axes, "label", self.classes) if self.classes else Field(f"{axes}F")
        mask = {"mask": Field("NT", "mask")} if self.mask else {}
        x = Field("NT", "id", self.ids) if self.ids else Field(AXES[len(self.shape) + 1])
        return {"x": x, "y": y, **mask}

    def encode(self, path: str, x: Named, y: Named | None, mask: Named | None = None) -> dict[str, np.ndarray]:
        """x (n, ...), and y (n,), (n, k), (n, T) or (n, T, k) and the mask (n, T) if they are given.

        Args:
            path: the file, for messages.
            x, y, mask: names and arrays, as in the file.

        Raises:
            DataError: a shape, a type or a value differs from the training array.
        """
        a = self._ids(path, *x) if self.ids else real(path, *x)
        fits = a.ndim == len(self.shape) + 1
        out = {"x": self._batch_major(a) if fits else a}
        if not fits or any(size not in (0, given) for size, given in zip(self.shape, out["x"].shape[1:], strict=True)):
            wanted = np.array(["n", *(str(size or "T") for size in self.shape)])
            known = ", ".join(
                wanted[{"time_major": [1, 0, *range(2, wanted.size)], "NHWC": [0, 2, 3, 1]}.get(self.layout, ...)]
            )
            raise DataError(f"{path}: array '{x[0]}' has shape {a.shape}; the training split has ({known})")
        if mask is not None:
            out["mask"] = self._batch_major(_mask(path, mask, x))
            if (empty := ~out["mask"].any(1)).any():
                raise DataError(
                    f"{path}: array '{mask[0]}' is 0 at every step of sequence {int(empty.argmax())} (counted from 0); a "
                    "sequence needs at least one unmasked step; leave it out"
                )
        if y is None:
            return out
        target = self._classes(path, *y) if self.classes else self._numbers(path, *y)
        out["y"] = self._batch_major(target) if self.steps else target
        if self.steps and out["y"].shape[:2] != out["x"].shape[:2]:
            raise DataError(f"{path}: '{x[0]}' has shape {a.shape}, but '{y[0]}' has {y[1].shape}; every step needs both")
        if len(out["y"]) != len(out["x"]):
            raise DataError(
                f"{path}: '{x[0]}' has {len(out['x'])} rows, but '{y[0]}' has {len(out['y'])}; every example needs both"
            )
        return out

    def _classes(self, path: str, name: str, a: np.ndarray) -> np.ndarray:
        y = plain_labels(path, name, a, 1 + self.steps)
        if y.max() >= self.classes:
            at = tuple(np.argwhere(y >= self.classes)[0])
            raise DataError(f"{path}: {place(name, at)} is {y[at]}; training labels go up to {self.classes - 1}")
        return y

    def _ids(self, path: str, name: str, a: np.ndarray) -> np.ndarray:
        ids = labels(path, name, a, "an id")
        if ids.max() >= self.ids:
            at = tuple(np.argwhere(ids >= self.ids)[0])
            raise DataError(f"{path}: {place(name, at)} is {ids[at]}; with {self.ids} ids they go up to {self.ids - 1}")
        return ids

    def _batch_major(self, a: np.ndarray) -> np.ndarray:
        if self.layout == "NHWC" and a.ndim == 4:
            return a.transpose(0, 3, 1, 2)
        return a.swapaxes(0, 1) if self.layout == "time_major" else a

    def _numbers(self, path: str, name: str, a: np.ndarray) -> np.ndarray:
        y = real(path, name, a)
        y = y[:, None] if y.ndim == 1 else y
        if y.ndim != 2 + self.steps or y.shape[-1] != self.outputs:
            what = "step" if self.steps else "example"
            raise DataError(f"{path}: array '{name}' has shape {a.shape}; the training split has {self.outputs} per {what}")
        return y

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The examples of a new file, in its order.

        Raises:
            DataError: an array is missing, or differs from the training split.
        """
        with opened(path) as file:
            x, y = (self.x, file.get(self.x)), (self.y, file.get(self.y)) if with_target else None
            mask = (self.mask, file.get(self.mask)) if self.mask in file.names else None
            if not self.mask and self.sequences and "mask" in file.names:
                raise DataError(f"{path}: array 'mask': not allowed, since the training data had no mask")
        if mask:
            x = (self.x, clear_inputs(x[1], mask[1], bool(self.ids)))
            task = "classification" if self.classes else "regression"
            y = (self.y, clear_targets(y[1], mask[1], task)) if y and self.steps else y
        return self.encode(str(path), x, y, mask)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"type": "npz", **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ArrayEncoding:
        """The encoding that `to_json` returned."""
        return cls(values["x"], values["y"], tuple(values["shape"]), values["classes"], values["outputs"], **_later(values))


def _later(values: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults for the keys that older files lack."""
    return {name: values[name] for name in ("steps", "layout", "mask", "ids") if name in values}


def _mask(path: str, mask: Named, x: Named) -> np.ndarray:
    """Check the mask of a file's sequences.

    Raises:
        DataError: its shape differs from the steps of x, or a weight is negative.
    """
    (name, a), steps = mask, x[1].shape[:2]
    if a.shape != steps:
        raise DataError(
            f"{path}: array '{name}' has shape {a.shape}, but the steps of '{x[0]}' are {steps}; each step needs a 0 or 1"
        )
    a = real(path, name, a)
    below = np.argwhere(a < 0)
    if len(below):
        raise DataError(
            f"{path}: {place(name, below[0])} is {a[tuple(below[0])]}; masks hold weights, 0 or more, 0 for padding"
        )
    return a


def shape_of_x(path: str, name: str, x: np.ndarray, layout: Layout, ids: bool = False) -> tuple[int, ...]:
    """The shape of one example of x.

    Args:
        ids: whether x holds sequences of ids.

    Raises:
        DataError: arrays with this number of dimensions are not supported, or the layout does not fit them.
    """
    where = f"{path}: array '{name}' has shape {x.shape}"
    if ids:
        if x.ndim != 2:
            raise DataError(f"{where}; ids (dataset.vocabulary) need (n, T)")
        return (0,)
    if layout == "time_major" and x.ndim != 3:
        raise DataError(f"{where}; layout=time_major is for sequences (T, n, F)")
    if layout in ("NCHW", "NHWC") and x.ndim != 4:
        grey = "; grey images are x[:, None]" if x.ndim == 3 else ""
        raise DataError(f"{where}; layout={layout} is for images ({', '.join(layout.replace('N', 'n'))}){grey}")
    if x.ndim not in AXES:
        hint = "; one feature is x[:, None]" if x.ndim == 1 else ""
        raise DataError(f"{where}; use (n, F), (n, T, F) or (n, C, H, W){hint}")
    if layout == "batch_major" and x.ndim == 4 and x.shape[3] in (1, 3, 4) and min(x.shape[1:3]) > 4:
        raise DataError(
            f"{where}, which as (n, C, H, W) is {x.shape[1]} channels of {x.shape[2]} x {x.shape[3]}; for images with "
            f"channels last, set dataset.layout=NHWC or use {name}.transpose(0, 3, 1, 2); dataset.layout=NCHW reads "
            "the array unchanged"
        )
    if layout == "NHWC":
        return (x.shape[3], *x.shape[1:3])
    return (0, *x.shape[2:]) if x.ndim == 3 else x.shape[1:]


def sizes_of_y(path: str, name: str, y: np.ndarray, task: str, x: np.ndarray, sequences: bool) -> tuple[int, int, bool]:
    """Classes and outputs, one of which is 0, and whether every step of a sequence has its own. With task auto, integers and
    one-hot rows are labels, everything else is real numbers.

    Raises:
        DataError: y has another shape, or does not fit the task.
    """
    each = sequences and y.shape[:2] == x.shape[:2]  # in either layout
    if y.ndim not in (1, 2) and not (each and y.ndim == 3):
        beside = ", or (n, T, k) for sequences (n, T, F)" if sequences else ""
        raise DataError(f"{path}: array '{name}' has shape {y.shape}; use (n,) or (n, k){beside}")
    axes = 2 if each else 1
    several = y.ndim > axes and y.shape[-1] > 1
    if task == "classification" or (task == "auto" and (is_one_hot(y) if several else are_labels(y))):
        found = plain_labels(path, name, y, axes)
        return y.shape[-1] if several else int(found.max()) + 1, 0, each
    return 0, 1 if y.ndim == 1 else y.shape[-1], y.ndim == 3


def check_classes(path: str, ys: Mapping[str, tuple[str, np.ndarray, np.ndarray]], layout: Layout) -> None:
    """Check that every label is in the training split, and that labels count from 0 without a gap.

    Args:
        ys: split -> the array's name, the rows of it, and their labels (n,) or (n, T).
        layout: of the array.

    Raises:
        DataError: the message names the label and a row.
    """

    def where(name: str, rows: np.ndarray, found: np.ndarray) -> str:
        row, *step = found
        index = (rows[row], *step)
        return place(name, index[::-1] if layout == "time_major" else index)

    seen = np.unique(ys["train"][2])
    for split, (name, rows, y) in ys.items():
        new = ~np.isin(y, seen)
        if new.any():
            at = np.argwhere(new)[0]
            raise DataError(
                f"{path}: {where(name, rows, at)} is {y[tuple(at)]}, in the {split} split, but no training row has that "
                f"label; leave it out, draw another split (dataset.seed), or use real numbers (dataset.task=regression)"
            )
    name, rows, y = ys["train"]
    if len(seen) == 1:
        raise DataError(f"{path}: array '{name}' holds a single class, {seen[0]}, from {place(name, rows[0])} on")
    gap = np.flatnonzero(seen != np.arange(len(seen)))
    if gap.size:
        at = np.argwhere(y == seen[gap[0]])[0]
        raise DataError(
            f"{path}: {where(name, rows, at)} is {y[tuple(at)]}, but {gap[0]} is missing; classes must count from 0 without "
            f"a gap (numpy.unique({name}, return_inverse=True)[1] makes such labels; dataset.task=regression reads numbers)"
        )
