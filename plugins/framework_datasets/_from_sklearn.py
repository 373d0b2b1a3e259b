"""Small real tables that scikit-learn brings, read from its files: importing it only for them takes a second."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from framework import Data, Field
from framework_datasets._splits import stratified


def numbers(name: str, header: int = 0, delimiter: str | None = ",") -> np.ndarray:
    """The numbers of one of its files (n, columns).

    Args:
        header: lines before the numbers.
    """
    package = find_spec("sklearn")
    assert package is not None
    return np.loadtxt(
        Path(str(package.origin)).parent / "datasets" / "data" / name, delimiter=delimiter, skiprows=header, ndmin=2
    )


def classes(
    table: np.ndarray, names: tuple[str, ...], features: tuple[str, ...], rng: np.random.Generator, val: float, test: float
) -> Data:
    """A classification whose label is the last column; every class has its share of each split."""
    x, y = table[:, :-1], table[:, -1].astype(int)
    parts = stratified("dataset", y, rng, val, test)
    splits = {name: {"x": x[rows], "y": y[rows]} for name, rows in parts.items()}
    fields = {"x": Field("NF", features=features), "y": Field("N", "label", len(names), names)}
    return Data(splits, fields, scale="standard")
