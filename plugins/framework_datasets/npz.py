from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Data, DataError, option
from framework_datasets._array_encoding import ArrayEncoding, Layout, check_classes, shape_of_x, sizes_of_y
from framework_datasets._array_padding import clear_inputs, clear_targets
from framework_datasets._array_words import unread_words, x_words, y_words
from framework_datasets._arrays import labels, opened
from framework_datasets._files import sample
from framework_datasets._rows import keep_rare, moved_line, share_out
from framework_datasets._several_arrays import Rows, SeveralArrays, with_further
from framework_datasets._splits import SPLIT_HELP, Split, in_order, rare_line, stratified

SPLITS = ("train", "val", "test")
ENDS = ("", "_train", "_val", "_test")  # of the names of arrays


@dataclass(frozen=True)
class Npz:
    """Your own arrays, written with numpy.savez.

    The file holds x and y, whose rows are drawn by `dataset.seed`, so that each class has its share of every split; or
    x_train, y_train, x_val, y_val, x_test, y_test, which stay as they are. Without x_val, the fraction `val` of the training
    rows is drawn.
    Fields: x (n, F), (n, T, F) sequences or (n, C, H, W) images; y (n,) or (n, 1) integers: the class, 0 ... K-1, also
    as floats 0.0 ... K-1 with K at most 20, or one-hot (n, K); y with fractions, (n,) as (n, 1), or (n, k): numbers. For
    sequences also y (n, T), (n, T, 1) or one-hot (n, T, K), the class of every step, or y (n, T, k) numbers. mask (n, T) is
    1 for a step, 0 for padding of a shorter sequence, on either side. With `vocabulary` x (n, T) holds
    sequences of ids. With layout=time_major the file holds sequences as x (T, n, F), y (T, n) or (T, n, k), mask (T, n);
    with layout=NHWC images as x (n, H, W, C). Features x (n, F) are scaled unless `dataset.scale=none`; sequences and images
    are not. If no training row has a class, one row of it moves to the training split. x=[a, b] reads several inputs: each
    is a field with the name of its array, which layers read by `from`; y=[t, u] several targets, for several heads.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto", "scale_targets": True}
    path: str = option(help="the file, relative to the current folder")
    x: str | list[str] = option("x", help="the array of inputs; with the ending _train, _val, _test if the file is split")
    y: str | list[str] = option("y", help="the array of targets, likewise")
    mask: str = option("mask", help="the array of masks, likewise, if sequences have one")
    task: Literal["auto", "classification", "regression"] = option(
        "auto", help="auto: integers are labels, one per row or step, as are integral floats from 0 and one-hot rows"
    )
    layout: Layout = option("batch_major", help="of sequences in the file and of their predictions; of images")
    vocabulary: int | Literal["auto"] | None = option(
        None, least=1, help="number of ids, if x (n, T) holds ids; auto: the largest + 1; null: x holds real numbers"
    )
    split: Split = option("stratified", help=SPLIT_HELP)
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        inputs, targets = ([named] if isinstance(named, str) else list(named) for named in (self.x, self.y))
        if not inputs or not targets:
            raise DataError(f"{self.path}: dataset.{'y' if inputs else 'x'} is an empty list; name at least one array")
        further = [f"{name}{end}" for name in (*inputs[1:], *targets[1:]) for end in ENDS]
        data, rows = replace(self, x=inputs[0], y=targets[0])._load(rng, further)
        if not further:
            return data
        return with_further(self.path, data, (inputs, targets), rows, self.task, self.vocabulary is not None)

    def _load(self, rng: np.random.Generator, further: Sequence[str]) -> tuple[Data, Rows]:
        """The data set of one input and one target, and the rows of its splits.

        Args:
            further: arrays that are read besides.
        """
        with opened(self.path) as file:
            there = file.names
            names = self._names(there)
            arrays = {name: file.get(name) for part in names.values() for name in part}
        x, y, *mask = next(iter(names.values()))  # the training arrays, or the only ones, decide
        if self.vocabulary or arrays[x].ndim == 3:
            self._clear_padding(arrays, names)
        ids = self._ids(arrays, [named[0] for named in names.values()])
        shape = shape_of_x(self.path, x, arrays[x], self.layout, bool(ids))
        sequences = bool(ids) or arrays[x].ndim == 3
        sizes = sizes_of_y(self.path, y, arrays[y], self.task, arrays[x], sequences)
        has_mask = bool(mask) and sequences
        encoding = ArrayEncoding(str(self.x), str(self.y), shape, *sizes, self.layout, self.mask if has_mask else "", ids)
        read = {part: [(name, arrays[name]) for name in named[: 2 + has_mask]] for part, named in names.items()}
        parts = {part: encoding.encode(self.path, *named) for part, named in read.items()}
        rows, lines = self._rows({part: fields["y"] for part, fields in parts.items()}, rng)
        splits = {split: {name: a[at] for name, a in parts[part].items()} for split, (part, at) in rows.items()}
        if encoding.classes:
            check_classes(
                self.path, {s: (names[part][1], at, splits[s]["y"]) for s, (part, at) in rows.items()}, self.layout
            )
        taken = f"{self.path}: {y_words(y, arrays[y], encoding, self.task)}; {x_words(x, arrays[x], encoding)}"
        masks = [] if has_mask else [name for named in names.values() for name in named[2:]]
        used = [*further, *(name for named in read.values() for name, _ in named)]
        notes = (taken, *unread_words(there, used, self._known(), masks), *lines)
        classes = [str(k) for k in range(encoding.classes)]
        scale: Literal["none", "standard"] = "standard" if encoding.fields["x"].axes == "NF" else "none"
        return Data(splits, encoding.fields, names=classes, encoding=encoding, scale=scale, notes=notes), rows

    def _clear_padding(self, arrays: dict[str, np.ndarray], names: Mapping[str, Sequence[str]]) -> None:
        for x, y, *masks in names.values():
            for mask in masks:
                arrays[x] = clear_inputs(arrays[x], arrays[mask], bool(self.vocabulary))
                arrays[y] = clear_targets(arrays[y], arrays[mask], self.task)

    def _ids(self, arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> int:
        """The number of ids; 0 if x holds real numbers."""
        if self.vocabulary != "auto":
            return self.vocabulary or 0
        return 1 + max(int(labels(self.path, name, arrays[name], "an id").max()) for name in names)

    def _known(self) -> list[str]:
        """The names of arrays that are read."""
        return [f"{name}{end}" for name in (self.x, self.y, self.mask) for end in ENDS]

    @classmethod
    def encoding_from_json(cls, values: Mapping[str, Any]) -> ArrayEncoding | SeveralArrays:
        """The encoding that was saved with a model."""
        return SeveralArrays.from_json(values) if "several" in values else ArrayEncoding.from_json(values)

    def _names(self, there: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """part of the file -> its arrays x, y and, if present, mask: one part `all`, or a part for each split."""
        whole = self.x in there or f"{self.x}_train" not in there
        ends = {"all": ""} if whole else {split: f"_{split}" for split in SPLITS}
        first = next(iter(ends.values()))
        masked = self.mask != "mask" or f"{self.mask}{first}" in there  # another name was configured
        named = (self.x, self.y, self.mask) if masked else (self.x, self.y)
        pairs = {part: tuple(f"{name}{end}" for name in named) for part, end in ends.items()}
        return {part: names for part, names in pairs.items() if whole or set(names) & set(there)}

    def _rows(self, arrays: Mapping[str, np.ndarray], rng: np.random.Generator) -> tuple[Rows, tuple[str, ...]]:
        """split -> the part of the file, and its rows; and lines on rare labels.

        Args:
            arrays: part -> its targets.
        """
        drawn = next(iter(arrays))
        whole = {split: (split, np.arange(len(a))) for split, a in arrays.items() if split != "all"}
        if drawn != "all" and ("val" in arrays or not self.val):
            return whole, ()
        y, fractions = arrays[drawn], (self.val, self.test if drawn == "all" else 0)
        labels, moved, rare = y.dtype.kind == "i", {}, ()
        if self.split == "time":
            shares = in_order(self.path, np.arange(len(y)), *fractions)
        elif self.split == "stratified" and labels and y.ndim == 1:
            shares = stratified(self.path, y, rng, *fractions)
            rare = rare_line(y, [str(k) for k in range(y.max() + 1)], shares)
        else:
            shares, moved = keep_rare(share_out(self.path, len(y), rng, *fractions), [y] if labels else [])
        lines = (*rare, *moved_line(moved, "label"))
        return whole | {split: (drawn, rows) for split, rows in shares.items()}, lines

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
        tokens = sample("tokens.npz", _written({"x": rng.integers(0, 5, (30, 6)), "y": y}))
        more = [*((Npz(path, layout="time_major"), None) for path in (steps, padded)), (Npz(tokens, vocabulary=5), None)]
        return [*made, *more]


def _written(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
