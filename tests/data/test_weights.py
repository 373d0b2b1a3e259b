"""Weights of rows: a column, or those that balance classes."""

import numpy as np
import pytest
from user_files import again, rng, table

from framework import DataError, run

pytestmark = pytest.mark.usefixtures("unrendered")

ROWS = "u,w,y\n" + "".join(f"{i},{i % 3},{'ab'[i % 4 == 0]}\n" for i in range(40))


def test_a_column_of_weights_becomes_the_mask(tmp_path):
    data = table(tmp_path, ROWS, weight="w", val=0.2, test=0.2).load(rng())
    assert (data.fields["mask"].kind, data.fields["mask"].axes, data.shapes()["x"]) == ("mask", "N", (1,))
    train = data.splits["train"]
    assert train["mask"].tolist() == (train["x"][:, 0] % 3).tolist()


def test_new_files_may_have_weights(tmp_path):
    encoding = again(table(tmp_path, ROWS, weight="w").load(rng()))
    assert encoding.read(tmp_path / "data.csv", with_target=True)["mask"][:4].tolist() == [0, 1, 2, 0]
    assert "mask" not in encoding.read(tmp_path / "data.csv", with_target=False)
    (tmp_path / "new.csv").write_text("u,y\n1,a\n")
    assert "mask" not in encoding.read(tmp_path / "new.csv", with_target=True)
    assert encoding.notes(tmp_path / "new.csv", True) == ("there is no column 'w', so that all rows have the same weight",)


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_a_row_without_weight_teaches_nothing(tmp_path, monkeypatch, tier):
    monkeypatch.chdir(tmp_path)
    few = [f"{i / 9:.3f},1,{i / 4:.3f}" for i in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["u,w,y", *few]) + "\n")
    (tmp_path / "b.csv").write_text("\n".join(["u,w,y", *few, *["500,0,-70"] * 5]) + "\n")
    words = ["dataset=csv", "dataset.target=y", "dataset.scale=none", "dataset.weight=w", "dataset.val=0", "dataset.test=0"]
    more = ["trainer.batch_size=all", "trainer.epochs=20", f"tier={tier}", "dtype=float64", "model.hidden=3"]
    models = [run(*words, *more, "tracking=none", f"dataset.path={name}.csv").model for name in "ab"]
    losses = [each.evaluate(each.about.encoding.read("a.csv", with_target=True))["loss"] for each in models]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_balanced_weights_give_classes_equal_shares(tmp_path):
    data = table(tmp_path, ROWS, weight="balanced", drop=["w"], val=0.2, test=0.2).load(rng())
    train = data.splits["train"]
    n, n_b = len(train["y"]), int(train["y"].sum())
    weights = np.array([n / (2 * (n - n_b)), n / (2 * n_b)])  # n / (K n_k), as compute_class_weight("balanced")
    assert train["mask"] == pytest.approx(weights[train["y"]])
    assert data.splits["val"]["mask"].tolist() == [1.0] * 8
    assert (
        f"classes have weights in the training split (a: {weights[0]:.4g}, b: {weights[1]:.4g}), and 1 in others"
        in data.notes
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (ROWS.replace("3,0,a", "3,-2,a"), {"weight": "w"}, "line 5, column 'w': '-2' is negative; weights are 0 or more"),
        (ROWS.replace("3,0,a", "3,x,a"), {"weight": "w"}, "line 5, column 'w': 'x' is text in a column of numbers"),
        (ROWS, {"weight": "v"}, "dataset.weight: unknown column 'v'"),
        (ROWS, {"weight": "y"}, "column 'y' is in dataset.target and in dataset.weight; choose one"),
        ("u,w,y\n1,0,2.5\n2,0,3.5\n", {"weight": "w"}, "column 'w': every weight of the train split is 0"),
        (ROWS, {"weight": "balanced", "target": "u"}, "dataset.weight=balanced needs one target column with classes"),
    ],
)
def test_weights_that_cannot_be_used_are_errors(tmp_path, content, options, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, content, **{"target": "y", **options}).load(rng())
