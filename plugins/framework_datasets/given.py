from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Data, Field, did_you_mean, option

# The axes of a field by its number of dimensions.
NUMBERS = {2: "NF", 3: "NTF", 4: "NCHW"}
SYMBOLS = {1: "N", 2: "NT"}


@dataclass(frozen=True)
class Rows:
    """A field, given by its values."""

    values: Any = option(help="the examples: rows of numbers, or of names")
    kind: Literal["real", "id", "label", "mask"] = option("real", help="real numbers, ids, labels, or a mask")


@dataclass(frozen=True)
class Given:
    """x, y, ... as given in the configuration: a few examples, as on a blackboard.

    Fields: those of `fields`, each {values: [...], kind: real, id, label or mask}, examples first. Real numbers (n, F),
    (n, T, F) or (n, C, H, W); ids, labels and masks (n) or (n, T). Ids and labels are numbers from 0 on, or words of
    `names`; the number of symbols is that of names, otherwise the largest number + 1. All examples train.
    """

    fields: Mapping[str, Rows] = option(help="name -> {values: [...], kind: real}")
    names: tuple[str, ...] = option((), help="the names of the symbols, in order")

    def load(self, rng: np.random.Generator) -> Data:
        arrays = {name: self._array(name, field) for name, field in self.fields.items()}
        if not arrays:
            raise ValueError("fields: missing; give x, and y if there is a target")
        counts = {name: len(a) for name, a in arrays.items()}
        if len(set(counts.values())) > 1:
            counts_shown = ", ".join(f"{n} of {name}" for name, n in counts.items())
            raise ValueError(f"fields: {counts_shown}; every field needs the same number of examples")
        fields = {name: self._field(name, field.kind, arrays[name]) for name, field in self.fields.items()}
        return Data({"train": arrays}, fields, names=self.names)

    def _array(self, name: str, field: Rows) -> np.ndarray:
        symbols = field.kind in ("id", "label")
        try:
            a = np.array(self._numbered(field.values, name) if symbols else field.values, float)
        except (TypeError, ValueError) as error:
            if str(error).startswith("fields."):
                raise
            raise ValueError(f"fields.{name}.values: {field.values!r} are not numbers in rows of equal length") from None
        if symbols and (a != a.round()).any():
            raise ValueError(f"fields.{name}.values: {field.kind}s must be integers from 0 on")
        return a.astype(np.int64) if symbols else a

    def _numbered(self, values: Any, name: str) -> Any:
        """Words replaced by their indices."""
        if isinstance(values, list | tuple):
            return [self._numbered(value, name) for value in values]
        if isinstance(values, str):
            if values not in self.names:
                raise ValueError(f"fields.{name}.values: unknown name '{values}'{did_you_mean(values, self.names)}")
            return self.names.index(values)
        return values

    def _field(self, name: str, kind: Any, a: np.ndarray) -> Field:
        axes = NUMBERS if kind == "real" else SYMBOLS
        if a.ndim not in axes or not a.size:
            shapes = " or ".join(f"({', '.join(axes[d])})" for d in axes)
            raise ValueError(f"fields.{name}.values: shape {a.shape}; a field of kind {kind} needs {shapes}")
        if kind not in ("id", "label"):
            return Field(axes[a.ndim], kind)
        size = len(self.names) or max(int(a.max()) + 1, 1)
        if a.min() < 0 or a.max() >= size:
            raise ValueError(f"fields.{name}.values: {kind}s must be from 0 to {size - 1}")
        return Field(axes[a.ndim], kind, size)

    @staticmethod
    def examples() -> list[tuple[Given, None]]:
        words = {"x": Rows([["S", "C"]], "id"), "y": Rows([["C", "R"]], "label"), "mask": Rows([[1, 0]], "mask")}
        return [(Given({"x": Rows([[1, 2.5]]), "y": Rows([[0.5]])}), None), (Given(words, ("S", "C", "R")), None)]
