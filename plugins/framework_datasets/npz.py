from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Data, option
from framework_datasets.array_encoding import ArrayEncoding, Layout, check_classes, shape_of_x, sizes_of_y
from framework_datasets.arrays import opened
from framework_datasets.files import sample
from framework_datasets.rows import share_out

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Npz:
    """Your own arrays, written with numpy.savez.

    The file holds x and y, whose rows are shared out at random (from `dataset.seed`), or x_train, y_train, x_val, y_val,
    x_test, y_test, which stay as they are; where x_val is not among these, the fraction `val` of the training rows is drawn.
    Fields: x (n, F), (n, T, F) sequences or (n, C, H, W) images; y (n,) whole numbers: the class, 0 ... K-1; y (n,) with
    fractions, as (n, 1), or y (n, k): numbers. Beside sequences also y (n, T) whole numbers, the class of every step, or
    y (n, T, k) numbers, and mask (n, T): 1 where a step counts, 0 where a shorter sequence is padded, on either side. With
    layout=time_major sequences stand in the file as x (T, n, F), y (T, n) or (T, n, k), mask (T, n).
    """

    path: str = option(help="the file, from the current folder on")
    x: str = option("x", help="the array of inputs; with _train, _val, _test behind it where the file is split")
    y: str = option("y", help="the array of targets, likewise")
    mask: str = option("mask", help="the array of steps that count, likewise, where sequences have one")
    task: Literal["auto", "classification", "regression"] = option(
        "auto", help="auto: integers are labels, one per row or step"
    )
    layout: Layout = option("batch_major", help="of sequences in the file, and of what is predicted for each of their steps")
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        with opened(self.path) as file:
            names = self._names(file.names)
            arrays = {name: file.get(name) for part in names.values() for name in part}
        x, y, *mask = next(iter(names.values()))  # what decides: the training arrays, or the only ones
        shape = shape_of_x(self.path, x, arrays[x], self.layout)
        sizes = sizes_of_y(self.path, y, arrays[y], self.task, arrays[x])
        has_mask = bool(mask) and arrays[x].ndim == 3
        encoding = ArrayEncoding(self.x, self.y, shape, *sizes, self.layout, self.mask if has_mask else "")
        read = {part: [(name, arrays[name]) for name in named[: 2 + has_mask]] for part, named in names.items()}
        parts = {part: encoding.encode(self.path, *named) for part, named in read.items()}
        rows = self._rows({part: len(fields["x"]) for part, fields in parts.items()}, rng)
        splits = {split: {name: a[at] for name, a in parts[part].items()} for split, (part, at) in rows.items()}
        if encoding.classes:
            check_classes(
                self.path, {s: (names[part][1], at, splits[s]["y"]) for s, (part, at) in rows.items()}, self.layout
            )
        return Data(splits, encoding.fields, names=[str(k) for k in range(encoding.classes)], encoding=encoding)

    @classmethod
    def encoding_from_json(cls, told: Mapping[str, Any]) -> ArrayEncoding:
        """The encoding that was saved with a model."""
        return ArrayEncoding.from_json(told)

    def _names(self, there: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """part of the file -> its arrays x, y and, where there is one, mask: one part `all`, or a part for each split."""
        whole = self.x in there or f"{self.x}_train" not in there
        ends = {"all": ""} if whole else {split: f"_{split}" for split in SPLITS}
        first = next(iter(ends.values()))
        masked = self.mask != "mask" or f"{self.mask}{first}" in there  # another name was asked for
        named = (self.x, self.y, self.mask) if masked else (self.x, self.y)
        pairs = {part: tuple(f"{name}{end}" for name in named) for part, end in ends.items()}
        return {part: names for part, names in pairs.items() if whole or set(names) & set(there)}

    def _rows(self, sizes: Mapping[str, int], rng: np.random.Generator) -> dict[str, tuple[str, np.ndarray]]:
        """split -> the part of the file it is taken from, and the rows of that part."""
        if "all" in sizes:
            shares = share_out(self.path, sizes["all"], rng, self.val, self.test)
            return {split: ("all", rows) for split, rows in shares.items()}
        whole = {split: (split, np.arange(n)) for split, n in sizes.items()}
        if "val" in sizes or not self.val:
            return whole
        shares = share_out(self.path, sizes["train"], rng, self.val, 0)
        return whole | {split: ("train", rows) for split, rows in shares.items()}

    @staticmethod
    def examples() -> list[tuple[Npz, None]]:
        rng = np.random.default_rng(0)
        y = np.arange(30) % 3
        images = {f"x_{s}": rng.uniform(size=(30, 1, 4, 4)) for s in SPLITS} | {f"y_{s}": y / 2 for s in SPLITS}
        contents: dict[str, Mapping[str, np.ndarray]] = {"rows": {"x": rng.uniform(size=(30, 2)), "y": y}, "images": images}
        steps = sample("steps.npz", _written({"x": rng.uniform(size=(5, 30, 2)), "y": np.stack([y] * 5)}))
        made = [(Npz(sample(f"{name}.npz", _written(arrays))), None) for name, arrays in contents.items()]
        mask = (np.arange(5)[:, None] < 1 + np.arange(30) % 5) * 1
        padded = sample("padded.npz", _written({"x": rng.uniform(size=(5, 30, 2)), "y": np.stack([y] * 5), "mask": mask}))
        return [*made, *((Npz(path, layout="time_major"), None) for path in (steps, padded))]


def _written(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
