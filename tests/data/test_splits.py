"""Rows are split by class, by group, or in their order."""

import numpy as np
import pytest
from user_files import rng, table

from framework import DataError
from framework.config.composition import compose
from framework.data.folds import Fold
from framework.experiments.datasets import load_data
from framework_datasets._splits import by_group, stratified
from framework_datasets.csv import Csv
from framework_datasets.npz import Npz

DAYS = "day,u,y\n" + "".join(f"2024-01-{30 - i:02d},{i},{i * i % 7 / 2}\n" for i in range(30))


def shares(parts, labels):
    """split -> the number of rows of each class."""
    return {split: np.bincount(labels[rows], minlength=labels.max() + 1).tolist() for split, rows in parts.items()}


def test_every_class_has_its_share_of_every_split():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    assert shares(stratified("f", labels, rng(), 0.2, 0.1), labels) == {
        "train": [35, 21, 14],
        "val": [10, 6, 4],
        "test": [5, 3, 2],
    }


@pytest.mark.parametrize("counts", [[1, 1, 2, 40], [3, 3, 3, 3], [2] * 10, [100, 7, 1]])
def test_splits_have_their_sizes_and_training_every_class(counts):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = stratified("f", labels, rng(), 0.2, 0.2)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    assert set(labels[parts["train"]]) == set(labels)
    assert len(parts["val"]) == len(parts["test"]) == round(0.2 * len(labels))


def test_a_line_names_the_rare_classes(tmp_path):
    rows = "u,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)) + "41,c\n42,d\n43,d\n"
    data = table(tmp_path, rows, val=0.2, test=0.2).load(rng())
    assert "2 of 4 classes have too few rows for every split (c: 1, d: 2); training has them first" in data.notes
    assert set(data.splits["train"]["y"]) == {0, 1, 2, 3}


def test_rows_in_the_order_of_the_file_are_cut_at_the_end(tmp_path):
    data = table(tmp_path, DAYS, features=["u"], split="time", val=0.2, test=0.1).load(rng())
    found = {split: arrays["x"][:, 0].tolist() for split, arrays in data.splits.items()}
    assert found == {"train": list(range(21)), "val": list(range(21, 27)), "test": [27, 28, 29]}


def test_a_column_orders_the_rows_and_is_no_feature(tmp_path):
    data = table(tmp_path, DAYS, order="day", val=0.2, test=0.1).load(rng())
    assert data.shapes() == {"x": (1,), "y": (1,)}
    assert data.splits["test"]["x"][:, 0].tolist() == [2, 1, 0]  # the last days


def test_arrays_are_split_in_their_order_too(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(20.0)[:, None], y=np.arange(20) / 3)
    data = Npz(str(tmp_path / "a.npz"), split="time", test=0.1).load(rng())
    assert data.splits["val"]["x"][:, 0].tolist() == [14, 15, 16, 17]
    assert data.splits["test"]["x"][:, 0].tolist() == [18, 19]


def test_all_rows_of_a_group_are_in_one_split(tmp_path):
    rows = "who,u,y\n" + "".join(f"p{i % 7},{i},{i * i % 11 / 2}\n" for i in range(70))
    data = table(tmp_path, rows, group="who", val=0.2, test=0.2).load(rng())
    groups = {split: set(arrays["x"][:, 0].astype(int) % 7) for split, arrays in data.splits.items()}
    assert {split: len(found) for split, found in groups.items()} == {"train": 5, "val": 1, "test": 1}
    assert len(set.union(*groups.values())) == 7


def test_a_group_moves_to_training_as_a_whole(tmp_path):
    rows = "who,kind,y\n" + "".join(f"p{i // 4},{'z' if i // 4 == 3 else 'ab'[i % 2]},{i / 3}\n" for i in range(60))
    for seed in range(6):
        data = table(tmp_path, rows, group="who", val=0.3, test=0.3).load(np.random.default_rng(seed))
        assert data.splits["train"]["x"][:, 2].sum() == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"group": "day", "order": "u", "features": ["u"]},
            "dataset.group and dataset.order cannot both split the rows; choose one",
        ),
        ({"group": "day", "split": "time"}, "dataset.group and dataset.split=time cannot both split the rows"),
        ({"order": "u", "split": "random"}, "dataset.split=random does not go with dataset.order"),
        ({"order": "dy"}, "dataset.order: unknown column 'dy' in the header; did you mean 'day'"),
        ({"group": "y"}, "column 'y' is in dataset.target and in dataset.group; choose one"),
        ({"group": "u", "features": ["u"]}, "column 'u' is in dataset.features and in dataset.group; choose one"),
    ],
)
def test_options_that_contradict_each_other_are_errors(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, DAYS, **options).load(rng())


def test_an_order_needs_numbers_or_dates(tmp_path):
    rows = DAYS.replace("2024-01-21", "21 January")
    with pytest.raises(DataError, match="line 11, column 'day': '21 January' is no number and no date such as 2024-01-31"):
        table(tmp_path, rows, order="day").load(rng())


def test_too_few_groups_are_an_error():
    with pytest.raises(DataError, match=r"dataset\.group has 2 groups, too few for 3 splits"):
        by_group("f", ["a", "b"] * 9, rng(), 0.2, 0.2)


def test_the_seed_decides_the_split(tmp_path):
    (tmp_path / "a.csv").write_text("u,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
    drawn = [Csv(str(tmp_path / "a.csv"), "y").load(np.random.default_rng(seed)).splits["val"]["x"] for seed in (1, 1, 2)]
    assert (drawn[0] == drawn[1]).all()
    assert not (drawn[0] == drawn[2]).all()


# Folds of a cross-validation.


def test_folds_keep_groups_together(tmp_path):
    rows = "who,u,y\n" + "".join(f"p{i % 7},{i},{i * i % 11 / 2}\n" for i in range(70))
    held = []
    for number in range(3):
        data = table(tmp_path, rows, group="who", val=0.2, test=0.2).load(rng(), fold=Fold(number, 3, 0))
        groups = {split: set(arrays["x"][:, 0].astype(int) % 7) for split, arrays in data.splits.items()}
        assert not groups["train"] & groups["val"]
        held += data.rows["val"].tolist()
    assert len(held) == len(set(held)) == 60


def test_what_fills_a_fold_comes_from_its_training_rows(tmp_path):
    rows = "u,kind,y\n" + "".join(f"{i if i % 5 else ''},{'abc'[i % 3]},{'uv'[i % 2]}\n" for i in range(60))
    for number in range(3):
        data = table(tmp_path, rows, fill="mean", val=0.2, test=0.2).load(rng(), fold=Fold(number, 3, 0))
        train = data.splits["train"]["x"][:, 0]
        mean = float(data.encoding.fills["u"])
        assert train[train != mean].mean() == pytest.approx(mean)
        assert len(data.splits["val"]["y"]) == 16


def test_folds_do_not_go_with_an_order(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.order does not go with folds"):
        table(tmp_path, DAYS, order="day", val=0.2).load(rng(), fold=Fold(0, 3, 0))
    np.savez(tmp_path / "a.npz", x=np.ones((20, 1)), y=np.arange(20) / 3)
    words = ["dataset=npz", f"dataset.path={tmp_path}/a.npz", "dataset.split=time", "folds=3", "fold=0"]
    with pytest.raises(DataError, match=r"dataset\.split=time does not go with folds"):
        load_data(compose(words))
