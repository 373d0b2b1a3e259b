"""Several inputs and targets of an npz file, by the names of their arrays."""

import numpy as np
import pytest
from user_files import again, arrays, rng

from framework import DataError, run

N = 40
LEFT, RIGHT = np.random.default_rng(0).normal(size=(2, N, 3))
SUM = LEFT.sum(1) + 100 * RIGHT[:, 0]
TOGETHER = {"left": LEFT, "right": RIGHT[:, :2], "sum": SUM, "kind": (LEFT[:, 0] > 0) * 1}
OPTIONS = {"x": ["left", "right"], "y": ["sum", "kind"], "val": 0.2, "test": 0.2}


def test_each_array_is_a_field_with_its_name(tmp_path):
    data = arrays(tmp_path, OPTIONS, **TOGETHER).load(rng())
    assert data.shapes() == {"left": (3,), "right": (2,), "sum": (1,), "kind": ()}
    assert (data.fields["kind"].kind, data.fields["kind"].size, data.scale) == ("label", 2, "standard")
    for split in data.splits.values():
        found = {tuple(row) for row in np.concatenate([split["left"], split["right"], split["sum"]], 1)}
        assert found <= {tuple(row) for row in np.concatenate([LEFT, RIGHT[:, :2], SUM[:, None]], 1)}
    assert data.notes[-1] == "inputs: 'left' (n, 3), 'right' (n, 2); targets: 'sum' (n, 1), 'kind' (n)"
    read = again(data).read(tmp_path / "data.npz", with_target=False)
    assert {name: a.shape for name, a in read.items()} == {"left": (N, 3), "right": (N, 2)}
    assert set(again(data).read(tmp_path / "data.npz", with_target=True)) == {"left", "right", "sum", "kind"}


def test_a_single_target_is_the_field_y(tmp_path):
    data = arrays(tmp_path, {"x": ["left", "right"], "y": "kind"}, **TOGETHER).load(rng())
    assert list(data.fields) == ["left", "right", "y"]


def test_own_splits_hold_for_all_arrays(tmp_path):
    parts = {f"{name}_{split}": a[rows] for name, a in TOGETHER.items() for split, rows in
             {"train": slice(0, 30), "val": slice(30, 36), "test": slice(36, 40)}.items()}  # fmt: skip
    data = arrays(tmp_path, OPTIONS, **parts).load(rng())
    assert np.array_equal(data.splits["val"]["right"], RIGHT[30:36, :2])
    assert np.array_equal(data.splits["test"]["sum"][:, 0], SUM[36:])


def test_ids_may_stand_beside_numbers(tmp_path):
    words = np.arange(N * 4).reshape(N, 4) % 7
    data = arrays(tmp_path, {"x": ["words", "left"], "y": "kind", "vocabulary": 9}, words=words, **TOGETHER).load(rng())
    assert (data.fields["words"].kind, data.fields["words"].size, data.fields["left"].kind) == ("id", 9, "real")
    assert data.scale == "none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": ["left", "left"]}, "'left' is the name of two fields"),
        ({"x": ["left", "rigt"]}, "unknown array 'rigt'; did you mean 'right'"),
        ({"x": ["left", "few"]}, "'few' has 3 rows, fewer than the first input"),
        ({"x": []}, "dataset.x is an empty list; name at least one array"),
    ],
)
def test_arrays_that_do_not_fit_are_errors(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        arrays(tmp_path, {"y": "kind", **options}, few=LEFT[:3], **TOGETHER).load(rng())


def test_a_network_of_two_inputs_and_two_heads_learns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", **TOGETHER)
    layers = [
        "model.layers.hidden.from=left",
        "model.layers.other={type:dense,units:4,from:right,after:hidden}",
        "model.layers.both={type:concat,from:[hidden,other],after:other}",
        "model.layers.kind_of={type:dense,units:auto,from:act,after:out}",
        "heads={sum:{from:out,target:sum},kind:{from:kind_of,target:kind}}",
    ]
    found = run(
        *["dataset=npz", "dataset.path=a.npz", "dataset.x=[left,right]", "dataset.y=[sum,kind]", "model.hidden=8", *layers],
        *["trainer.epochs=40", "optimizer.lr=0.02", "tracking=none"],
    )
    y = found.model.predict({"left": LEFT, "right": RIGHT[:, :2]}, head="sum")[:, 0]
    assert 1 - ((y - SUM) ** 2).mean() / SUM.var() > 0.8
    assert found.last["val/sum/mae"] > 1
