"""Feature scaling: shifts and widths computed on the training split, applied to every split and to new rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from framework.core.errors import DataError, did_you_mean
from framework.data.dataset import Data, ScaleMethod, is_mapped

ScaleOption = Literal["auto", "none", "standard", "minmax"]  # auto: what the data set suggests

# The axes over which a feature is averaged: all but F, or all but C; a field without either is one feature.
MEASURED = {"N": (0,), "NT": (0, 1), "NF": (0,), "NTF": (0, 1), "NCHW": (0, 2, 3)}


SHOWN = 3  # columns of a target in a line
AUTO = {
    how: f"features are scaled: (x - {shift}) / {width} of the training split; dataset.scale=none reads them unchanged"
    for how, shift, width in (("standard", "mean", "deviation"), ("minmax", "min", "(max - min)"))
}


@dataclass(frozen=True)
class Scale:
    """x' = (x - shift) / width for every feature of some fields, in float64.

    standard: shift = mean, width = standard deviation (the root of the mean squared deviation). minmax: shift = min,
    width = max - min, so that the training split lies in 0 ... 1. A feature that is constant on the training split has
    no width: it is shifted to 0 and keeps its unit. Masked steps of sequences are not counted.

    Attributes:
        how: none, standard or minmax.
        shift, width: field -> one value per feature: (F,) for NF and NTF, (C, 1, 1) for NCHW, () for N and NT.
    """

    how: ScaleMethod
    shift: Mapping[str, np.ndarray]
    width: Mapping[str, np.ndarray]

    def apply(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The fields of one split or of new rows, scaled; those without a scale stay unchanged.

        Raises:
            ValueError: a field has another number of features than the training split.
        """
        for name in self.shift.keys() & arrays.keys():
            wanted, given = self.shift[name].shape[:1], arrays[name].shape[1:]
            if wanted and wanted[0] != given[0 if self.shift[name].ndim == 3 else -1]:
                raise ValueError(f"'{name}' has {given} per example; it was scaled with {wanted[0]} features")
        return {name: self._scaled(name, a) for name, a in arrays.items()}

    def _scaled(self, name: str, a: np.ndarray) -> np.ndarray:
        return (np.asarray(a, float) - self.shift[name]) / self.width[name] if name in self.shift else a

    def undo(self, name: str, a: np.ndarray) -> np.ndarray:
        """x = x' width + shift: a scaled field in its own units."""
        return np.asarray(a, float) * self.width[name] + self.shift[name] if name in self.shift else a

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, which preserves float64 exactly."""
        return {
            "how": self.how,
            "shift": {name: a.tolist() for name, a in self.shift.items()},
            "width": {name: a.tolist() for name, a in self.width.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scale:
        """The scale that `to_json` returned."""
        shift, width = ({name: np.array(a, float) for name, a in values[key].items()} for key in ("shift", "width"))
        return cls(values["how"], shift, width)


def fit(data: Data, how: str, fields: Collection[str]) -> Scale:
    """The scale of a data set's training split.

    Args:
        how: none, standard, minmax, or auto: that of the data set.
        fields: the fields to scale, without targets; ids, labels and masks among them are skipped.

    Raises:
        ValueError: unknown scale or field.
        DataError: a field is on disk.
    """
    if how not in get_args(ScaleOption):
        raise ValueError(f"dataset.scale: unknown scale '{how}'{did_you_mean(how, get_args(ScaleOption))}")
    how = data.scale if how == "auto" else how
    for name in fields:
        if name not in data.fields:
            raise ValueError(f"unknown field '{name}'{did_you_mean(name, data.fields)}")
    scaled_fields = [name for name, f in data.fields.items() if name in fields and f.kind == "real" and how != "none"]
    for name in scaled_fields:
        if is_mapped(data.splits["train"][name]):
            raise DataError(f"dataset.scale: '{name}' stays on disk and would be copied to memory; scale the file itself")
    found = {name: _measured(*_counted(name, data), how) for name in scaled_fields}
    found |= {name: _first(found[other], name, data) for name, other in data.scaled_with.items() if other in found}
    shift, width = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
    return Scale(how, shift, width)  # type: ignore[arg-type]


def _first(pair: tuple[np.ndarray, np.ndarray], target: str, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """The scale of the first features of a field, as many as a target has."""
    count = data.splits["train"][target].shape[-1]
    return (pair[0][:count], pair[1][:count]) if data.fields[target].axes.endswith("F") else pair


def _counted(name: str, data: Data) -> tuple[np.ndarray, str]:
    """A field of the training split and its axes; for sequences with a mask, the unmasked steps as rows."""
    train, field = data.splits["train"], data.fields[name]
    masks = [train[mask] for mask, f in data.fields.items() if f.kind == "mask" and f.time_major]
    fitting = [mask for mask in masks if field.time_major and mask.shape == train[name].shape[:2] and mask.any()]
    return (train[name][fitting[0] > 0], field.axes.replace("T", "")) if fitting else (train[name], field.axes)


def _measured(a: np.ndarray, axes: str, how: str) -> tuple[np.ndarray, np.ndarray]:
    """shift and width of every feature."""
    over = MEASURED[axes]
    a = np.asarray(a, float)

    def of(function: Callable[..., Any]) -> np.ndarray:
        return np.asarray(function(a, axis=over, keepdims=axes == "NCHW")).reshape(_shape(a, axes))

    least, most = of(np.min), of(np.max)
    shift, width = (of(np.mean), of(np.std)) if how == "standard" else (least, most - least)
    # By minimum and maximum, not by width: equal values can have a deviation of 1e-17.
    constant = least == most
    return np.where(constant, least, shift), np.where(constant, 1.0, width)


def _shape(a: np.ndarray, axes: str) -> tuple[int, ...]:
    return (a.shape[1], 1, 1) if axes == "NCHW" else (a.shape[-1],) if axes.endswith("F") else ()


def scaled(data: Data, scale: Scale, auto: bool = False, targets: Collection[str] = ()) -> Data:
    """All splits of a data set, scaled. A known true function then maps the scaled x to the scaled y.

    Args:
        targets: the fields of which a line says how their losses are read.
        auto: whether the data set chose the scale; a line then says so.
    """
    splits = {name: scale.apply(arrays) for name, arrays in data.splits.items()}
    f = data.f if data.f is None or not scale.shift else functools.partial(_of_scaled, data.f, scale)
    sigma, width = data.sigma, scale.width.get("y")
    if sigma is not None and width is not None:
        sigma = sigma / float(width.mean())  # one deviation for all columns, which a data set with sigma has
    lines = [AUTO[scale.how]] if auto and scale.shift.keys() - {*targets} else []
    lines += [_line(scale, name, data) for name in targets if name in scale.shift]
    baselines = {
        name: {split: scale.apply(fields) for split, fields in found.items()} for name, found in data.baselines.items()
    }
    return replace(data, splits=splits, f=f, sigma=sigma, baselines=baselines, notes=(*data.notes, *lines))


def _line(scale: Scale, target: str, data: Data) -> str:
    """How the loss of a scaled target is read."""
    names = list(data.fields[target].features) or [target]
    shift, width = (np.ravel(a[target]) for a in (scale.shift, scale.width))
    names = names if len(names) == len(shift) else [f"{target}[{k}]" for k in range(len(shift))]
    scaled = [
        f"({name} {'+' if a < 0 else '-'} {abs(a):.{6 if abs(a) < 1e5 * b else 12}g}) / {b:.6g}"
        for name, a, b in zip(names, shift, width, strict=True)
    ]
    shown = ", ".join(scaled if len(scaled) <= SHOWN else [*scaled[:SHOWN], "..."])
    listed = ", ".join(f"'{name}'" for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    how = ", with the scale of its features" if target in data.scaled_with else ""
    return (
        f"target{'s' if len(names) > 1 else ''} {listed} {'are' if len(names) > 1 else 'is'} scaled{how}: train/loss and "
        f"val/loss are of {shown}; metrics and predictions are in {'their own units' if len(names) > 1 else 'its own unit'}"
    )


def in_own_unit(data: Data, scale: Scale, targets: Collection[str]) -> tuple[Data, Scale]:
    """Scaled data with some fields in their own unit again, and the scale of these fields only."""
    names = [name for name in targets if name in scale.shift]
    splits = {
        split: {name: scale.undo(name, a) if name in names else a for name, a in arrays.items()}
        for split, arrays in data.splits.items()
    }
    shift, width = ({name: a[name] for name in names} for a in (scale.shift, scale.width))
    return (replace(data, splits=splits) if names else data), Scale(scale.how, shift, width)


def _of_scaled(f: Callable[[np.ndarray], np.ndarray], scale: Scale, x: np.ndarray) -> np.ndarray:
    """The scaled f at a scaled x."""
    return scale.apply({"y": f(scale.undo("x", x))})["y"]


AS_SCALED = Scale("none", {}, {})  # of data that have been scaled already

__all__ = ["AS_SCALED", "Scale", "ScaleMethod", "ScaleOption", "fit", "scaled"]
