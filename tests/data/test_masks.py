"""Sequences of several lengths from a user's file: padded, with a mask that says which steps count."""

from dataclasses import replace

import numpy as np
import pytest
from networks import distance, learner

from framework import Context, Data, DataError, Field, Network, discover, generator
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.data.scaling import Scale
from framework.data.validation import check_equal_rows
from framework.experiments.experiment import prepare
from framework.inference.model import Model
from framework.training.trainer import train

RNG = np.random.default_rng(0)
LENGTHS = np.array([3, 6, 1, 5, 4, 6, 2, 4, 6, 3])
MASK = (np.arange(6) < LENGTHS[:, None]) * 1
X, Y = RNG.standard_normal((10, 6, 2)), RNG.standard_normal((10, 6, 1))
BATCH, TIME = "batch_major", "time_major"


def dataset(path, layout=BATCH, x=X, mask=MASK, **more):
    contents = {"x": x, "y": Y, "mask": mask}
    np.savez(path, **{name: a.swapaxes(0, 1) if layout == TIME else a for name, a in contents.items()}, **more)
    return discover().get("dataset", "npz")(str(path), layout=layout, val=0, test=0)


@pytest.mark.parametrize("layout", [BATCH, TIME])
def test_a_mask_of_a_file_stays_with_its_sequences(tmp_path, layout):
    data = dataset(tmp_path / "a.npz", layout).load(generator(0, "dataset"))
    found = data.splits["train"]
    assert (data.fields["mask"].axes, data.fields["mask"].kind) == ("NT", "mask")
    order = [int(np.flatnonzero((x == X).all((1, 2)))[0]) for x in found["x"]]
    assert np.array_equal(found["mask"], MASK[order])
    again = discover().get("dataset", "npz").encoding_from_json(data.encoding.to_json())
    assert np.array_equal(again.read(tmp_path / "a.npz", with_target=False)["mask"], MASK)
    np.savez(tmp_path / "whole.npz", x=X.swapaxes(0, 1) if layout == TIME else X)
    assert list(again.read(tmp_path / "whole.npz", with_target=False)) == ["x"]  # all of its steps count


def test_a_file_that_is_split_has_a_mask_for_each_part(tmp_path):
    parts = {f"{name}_{split}": a for split in ("train", "val") for name, a in (("x", X), ("y", Y), ("mask", MASK))}
    np.savez(tmp_path / "a.npz", **parts)
    made = discover().get("dataset", "npz")(str(tmp_path / "a.npz"))
    assert np.array_equal(made.load(generator(0, "dataset")).splits["val"]["mask"], MASK)
    del parts["mask_val"]
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(DataError, match="unknown array 'mask_val'"):
        made.load(generator(0, "dataset"))


def test_a_mask_of_another_name_is_one_that_has_to_be_there(tmp_path):
    made = replace(dataset(tmp_path / "a.npz", steps=MASK), mask="steps")
    assert made.load(generator(0, "dataset")).encoding.mask == "steps"
    with pytest.raises(DataError, match="unknown array 'step'; did you mean 'steps'"):
        replace(made, mask="step").load(generator(0, "dataset"))


def trained(path, tmp_path):
    words = ["dataset=npz", f"dataset.path={path}", "model=lstm", "model.hidden=4", "dataset.scale=standard"]
    made = prepare(compose([*words, "dataset.val=0", "dataset.test=0", "trainer.epochs=3", "tracking=none"]))
    (outcome,) = train([made.learner], [made.data], [0], dtype=np.float64)
    return outcome, Model.of(made.learner, outcome.weights, made.data, made.scale)


def test_what_stands_in_the_padding_changes_nothing(tmp_path):
    found = []
    for fill in (0.0, 1e6):
        dataset(tmp_path / "a.npz", x=np.where(MASK[..., None] > 0, X, fill))
        found.append(trained(tmp_path / "a.npz", tmp_path))
    (one, model), (other, _) = found
    assert distance(one, other) < 1e-12
    for i, length in enumerate(LENGTHS):
        padded = model.predict({"x": X[i : i + 1], "mask": MASK[i : i + 1]})
        assert padded[:, :length] == pytest.approx(model.predict(X[i : i + 1, :length]), abs=1e-12)


LABELS = np.arange(60).reshape(10, 6) % 3
OUT = MASK == 0


@pytest.mark.parametrize("layout", [BATCH, TIME])
@pytest.mark.parametrize(
    ("y", "filled"),
    [
        (LABELS, np.where(OUT, -1, LABELS)),
        (LABELS, np.where(OUT, np.nan, LABELS)),
        (LABELS, np.where(OUT[..., None], 0, np.eye(3)[LABELS])),
        (X, np.where(OUT[..., None], np.nan, X)),
    ],
)
def test_padding_of_a_file_may_hold_nan_or_a_label_minus_1(tmp_path, y, filled, layout):
    contents = {"x": np.where(OUT[..., None], np.nan, X), "y": filled, "mask": MASK}
    np.savez(tmp_path / "a.npz", **{name: a.swapaxes(0, 1) if layout == TIME else a for name, a in contents.items()})
    read = discover().get("dataset", "npz")(str(tmp_path / "a.npz"), layout=layout, val=0, test=0)
    data = read.load(generator(0, "dataset"))
    again = data.encoding.read(tmp_path / "a.npz", with_target=True)
    assert np.array_equal(again["x"], np.where(OUT[..., None], 0, X))
    assert np.array_equal(again["y"], np.where(OUT.reshape(10, 6, *(1,) * (y.ndim - 2)), 0, y))
    assert np.isfinite(data.splits["train"]["x"]).all()
    assert data.fields["y"].size == 3 * (y is LABELS)


def test_ids_in_the_padding_do_not_count(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.where(OUT, -1, LABELS), y=np.arange(10) % 2, mask=MASK)
    data = discover().get("dataset", "npz")(str(tmp_path / "a.npz"), vocabulary="auto").load(generator(0, "dataset"))
    assert data.fields["x"].size == 3
    assert data.splits["train"]["x"].min() == 0


def test_nan_where_the_mask_counts_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x\[0, 0, 1\] \(counted from 0\) is nan"):
        dataset(tmp_path / "a.npz", x=np.where(np.arange(120).reshape(X.shape) == 1, np.nan, X)).load(
            generator(0, "dataset")
        )


def test_numbers_of_whole_sequences_are_not_padding(tmp_path):
    y = RNG.standard_normal((10, 6))  # six numbers of each sequence, as many as it has steps
    np.savez(tmp_path / "a.npz", x=X, y=y, mask=MASK)
    encoding = discover().get("dataset", "npz")(str(tmp_path / "a.npz")).load(generator(0, "dataset")).encoding
    assert np.array_equal(encoding.read(tmp_path / "a.npz", with_target=True)["y"], y)


# ---- wrong requests ----


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (MASK[:, :4], r"array 'mask' has shape \(10, 4\), but the steps of 'x' are \(10, 6\)"),
        (MASK[:9], r"array 'mask' has shape \(9, 6\), but the steps"),
        (np.where(np.arange(6) == 2, -1, MASK), r"mask\[0, 2\] \(counted from 0\) is -1.0; masks hold weights, 0 or more"),
        (
            np.where(np.arange(10)[:, None] == 7, 0, MASK),
            r"array 'mask' is 0 at every step of sequence 7 \(counted from 0\)",
        ),
    ],
)
def test_a_mask_that_does_not_fit_is_told(tmp_path, mask, told):
    with pytest.raises(DataError, match=told):
        dataset(tmp_path / "a.npz", mask=mask).load(generator(0, "dataset"))


def test_a_mask_where_there_was_none_in_training_is_told(tmp_path):
    encoding = dataset(tmp_path / "a.npz").load(generator(0, "dataset")).encoding
    with pytest.raises(DataError, match="array 'mask': not allowed, since the training data had no mask"):
        replace(encoding, mask="").read(tmp_path / "a.npz", with_target=False)


def test_a_sequence_longer_than_its_mask_is_told():
    fields = {"x": Field("NTF"), "y": Field("NTF"), "mask": Field("NT", "mask")}
    with pytest.raises(DataError, match=r"'mask' is a mask of 4 steps, but no sequence has that length \(x has 6 steps"):
        check_equal_rows(fields, {"x": X, "y": Y, "mask": MASK[:, :4]})
    with pytest.raises(DataError, match=r"the fields differ in their number of examples \(x has 10, mask has 9"):
        check_equal_rows(fields, {"x": X, "mask": MASK[:9]})
    layer = discover().get("layer", "recurrent")(discover().get("cell", "gru")(3))
    p, _ = layer.init(generator(0, "p"), (None, 2))
    with pytest.raises(ValueError, match=r"layer 'rnn': the mask 'mask' has \(T, N\) = \(4, 10\), but the seq"):
        layer.forward(p, X.swapaxes(0, 1), Context(name="rnn", batch={"mask": MASK[:, :4].T}))


def model(**fields):
    layer = discover().get("layer", "recurrent")(discover().get("cell", "gru")(3))
    net = Network({"rnn": layer, "out": discover().get("layer", "dense")(1)}, {"x": (None, 2), "y": (None, 1)})
    about = Data({"train": {"x": X, "y": Y}}, {"x": Field("NTF"), "y": Field("NTF")} | fields)
    return Model.of(learner(net), net.init(0)[0], about, Scale("none", {}, {}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"x": X, "mask": MASK}, "unknown field 'mask'"),
        ({"x": X[..., :1]}, r"'x' has shape \(10, 6, 1\); the training split has \(n, T, 2\)"),
        ({"x": X[0]}, r"'x' has shape \(6, 2\); the training split has \(n, T, 2\)"),
    ],
)
def test_what_a_model_was_not_trained_on_is_told(given, told):
    with pytest.raises(DataError, match=told):
        model().predict(given)


def test_an_id_that_is_no_whole_number_is_told():
    with pytest.raises(DataError, match=r"'x' holds the id 1.5 in row 0, step 1 .*; with 4 symbols ids are integers"):
        model(x=Field("NT", "id", 4)).predict(np.array([[0.0, 1.5]]))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("model=seq2seq dataset=reverse trainer.bptt.chunk=2", "'decoder' gets its initial state from 'encoder', not"),
        (
            "model=birnn dataset=tagging trainer.bptt.chunk=2",
            "trainer.bptt.chunk: the layer 'back' reads sequences in reverse",
        ),
        ("trainer.bptt.lag=3", "trainer.bptt.lag: the data set has no sequences"),
    ],
)
def test_what_cannot_be_cut_is_told(overrides, told):
    with pytest.raises(ConfigError, match=told):
        prepare(compose([*overrides.split(), "tracking=none"]))
