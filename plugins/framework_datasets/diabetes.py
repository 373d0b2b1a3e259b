from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Data, Field, option, split_at_random
from framework_datasets._from_sklearn import numbers

FEATURES = ("age", "sex", "bmi", "blood pressure", "s1", "s2", "s3", "s4", "s5", "s6")


@dataclass(frozen=True)
class Diabetes:
    """The progress of diabetes after a year, from 25 to 346, by ten measurements of 442 patients (Efron et al. 2004), from
    scikit-learn. A linear model explains about half of the variance.

    Fields: x (n, 10) and y (n, 1), both scaled unless `dataset.scale=none`. s1 ... s6 are values of blood serum.
    """

    shared_defaults: ClassVar[Mapping[str, Any]] = {"scale": "auto", "scale_targets": True}
    val: float = option(0.2, least=0, below=1, help="fraction for validation")
    test: float = option(0.2, least=0, below=1, help="fraction for the test")

    def load(self, rng: np.random.Generator) -> Data:
        x, y = numbers("diabetes_data_raw.csv.gz", delimiter=None), numbers("diabetes_target.csv.gz", delimiter=None)
        splits = split_at_random({"x": x, "y": y.reshape(-1, 1)}, rng, self.val, self.test)
        fields = {"x": Field("NF", features=FEATURES), "y": Field("NF", features=("progress",))}
        return Data(splits, fields, scale="standard")
