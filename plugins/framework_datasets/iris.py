from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, option
from framework_datasets._from_sklearn import classes, numbers

SPECIES = ("setosa", "versicolor", "virginica")
FEATURES = ("sepal length", "sepal width", "petal length", "petal width")


@dataclass(frozen=True)
class Iris:
    """150 irises of three species by four lengths in cm (Fisher 1936), from scikit-learn. One species is linearly separable
    from the others.

    Fields: x (n, 4), scaled unless `dataset.scale=none`; y (n,) the species setosa, versicolor or virginica. Every species
    has its share of each split.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto"}
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        return classes(numbers("iris.csv", header=1), SPECIES, FEATURES, rng, self.val, self.test)
