"""The folds of a cross-validation: which rows validate, which train, and what each fold may borrow."""

import numpy as np
import pytest

from framework import Data, DataError, Field
from framework.data.folds import BORROWED, Fold, folded
from framework_datasets.conll import Conll
from framework_datasets.entity_windows import EntityWindows
from framework_datasets.sentences import Sentences


def divided(n, count, **about):
    rows = {"train": np.arange(0, n - 3), "val": np.arange(n - 3, n)}
    return [Fold(k, count, seed=0).divide(rows, **about) for k in range(count)]


@pytest.mark.parametrize(("n", "count"), [(10, 5), (11, 5), (14, 5), (9, 2), (7, 7)])
def test_every_row_belongs_to_one_fold(n, count):
    own = np.concatenate([split["val"][mine] for split, mine in divided(n, count)])
    assert sorted(own) == list(range(n))


@pytest.mark.parametrize(("n", "count"), [(11, 5), (14, 5), (9, 2)])
def test_all_folds_have_one_size_and_no_row_on_both_sides(n, count):
    for split, _ in divided(n, count):
        assert len(split["val"]) == -(-n // count)
        assert sorted(np.concatenate([split["train"], split["val"]])) == list(range(n))


def test_folds_have_their_share_of_every_class():
    labels = np.repeat([0, 1, 2], [20, 10, 5])
    for split, _ in divided(35, 5, labels=labels):
        assert np.bincount(labels[split["val"]]).tolist() == [4, 2, 1]


def test_a_group_is_never_divided():
    groups = np.array(list("aaaabbbccdde"))
    for split, own in divided(12, 3, groups=groups):
        assert not set(groups[split["train"]]) & set(groups[split["val"]])
        assert own.all()
        assert len(own) == 4


def test_folds_of_another_seed_are_others():
    rows = {"train": np.arange(40)}
    first, second = (Fold(0, 4, seed).divide(rows)[0]["val"].tolist() for seed in (0, 1))
    assert first != second


def test_fewer_rows_than_folds_are_refused():
    with pytest.raises(DataError, match="folds: 7 rows cannot be divided into 8 folds"):
        divided(7, 8)


def table(n=11, **about):
    x = np.arange(n, dtype=float)[:, None]
    splits = {"train": {"x": x[:6]}, "val": {"x": x[6:]}, "test": {"x": x[:2] + 100}}
    return Data(splits, {"x": Field("NF")}, **about)


def test_a_data_set_is_divided_and_keeps_its_test_rows():
    data = folded(table(), Fold(4, 5, seed=0))
    assert data.splits["test"]["x"].tolist() == [[100], [101]]
    rows = data.rows["val"]
    assert (rows == BORROWED).sum() == 1  # 11 rows, 5 folds of 3
    own = data.splits["val"]["x"][rows != BORROWED]
    assert own[:, 0].tolist() == rows[rows != BORROWED].tolist()


def test_sequences_that_continue_one_another_have_no_folds():
    with pytest.raises(DataError, match="continue one another"):
        folded(table(stateful=True), Fold(0, 5, seed=0))


def test_the_vocabulary_of_a_fold_is_that_of_its_training_sentences(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"word{i} word{i},{'no' if i % 2 else 'yes'}\n" for i in range(20)))
    for k in range(4):
        data = Sentences(str(path)).load(np.random.default_rng(0), fold=Fold(k, 4, seed=0))
        unknown = data.encoding.words.index(Field.UNKNOWN)
        mask = data.splits["val"]["mask"] > 0
        assert (data.splits["val"]["x"][mask] == unknown).all()
        assert (data.splits["train"]["x"] != unknown).all()


def tagged(tmp_path):
    path = tmp_path / "tags.txt"
    path.write_text("".join(f"we{i} O\nmet{i} O\nAda{i} B-PER\n\n" for i in range(20)))
    return str(path)


def test_folds_of_tagged_sentences_are_of_sentences(tmp_path):
    data = Conll(tagged(tmp_path), test=0.0, min_count=1).load(np.random.default_rng(0), fold=Fold(0, 4, seed=0))
    assert [len(data.splits[split]["x"]) for split in ("train", "val")] == [15, 5]
    windows = EntityWindows(path=tagged(tmp_path), test=0.0, min_count=1)
    pairs = windows.load(np.random.default_rng(0), fold=Fold(0, 4, seed=0)).splits
    assert [len(pairs[split]["x"]) for split in ("train", "val")] == [15, 5]


def test_folds_and_sentences_that_validate_are_a_contradiction(tmp_path):
    with pytest.raises(DataError, match=r"folds: dataset\.val_path names the sentences that validate"):
        Conll(tagged(tmp_path), val_path=tagged(tmp_path)).load(np.random.default_rng(0), fold=Fold(0, 4, seed=0))
