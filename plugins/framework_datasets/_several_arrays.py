"""Further inputs and targets of an npz file, each a field with the name of its array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from framework import Data, DataError, Field
from framework_datasets._array_encoding import ArrayEncoding, Layout, check_classes, shape_of_x, sizes_of_y
from framework_datasets._arrays import labels, opened

Rows = dict[str, tuple[str, np.ndarray]]  # split -> the part of the file, `all` or a split, and its rows


@dataclass(frozen=True)
class SeveralArrays:
    """The encoding of a file with several inputs or targets.

    Attributes:
        first: that of the first input, the first target and the mask.
        inputs, targets: those of the further ones.
        x, y: the fields of the first input and the first target.
    """

    first: ArrayEncoding
    inputs: tuple[ArrayEncoding, ...] = ()
    targets: tuple[ArrayEncoding, ...] = ()
    x: str = "x"
    y: str = "y"

    @property
    def layout(self) -> Layout:
        """That of the first input."""
        return self.first.layout

    @property
    def fields(self) -> dict[str, Field]:
        """The declarations of all fields, inputs first."""
        known = self.first.fields
        inputs = {self.x: known["x"]} | {each.x: each.fields["x"] for each in self.inputs}
        targets = {self.y: known["y"]} | {each.y: each.fields["y"] for each in self.targets}
        return inputs | targets | ({"mask": known["mask"]} if "mask" in known else {})

    def named(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of the first encoding by the names of their fields."""
        names = {"x": self.x, "y": self.y}
        return {names.get(name, name): a for name, a in arrays.items()}

    def further(
        self, path: str, get: Callable[[str], np.ndarray], with_target: bool, end: str = ""
    ) -> dict[str, np.ndarray]:
        """The further fields of a file or of a part of it.

        Args:
            get: name -> array.
            end: of the names in this part, such as _val.

        Raises:
            DataError: an array is missing, or differs from the training array.
        """
        found = {}
        for each in self.inputs:
            found[each.x] = each.encode(path, (each.x + end, get(each.x + end)), None)["x"]
        for each in self.targets if with_target else ():
            x, y = (each.x + end, get(each.x + end)), (each.y + end, get(each.y + end))
            found[each.y] = each.encode(path, x, y)["y"]
        return found

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """The examples of a new file, in its order.

        Raises:
            DataError: an array is missing, or differs from the training split.
        """
        arrays = self.named(self.first.read(path, with_target))
        with opened(path) as file:
            return arrays | self.further(str(path), file.get, with_target)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        more = {"inputs": [each.to_json() for each in self.inputs], "targets": [each.to_json() for each in self.targets]}
        return {**self.first.to_json(), "several": {"x": self.x, "y": self.y, **more}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SeveralArrays:
        """The encoding that `to_json` returned."""
        known = values["several"]
        inputs, targets = (tuple(map(ArrayEncoding.from_json, known[key])) for key in ("inputs", "targets"))
        return cls(ArrayEncoding.from_json(values), inputs, targets, known["x"], known["y"])


def fit_several(
    path: str,
    first: ArrayEncoding,
    inputs: Sequence[str],
    targets: Sequence[str],
    get: Callable[[str], np.ndarray],
    task: str,
    ids: bool,
) -> SeveralArrays:
    """The encoding of several inputs and targets, the first of which is fitted.

    Args:
        inputs, targets: all names; one name is the field x or y, several are fields of their own names.
        get: name -> the training array.
        ids: whether integers (n, T) are ids.

    Raises:
        DataError: an array has a shape that is not supported, or a name is used twice.
    """
    names = [
        *(inputs if len(inputs) > 1 else "x"),
        *(targets if len(targets) > 1 else "y"),
        *(["mask"] if first.mask else []),
    ]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: '{twice}' is the name of two fields; give each input and target once, and another name")
    more = []
    for name in inputs[1:]:
        a = get(name)
        size = 1 + int(labels(path, name, a, "an id").max()) if ids and a.ndim == 2 and a.dtype.kind in "iu" else 0
        layout: Layout = first.layout if a.ndim == len(first.shape) + 1 else "batch_major"
        more.append(ArrayEncoding(name, "", shape_of_x(path, name, a, layout, bool(size)), 0, 0, layout=layout, ids=size))
    x, further = get(first.x), []
    for name in targets[1:]:
        sizes = sizes_of_y(path, name, get(name), task, x, first.sequences)
        further.append(ArrayEncoding(first.x, name, first.shape, *sizes, first.layout, "", first.ids))
    fields = inputs[0] if len(inputs) > 1 else "x", targets[0] if len(targets) > 1 else "y"
    return SeveralArrays(first, tuple(more), tuple(further), *fields)


def with_further(
    path: str, data: Data, names: tuple[Sequence[str], Sequence[str]], rows: Rows, task: str, ids: bool
) -> Data:
    """The data set of the first input and target, with the further ones of the file.

    Args:
        names: all inputs, and all targets.
        rows: of the splits.
        task, ids: as for `fit_several`.
    """
    ends = {part: "" if part == "all" else f"_{part}" for part, _ in rows.values()}
    first: Any = data.encoding
    with opened(path) as file:
        begin = next(iter(ends.values()))
        encoding = fit_several(path, first, *names, lambda name: file.get(name + begin), task, ids)
        more = {part: encoding.further(path, file.get, True, end) for part, end in ends.items()}
    splits = {}
    for split, arrays in data.splits.items():
        part, at = rows[split]
        _check_rows(path, more[part], at, ends[part])
        splits[split] = encoding.named(arrays) | {name: a[at] for name, a in more[part].items()}
    for each in encoding.targets:
        if each.classes:
            found = {s: (each.y + ends[part], at, splits[s][each.y]) for s, (part, at) in rows.items()}
            check_classes(path, found, each.layout)
    fields = encoding.fields
    inputs = [encoding.x, *(each.x for each in encoding.inputs)]
    targets = [encoding.y, *(each.y for each in encoding.targets)]
    flat = all(fields[name].axes == "NF" for name in inputs)
    notes = (*data.notes, f"inputs: {_shown(inputs, splits)}; targets: {_shown(targets, splits)}")
    return replace(data, splits=splits, fields=fields, encoding=encoding, scale="standard" if flat else "none", notes=notes)


def _shown(names: Sequence[str], splits: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """Fields with their shapes."""
    return ", ".join(f"'{name}' ({', '.join(map(str, ('n', *splits['train'][name].shape[1:])))})" for name in names)


def _check_rows(path: str, arrays: Mapping[str, np.ndarray], rows: np.ndarray, end: str) -> None:
    """Check that further arrays have the rows of the first.

    Raises:
        DataError: one is shorter.
    """
    for name, a in arrays.items():
        if len(a) <= rows.max(initial=-1):
            raise DataError(f"{path}: '{name}{end}' has {len(a)} rows, fewer than the first input; every example needs all")
