"""Features in their own units, and what standardising does for gradient descent."""

import numpy as np
import pytest

from framework import generator
from framework.data.scaling import fit, scaled
from framework_datasets.wine import Wine

DATA = Wine().load(generator(0, "dataset"))


def condition(x):
    """Largest over smallest eigenvalue of the mean of [x 1]^T [x 1]: of the Hessian of a linear regression."""
    with_bias = np.hstack([x, np.ones((len(x), 1))])
    values = np.linalg.eigvalsh(with_bias.T @ with_bias / len(x))
    return values[-1] / values[0]


def test_there_are_178_wines_of_three_growers():
    assert sum(len(split["y"]) for split in DATA.splits.values()) == 178
    y = np.concatenate([split["y"] for split in DATA.splits.values()])
    assert np.bincount(y).tolist() == [59, 71, 48]
    assert DATA.shapes()["x"] == (13,)


def test_G5_standardised_features_are_ten_million_times_better_conditioned():
    x = DATA.splits["train"]["x"]
    z = scaled(DATA, fit(DATA, "standard", ["x"])).splits["train"]["x"]
    assert condition(x) == pytest.approx(5.286e8, rel=1e-3)
    assert condition(z) == pytest.approx(55.13, rel=1e-3)
