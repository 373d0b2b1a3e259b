"""Validates data once against the declarations of their fields, whatever their source: shell, Python or a plugin.

Padding follows one rule: an entry that every mask of its field leaves out is not part of the data. If it is not usable
(NaN, a label -1), it becomes 0 here, so that it reaches no layer, loss, metric or probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from framework.core.errors import DataError, did_you_mean
from framework.data.dataset import Data, Field, Split

LARGE = 100.0  # larger values are far from the scale that initial values and learning rates are meant for
BLOCK = 4096  # rows that are looked at together, so that a file on disk is read through
Arrays = Mapping[str, np.ndarray]


def checked(data: Data) -> Data:
    """The data set, with unusable entries under a mask set to 0. The same object is validated only once.

    Raises:
        DataError: a split or field is empty, missing, unknown, of another shape than in training, or holds what its kind
            does not allow; the message names data set, split, field, and the first row and value.
    """
    known: Data | None = data.__dict__.get("_checked")
    if known is None:
        known = _checked(data)
        known.__dict__["_checked"] = data.__dict__["_checked"] = known
    return known


def _checked(data: Data) -> Data:
    who = f"data set '{data.name}'" if data.name else "the data set"
    if "train" not in data.splits:
        raise DataError(f"{who}: the split 'train' is missing{did_you_mean('train', data.splits)}")
    for split in data.splits:
        if split not in get_args(Split):
            raise DataError(f"{who}: unknown split '{split}'{did_you_mean(split, get_args(Split))}")
    splits = {}
    for split, arrays in data.splits.items():
        where = f"{who}, split '{split}': "
        for name in data.fields:
            if name not in arrays:
                raise DataError(f"{where}the field '{name}' is missing{did_you_mean(name, arrays)}")
        for name in arrays:
            if name not in data.fields:
                raise DataError(f"{where}unknown field '{name}'{did_you_mean(name, data.fields)}")
        splits[split] = checked_arrays(data.fields, arrays, where)
    _check_same_shapes(data.fields, splits, who)
    same = all(splits[split][name] is a for split, arrays in data.splits.items() for name, a in arrays.items())
    return data if same else replace(data, splits=splits)


def checked_arrays(fields: Mapping[str, Field], arrays: Mapping[str, Any], where: str = "") -> dict[str, np.ndarray]:
    """Validated arrays (n, ...) of some fields, as `checked` returns those of a split.

    Args:
        where: the start of an error message.

    Raises:
        DataError: as `checked`.
    """
    there = {name: np.asarray(a) for name, a in arrays.items() if name in fields}
    for name, a in there.items():
        _check_axes(name, fields[name], a, where)
    check_equal_rows(fields, there, where)
    for name, a in there.items():
        if not a.size:
            raise DataError(f"{where}'{name}' is empty (shape {a.shape}); leave an empty split out")
    masks = {name: a for name, a in there.items() if fields[name].kind == "mask"}
    out = {name: _usable(name, fields[name], a, {} if name in masks else masks, where) for name, a in there.items()}
    for name in masks:
        _check_no_empty_rows(name, fields[name], out[name], where)
    return out


def _check_no_empty_rows(name: str, field: Field, mask: np.ndarray, where: str) -> None:
    """Check that every sequence has at least one unmasked step."""
    empty = ~(mask > 0).any(tuple(range(1, mask.ndim))) if field.time_major else np.array(False)
    if empty.any():
        raise DataError(
            f"{where}'{name}' is 0 at every step of row {int(empty.argmax())} (counted from 0); a sequence needs at least "
            "one unmasked step; leave the row out"
        )


def _check_axes(name: str, field: Field, a: np.ndarray, where: str) -> None:
    if a.ndim != len(field.axes):
        raise DataError(f"{where}'{name}' has shape {a.shape}, but its axes are {field.axes}")
    if a.dtype.kind not in "biuf":
        raise DataError(f"{where}'{name}' has type {a.dtype}; a field of kind {field.kind} must hold numbers")
    if field.features and len(field.features) != a.shape[-1]:
        raise DataError(
            f"{where}'{name}' has shape {a.shape}, but {len(field.features)} features: {shown_names(field.features)}"
        )
    if field.kind in ("id", "label") and not _in_columns(field) and field.size < 1:
        raise DataError(f"{where}'{name}' is of kind {field.kind}; its Field needs the number of values (size)")


def check_equal_rows(fields: Mapping[str, Field], arrays: Arrays, where: str = "") -> None:
    """Check that all fields have the same number of rows, and that masks fit their sequences.

    Raises:
        DataError: the numbers of rows differ, or no sequence has the length of a mask.
    """
    rows = {name: len(a) for name, a in arrays.items()}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} has {n}" for name, n in rows.items())
        raise DataError(f"{where}the fields differ in their number of examples ({counts})")
    steps = {name: a.shape[1] for name, a in arrays.items() if name in fields and fields[name].time_major}
    lengths = {name: n for name, n in steps.items() if fields[name].kind != "mask"}
    for name, n in steps.items():
        if name not in lengths and n not in lengths.values():
            counts = ", ".join(f"{field} has {length} steps" for field, length in lengths.items())
            raise DataError(f"{where}'{name}' is a mask of {n} steps, but no sequence has that length ({counts})")


def _check_same_shapes(fields: Mapping[str, Field], splits: Mapping[str, Arrays], who: str) -> None:
    """Check that all splits have the shapes of the training split, except rows and steps."""
    for split, arrays in splits.items():
        for name, a in arrays.items():
            first = 2 if fields[name].time_major else 1
            wanted = splits["train"][name].shape
            if a.shape[first:] != wanted[first:]:
                raise DataError(f"{who}, split '{split}': '{name}' has shape {a.shape}; the training split has {wanted}")


def _usable(name: str, field: Field, a: np.ndarray, masks: Arrays, where: str) -> np.ndarray:
    """The array, ids and labels as integers, with 0 for masked values that the kind does not allow.

    Raises:
        DataError: an unmasked value is not allowed.
    """
    if not all(_allowed(field, a[i : i + BLOCK]).all() for i in range(0, len(a), BLOCK)):
        good = _allowed(field, a)
        seen = ~(good | _left_out(a, masks))
        if seen.any():
            at = np.unravel_index(int(seen.argmax()), a.shape)
            step = f", step {at[1]}" if field.time_major else ""
            value = f"the {field.kind} {a[at]}" if field.kind in ("id", "label") else a[at]
            of = f", feature '{field.features[at[-1]]}'" if field.features else ""
            raise DataError(f"{where}'{name}' holds {value} in row {at[0]}{step} (counted from 0){of}; {_rule(field)}")
        a = np.where(good, a, 0)
    return a.astype(np.int64) if field.kind in ("id", "label") and a.dtype.kind == "f" else a


def _allowed(field: Field, a: np.ndarray) -> np.ndarray:
    """A boolean array: where the values are allowed for the kind."""
    if field.kind == "real":
        good = np.isfinite(a)
    elif field.kind == "mask":
        good = np.isfinite(a) & (a >= 0)
    elif _in_columns(field):
        good = (a == 0) | (a == 1)
    else:
        good = (a >= 0) & (a < field.size) & (a == np.floor(a))
    return np.asarray(good)


def shown_names(names: Sequence[str], most: int = 8) -> str:
    """A list of names, without the middle ones if it is long."""
    return ", ".join(names if len(names) <= most else [*names[: most - 2], "...", names[-1]])


def _in_columns(field: Field) -> bool:
    return field.kind == "label" and field.axes.endswith("F")


def _left_out(a: np.ndarray, masks: Arrays) -> np.ndarray:
    """A boolean array, true where all masks of an array are 0. Shape (n,) or (n, T), ready to broadcast with the array."""
    fitting = [m for m in masks.values() if m.shape == a.shape[: m.ndim]]
    out = np.array(bool(fitting))
    for m in fitting:
        out = out & (m == 0).reshape(*m.shape, *(1,) * (a.ndim - m.ndim))
    return out


def _rule(field: Field) -> str:
    """The allowed values, for the end of an error message."""
    if field.kind == "real":
        return "real fields hold finite numbers, unless a mask is 0 there"
    if field.kind == "mask":
        return "masks hold weights, 0 or more"
    if _in_columns(field):
        return "labels in columns are 0 or 1"
    many = "symbols ids" if field.kind == "id" else "classes labels"
    return f"with {field.size} {many} are integers from 0 to {field.size - 1}"


def far_from_scale(data: Data, targets: set[str]) -> str:
    """A possible reason of a divergence, for the end of its message: values too large to learn from. Empty if there are
    none.

    Args:
        targets: the fields that losses compare with, which `dataset.scale_targets` scales too.
    """
    real = {name: a for name, a in data.splits["train"].items() if data.fields[name].kind == "real"}
    largest = {name: float(np.abs(a).max()) for name, a in real.items()}
    how = {name: f"dataset.scale=standard{' dataset.scale_targets=true' if name in targets else ''}" for name in real}
    large = [name for name, value in largest.items() if value > LARGE]
    hints = "; ".join(f"'{name}' has values up to {largest[name]:.3g}: scale your data, {how[name]}" for name in large)
    return hints and f" ({hints})"
