from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, option
from framework_datasets._from_sklearn import classes, numbers

MEASURED = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry"),
    "fractal dimension",
)
FEATURES = tuple(f"{how} {what}" for how in ("mean", "error of", "worst") for what in MEASURED)


@dataclass(frozen=True)
class BreastCancer:
    """569 tumours, 212 malignant and 357 benign, by 30 measurements of their cell nuclei (Street, Wolberg, Mangasarian 1993,
    UCI), from scikit-learn.

    Fields: x (n, 30), scaled unless `dataset.scale=none`; y (n,) malignant (0) or benign (1). Both have their share of each
    split.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto"}
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        table = numbers("breast_cancer.csv", header=1)
        return classes(table, ("malignant", "benign"), FEATURES, rng, self.val, self.test)
