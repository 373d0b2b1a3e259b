from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, Field, option, split_at_random
from framework_datasets._from_sklearn import numbers

FEATURES = (
    *("alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "phenols", "flavanoids", "nonflavanoid phenols"),
    *("proanthocyanins", "colour intensity", "hue", "OD280/OD315", "proline"),
)


@dataclass(frozen=True)
class Wine:
    """178 wines of three growers by 13 measurements, each in its own unit: hue around 1, proline around 750 (Forina et al.
    1991, UCI), from scikit-learn.

    Fields: x (n, 13), scaled unless `dataset.scale=none`; y (n,) the grower 0, 1 or 2.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto"}
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        table = numbers("wine_data.csv", header=1)
        splits = split_at_random({"x": table[:, :-1], "y": table[:, -1].astype(int)}, rng, self.val, self.test)
        return Data(splits, {"x": Field("NF", features=FEATURES), "y": Field("N", "label", 3)}, scale="standard")
