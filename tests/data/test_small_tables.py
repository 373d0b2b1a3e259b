"""Small real tables that come with scikit-learn, against its own loaders."""

import numpy as np
import pytest
from sklearn import datasets

from framework import generator
from framework_datasets.breast_cancer import FEATURES, BreastCancer
from framework_datasets.diabetes import Diabetes
from framework_datasets.iris import Iris
from framework_datasets.wine import Wine


def all_rows(data):
    x, y = (np.concatenate([split[name] for split in data.splits.values()]) for name in ("x", "y"))
    order = np.lexsort(x.T)
    return x[order], y[order].ravel()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Iris(), datasets.load_iris()),
        (BreastCancer(), datasets.load_breast_cancer()),
        (Wine(), datasets.load_wine()),
        (Diabetes(), datasets.load_diabetes(scaled=False)),
    ],
    ids=["iris", "breast_cancer", "wine", "diabetes"],
)
def test_every_row_is_that_of_scikit_learn(ours, theirs):
    x, y = all_rows(ours.load(generator(0, "dataset")))
    order = np.lexsort(theirs.data.T)
    assert np.array_equal(x, theirs.data[order])
    assert np.array_equal(y, theirs.target[order])


def test_every_species_has_its_share_of_each_split():
    splits = Iris().load(generator(3, "dataset")).splits
    assert [np.bincount(splits[name]["y"]).tolist() for name in ("train", "val", "test")] == [[30] * 3, [10] * 3, [10] * 3]


def test_features_have_the_names_of_scikit_learn():
    theirs = [str(name).removesuffix(" error") for name in datasets.load_breast_cancer().feature_names]
    assert [name.removeprefix("error of ") for name in FEATURES] == theirs
