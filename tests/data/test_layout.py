"""Sequences of a user, batch first or time first: the same numbers inside, and predictions in the user's layout."""

import csv

import numpy as np
import pytest
from networks import distance

from framework import DataError, discover, generator
from framework.cli.commands import predict
from framework.config.composition import compose
from framework.data.loader import DataLoader
from framework.experiments.experiment import prepare
from framework.inference.model import Model
from framework.training.trainer import train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 6, 3))
NEXT, NUMBERS = RNG.integers(0, 2, (20, 6)), RNG.standard_normal((20, 6, 2))
BATCH, TIME = "batch_major", "time_major"


def saved(tmp_path, layout, y, x=X, **options):
    """The same sequences, written in a layout; and the data set that reads them."""
    turned = layout == TIME
    by_step = y.ndim > 1 and y.shape[:2] == x.shape[:2]
    path = tmp_path / f"{layout}.npz"
    np.savez(path, x=x.swapaxes(0, 1) if turned else x, y=y.swapaxes(0, 1) if turned and by_step else y)
    return discover().get("dataset", "npz")(str(path), layout=layout, **options)


@pytest.mark.parametrize(
    ("y", "axes", "kind"),
    [(NEXT, "NT", "label"), (NUMBERS, "NTF", "real"), (NEXT[:, 0], "N", "label"), (X[:, 0], "NF", "real")],
)
def test_both_layouts_hold_the_same_data(tmp_path, y, axes, kind):
    one, other = (saved(tmp_path, layout, y).load(generator(0, "dataset")) for layout in (BATCH, TIME))
    assert (one.fields["y"].axes, one.fields["y"].kind, one.fields["x"].axes) == (axes, kind, "NTF")
    assert one.fields == other.fields
    for split, fields in one.splits.items():
        for name, a in fields.items():
            assert np.array_equal(a, other.splits[split][name])


def test_K9_thirty_five_words_of_650_numbers_in_batches_of_20(tmp_path):
    words = RNG.standard_normal((20, 35, 650)).astype(np.float32)
    words[:, 0, 0] = np.arange(20)
    for layout, stored in ((BATCH, (20, 35, 650)), (TIME, (35, 20, 650))):
        source = saved(tmp_path, layout, np.arange(20) % 2, words, val=0, test=0)
        with np.load(source.path) as file:
            assert file["x"].shape == stored
            assert file["x"].size == 455000
        data = source.load(generator(0, "dataset"))
        assert data.splits["train"]["x"].shape == (20, 35, 650)
        batch = DataLoader([data], "train", np, np.float32).batch(slice(0, 20))["x"]
        assert batch.shape == (1, 35, 20, 650)
        order = batch[0, 0, :, 0].astype(int)
        assert np.array_equal(batch[0], words[order].swapaxes(0, 1))


def trained(tmp_path, layout, y):
    path = saved(tmp_path, layout, y).path
    words = ["dataset=npz", f"dataset.path={path}", f"dataset.layout={layout}", "model=gru", "model.hidden=4"]
    made = prepare(compose([*words, "trainer.epochs=2", "tracking=none"]))
    (outcome,) = train([made.learner], [made.data], [0], dtype=np.float64)
    return outcome, Model.of(made.learner, outcome.weights, made.data, made.scale)


@pytest.mark.parametrize("y", [NEXT, NUMBERS], ids=["labels", "numbers"])
def test_K9_both_layouts_train_to_the_same_numbers_and_predict_in_their_own(tmp_path, y, monkeypatch, capsys):
    (one, model), (other, turned) = (trained(tmp_path, layout, y) for layout in (BATCH, TIME))
    assert distance(one, other) == 0
    assert one.metrics == other.metrics
    p = model.predict(X)
    assert p.shape == (20, 6, 2)
    assert np.array_equal(turned.predict(X.swapaxes(0, 1), layout=TIME), p.swapaxes(0, 1))
    printed = {}
    for layout, made in ((BATCH, model), (TIME, turned)):
        monkeypatch.setattr(predict, "load", lambda run, made=made, **_: made)
        assert predict.main(["last", str(tmp_path / f"{layout}.npz")]) == 0
        rows = list(csv.reader(capsys.readouterr().out.splitlines()))[1:]
        printed[layout] = np.array([[float(v) for v in row[-2:]] for row in rows])
    assert printed[BATCH].reshape(20, 6, 2) == pytest.approx(p, rel=1e-5)
    assert np.array_equal(printed[TIME].reshape(6, 20, 2), printed[BATCH].reshape(20, 6, 2).swapaxes(0, 1))


def test_a_layout_is_saved_with_the_model(tmp_path):
    data = saved(tmp_path, TIME, NEXT).load(generator(0, "dataset"))
    again = discover().get("dataset", "npz").encoding_from_json(data.encoding.to_json())
    assert again == data.encoding
    read = again.read(tmp_path / f"{TIME}.npz", with_target=True)
    assert np.array_equal(read["x"], X)
    assert np.array_equal(read["y"], NEXT)
    old = {k: v for k, v in data.encoding.to_json().items() if k not in ("steps", "layout")}
    assert discover().get("dataset", "npz").encoding_from_json(old).layout == BATCH


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (X[:, 0], NEXT[:, 0], "layout=time_major is for sequences"),
        (X, NUMBERS[:, :4], r"'y' has shape \(20, 4, 2\); use \(n,\) or \(n, k\), or \(n, T, k\) for sequences"),
        (X, np.where(np.arange(6) == 4, 7, NEXT), r"y\[4, \d+\] \(counted from 0\) is 7, but 2"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place_in_the_file(tmp_path, x, y, told):
    with pytest.raises(DataError, match=told):
        saved(tmp_path, TIME, y, x).load(generator(0, "dataset"))


def test_a_new_file_of_the_other_layout_is_told(tmp_path):
    encoding = saved(tmp_path, TIME, NEXT).load(generator(0, "dataset")).encoding
    np.savez(tmp_path / "new.npz", x=X[:, 0])
    with pytest.raises(DataError, match=r"'x' has shape \(20, 3\); the training split has \(T, n, 3\)"):
        encoding.read(tmp_path / "new.npz", with_target=False)
    np.savez(tmp_path / "new.npz", x=X.swapaxes(0, 1), y=NEXT)
    with pytest.raises(DataError, match=r"'x' has shape \(6, 20, 3\), but 'y' has \(20, 6\); every step needs both"):
        encoding.read(tmp_path / "new.npz", with_target=True)
