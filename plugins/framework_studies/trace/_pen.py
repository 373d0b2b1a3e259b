"""The format of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

TERMS = 12  # maximum terms of a sum that are written out


class Pen:
    """Writes numbers with a fixed number of decimals."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def number(self, value: Any) -> str:
        """0.8, 0.689974, -1; a small number that would be rounded to 0, as 4.4e-09."""
        v = float(value)
        if v and abs(v) < 0.5 * 10**-self.digits:
            return f"{v:.2g}"
        text = f"{abs(v) if v == 0 else v:.{self.digits}f}"  # no -0
        return text.rstrip("0").rstrip(".") if "." in text else text

    def factor(self, value: Any) -> str:
        """A number inside a product, in brackets if negative."""
        text = self.number(value)
        return f"({text})" if text.startswith("-") else text

    def row(self, values: Any) -> str:
        """[1, 0.5, -1]."""
        return f"[{', '.join(map(self.number, np.ravel(values)))}]"

    def grid(self, name: str, a: np.ndarray) -> list[str]:
        """name = a matrix, a line for each row; a single row on one line."""
        if a.shape[0] == 1:
            return [f"{name} = {self.row(a)}"]
        cells = [[self.number(v) for v in row] for row in a]
        wide = [max(len(row[j]) for row in cells) for j in range(a.shape[1])]
        lines = ["[" + "  ".join(cell.rjust(w) for cell, w in zip(row, wide, strict=True)) + "]" for row in cells]
        return [f"{name} = {lines[0]}", *(" " * (len(name) + 3) + line for line in lines[1:])]

    def array(self, name: str, a: np.ndarray) -> list[str]:
        """Any array: the last two axes as matrices, those before them counted from 1."""
        if a.ndim == 0:
            return [f"{name} = {self.number(a)}"]
        if a.ndim <= 2:
            return self.grid(name, a.reshape(1, -1) if a.ndim == 1 else a)
        return [line for i, part in enumerate(a, 1) for line in self.array(f"{name}[{i}]", part)]

    def weighted_rows(self, name: str, pairs: Iterable[tuple[Any, Any]], result: Any) -> list[str]:
        """name = 2 * [0.5, 1] = [1, 2]; of several such products, a line for each."""
        terms = [f"{self.factor(x)} * {self.row(w)}" for x, w in pairs if x != 0]
        if len(terms) < 2:
            return [f"{name} = {terms[0] if terms else '0'} = {self.row(result)}"]
        if len(terms) > TERMS:
            terms = [*terms[: TERMS // 2], f"... {len(terms) - TERMS} more", *terms[-TERMS // 2 :]]
        margin = " " * (len(name) + 1)
        return [f"{name} = {terms[0]}", *(f"{margin}+ {term}" for term in terms[1:]), f"{margin}= {self.row(result)}"]

    def products(self, pairs: Iterable[tuple[Any, Any]], plus: Sequence[Any] = ()) -> str:
        """x1 * w1 + x2 * w2 + b; products with x = 0 are left out, and of many the middle."""
        terms = [f"{self.factor(x)} * {self.factor(w)}" for x, w in pairs if x != 0]
        return self.total([*terms, *map(self.factor, plus)])

    def total(self, terms: Sequence[str]) -> str:
        """A sum; of many terms, the middle ones are left out."""
        if len(terms) > TERMS:
            half = TERMS // 2
            terms = [*terms[:half], f"... {len(terms) - TERMS} more ...", *terms[-half:]]
        return " + ".join(terms) or "0"
