from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from framework import Data, Field, option, split_at_random


@dataclass(frozen=True)
class Wine:
    """178 wines of three growers by 13 measurements, each in its own unit: hue around 1, proline around 750 (Forina et al.
    1991, UCI), from scikit-learn. It needs `dataset.scale=standard`.

    Fields: x (n, 13), y (n,) the grower 0, 1 or 2.
    """

    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        x, y = measurements()
        splits = split_at_random({"x": x, "y": y}, rng, self.val, self.test)
        return Data(splits, {"x": Field("NF"), "y": Field("N", "label", 3)})


def measurements() -> tuple[np.ndarray, np.ndarray]:
    """Measurements (178, 13) and growers (178,)."""
    found = find_spec("sklearn")
    path = Path(str(found.origin)).parent / "datasets" / "data" / "wine_data.csv" if found else None
    if path and path.exists():  # importing scikit-learn only to read this file takes a second
        table = np.loadtxt(path, delimiter=",", skiprows=1)
        return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_wine

    bunch = load_wine()
    return bunch.data, bunch.target
