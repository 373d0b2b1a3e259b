"""Arrays as people have them: labels in a column, as floats or one-hot, token ids, images with channels last."""

import re

import numpy as np
import pytest
from user_files import X, Y, again, arrays, rng

from framework import DataError
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare

K3 = np.arange(20) % 3
SEQUENCES = np.arange(20 * 4 * 2.0).reshape(20, 4, 2)
STEPS = (np.arange(20)[:, None] + np.arange(4)) % 3
IMAGES = np.random.default_rng(0).uniform(size=(20, 6, 8, 3))


def in_file_order(data, name="y"):
    """A field of the training split, in the order of the file: x grows with the row."""
    train = data.splits["train"]
    return train[name][np.argsort(train["x"].reshape(20, -1)[:, 0])]


# Labels.


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (K3, "target 'y' (20,): 3 classes (0 ... 2); dataset.task=regression reads real numbers"),
        (K3[:, None], "target 'y' (20, 1): 3 classes (0 ... 2, y[..., 0]); dataset.task"),
        (K3.astype(float), "target 'y' (20,): 3 classes (0 ... 2, integers); dataset.task"),
        (K3[:, None].astype(float), "target 'y' (20, 1): 3 classes (0 ... 2, y[..., 0]); dataset.task"),
        (np.eye(3)[K3], "target 'y' (20, 3): 3 classes (0 ... 2, the index of the 1 in y[..., :]); dataset.task"),
        (np.eye(3, dtype=bool)[K3], "target 'y' (20, 3): 3 classes"),
    ],
    ids=["plain", "column", "floats", "column of floats", "one-hot", "one-hot bool"],
)
@pytest.mark.parametrize("task", ["auto", "classification"])
def test_labels_of_every_form_are_the_same_classes(tmp_path, y, said, task):
    data = arrays(tmp_path, {"task": task}, x=X, y=y).load(rng())
    assert (data.fields["y"].axes, data.fields["y"].kind, data.fields["y"].size) == ("N", "label", 3)
    assert in_file_order(data).tolist() == K3.tolist()
    assert said.split(";")[0] in data.notes[0]
    assert ("dataset.task" in data.notes[0]) == (task == "auto")
    for form in (K3, K3[:, None], K3.astype(float), np.eye(3)[K3]):  # a new file may have another form
        np.savez(tmp_path / "new.npz", x=X, y=form)
        assert again(data).read(tmp_path / "new.npz", with_target=True)["y"].tolist() == K3.tolist()


@pytest.mark.parametrize(
    "y", [STEPS, STEPS[..., None], STEPS.astype(float), np.eye(3)[STEPS]], ids=["plain", "column", "floats", "one-hot"]
)
@pytest.mark.parametrize("layout", ["batch_major", "time_major"])
def test_labels_of_every_step_have_these_forms_too(tmp_path, y, layout):
    turned = [a.swapaxes(0, 1) if layout == "time_major" else a for a in (SEQUENCES, y)]
    data = arrays(tmp_path, {"layout": layout}, x=turned[0], y=turned[1]).load(rng())
    assert (data.fields["y"].axes, data.fields["y"].kind, data.fields["y"].size) == ("NT", "label", 3)
    assert np.array_equal(in_file_order(data), STEPS)
    assert "3 classes for every step (0 ... 2" in data.notes[0]


@pytest.mark.parametrize(
    ("y", "outputs", "said"),
    [
        (Y / 2, 1, "1 number per example; features"),
        (
            Y + 1.0,
            1,
            "1 number per example; classes must count from 0 (numpy.unique(y, return_inverse=True)[1] makes such labels)",
        ),
        (np.arange(20) * 2.0, 1, "; dataset.task=classification reads integers as classes"),
        (X, 2, "target 'y' (20, 2): 2 numbers per example"),
        (np.stack([Y, Y], 1) * 1.0, 2, "target 'y' (20, 2): 2 numbers per example"),
    ],
)
def test_what_is_taken_for_numbers_is_said(tmp_path, y, outputs, said):
    data = arrays(tmp_path, x=X, y=y).load(rng())
    assert data.fields["y"].kind == "real"
    assert data.splits["train"]["y"].shape == (20, outputs)
    assert said in data.notes[0]


def test_regression_takes_labels_and_one_hot_rows_as_numbers(tmp_path):
    for y, outputs in ((K3, 1), (K3[:, None], 1), (np.eye(3)[K3], 3)):
        data = arrays(tmp_path, {"task": "regression"}, x=X, y=y).load(rng())
        assert data.splits["train"]["y"].shape == (20, outputs)


def test_scores_as_labels_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(DataError, match=r"'y' has shape \(20, 2\); use \(n,\) \(for scores y.argmax\(-1\)"):
        arrays(tmp_path, {"task": "classification"}, x=X, y=X).load(rng())


def test_a_rare_label_is_in_the_training_split(tmp_path):
    for seed in range(5):
        data = arrays(tmp_path, {"val": 0.4}, x=X, y=np.where(np.arange(20) == 7, 2, Y)).load(np.random.default_rng(seed))
        assert set(data.splits["train"]["y"]) == {0, 1, 2}
        assert data.notes[1] == "1 of 3 classes have too few rows for every split (2: 1); training has them first"


# Ids.


@pytest.mark.parametrize(("vocabulary", "size"), [("auto", 7), (9, 9)])
def test_whole_numbers_can_be_read_as_ids(tmp_path, vocabulary, size):
    x = (np.arange(20)[:, None] + np.arange(4)) % 7
    for y, axes in ((Y, "N"), ((x + 1) % 7, "NT")):
        data = arrays(tmp_path, {"vocabulary": vocabulary}, x=x, y=y, mask=np.ones((20, 4))).load(rng())
        assert (data.fields["x"].axes, data.fields["x"].kind, data.fields["x"].size) == ("NT", "id", size)
        assert data.fields["y"].axes == axes
        assert data.splits["train"]["x"].dtype == np.int64
        assert data.splits["train"]["mask"].shape == (20, 4)
        assert f"sequences of 4 ids (0 ... {size - 1})" in data.notes[0]
    np.savez(tmp_path / "new.npz", x=x[:, :3] + 0.0)
    assert np.array_equal(again(data).read(tmp_path / "new.npz", with_target=False)["x"], x[:, :3])
    np.savez(tmp_path / "new.npz", x=x + 4)
    with pytest.raises(DataError, match=rf"x\[\d+, \d+\] \(counted from 0\) is {size}; with {size} ids they go up to"):
        again(data).read(tmp_path / "new.npz", with_target=False)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (K3[:, None] - 1, "is -1: an id must not be negative"),
        (K3[:, None] / 2, "is 0.5: an id must not be a fraction"),
        (SEQUENCES, r"'x' has shape \(20, 4, 2\); ids \(dataset.vocabulary\) need \(n, T\)"),
    ],
)
def test_what_is_not_ids_is_refused(tmp_path, x, told):
    with pytest.raises(DataError, match=told):
        arrays(tmp_path, {"vocabulary": "auto"}, x=x, y=Y).load(rng())


def test_a_model_of_ids_trains_on_them_or_offers_the_option(tmp_path):
    np.savez(tmp_path / "a.npz", x=(np.arange(40)[:, None] + np.arange(4)) % 7, y=np.arange(40) % 2)
    words = ["dataset=npz", f"dataset.path={tmp_path}/a.npz", "model=lstm2", "model.output=last", "tracking=none"]
    with pytest.raises(ConfigError, match=r"4 numbers per example; sequences of ids: dataset.vocabulary=auto"):
        prepare(compose(words))
    learner = prepare(compose([*words, "dataset.vocabulary=auto"])).learner
    assert learner.network.nodes["input"].layer.size == 7


# Images.


def test_images_with_channels_last_are_read_by_a_layout(tmp_path):
    data = arrays(tmp_path, {"layout": "NHWC"}, x=IMAGES, y=Y).load(rng())
    assert data.fields["x"].axes == "NCHW"
    assert np.array_equal(in_file_order(data, "x"), IMAGES[np.argsort(IMAGES[:, 0, 0, 0])].transpose(0, 3, 1, 2))
    assert "images of 3 channels, 6 x 8" in data.notes[0]
    np.savez(tmp_path / "new.npz", x=IMAGES)
    assert np.array_equal(again(data).read(tmp_path / "new.npz", False)["x"], IMAGES.transpose(0, 3, 1, 2))
    np.savez(tmp_path / "new.npz", x=IMAGES[:, 1:])
    with pytest.raises(DataError, match=r"'x' has shape \(20, 5, 8, 3\); the training split has \(n, 6, 8, 3\)"):
        again(data).read(tmp_path / "new.npz", False)


@pytest.mark.parametrize(
    ("x", "layout", "told"),
    [
        (
            IMAGES,
            "batch_major",
            r"is 6 channels of 8 x 3; for images with channels last, set dataset.layout=NHWC",
        ),
        (SEQUENCES, "NHWC", r"layout=NHWC is for images \(n, H, W, C\); grey images are x\[:, None\]"),
        (X, "NCHW", r"layout=NCHW is for images \(n, C, H, W\)"),
    ],
)
def test_images_of_another_layout_are_refused(tmp_path, x, layout, told):
    with pytest.raises(DataError, match=told):
        arrays(tmp_path, {"layout": layout}, x=x, y=Y).load(rng())


def test_narrow_images_are_read_as_they_are_where_the_layout_says_so(tmp_path):
    assert arrays(tmp_path, {"layout": "NCHW"}, x=IMAGES, y=Y).load(rng()).shapes()["x"] == (6, 8, 3)


def test_a_model_of_images_says_how_grey_ones_are_made(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).uniform(size=(20, 8, 8)), y=Y)
    words = ["dataset=npz", f"dataset.path={tmp_path}/a.npz", "tracking=none"]
    how = r"images are \(n, C, H, W\), grey ones \(n, 1, H, W\): x\[:, None\]"
    with pytest.raises(ConfigError, match=how):
        prepare(compose([*words, "model=cnn"]))
    flat = prepare(compose([*words, "model=mlp"]))  # the same numbers in one row, in either reading
    assert re.search(how, flat.data.notes[0])
    assert flat.learner.network.shapes["flat"] == (64,)


# What nothing reads.


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"x_valid": X, "y_valid": Y}, "not read: 'x_valid' (did you mean 'x_val'?), 'y_valid' (did you mean 'y_val'?)"),
        ({"lengths": Y}, "not read: 'lengths'"),
        ({"mask": Y}, "not read: 'mask' (masks are for sequences)"),
    ],
)
def test_arrays_that_nothing_reads_are_named(tmp_path, more, said):
    own = {"x_train": X, "y_train": Y} if "x_valid" in more else {"x": X, "y": Y}
    data = arrays(tmp_path, {"val": 0.2}, **own, **more).load(rng())
    assert data.notes[1].startswith(said)


def test_older_models_of_arrays_read_as_before(tmp_path):
    encoding = arrays(tmp_path, x=X, y=Y).load(rng()).encoding
    told = {key: encoding.to_json()[key] for key in ("x", "y", "shape", "classes", "outputs")}
    assert type(encoding).from_json(told) == encoding


def test_padding_of_an_array_may_hold_anything(tmp_path):
    x, y, mask = np.arange(24.0).reshape(4, 3, 2), np.arange(12).reshape(4, 3) % 2, np.ones((4, 3))
    x[:, 2], y[:, 2], mask[:, 2] = np.nan, -1, 0
    data = arrays(tmp_path, {"val": 0.0, "test": 0.0}, x=x, y=y, mask=mask).load(rng())
    train = data.splits["train"]
    assert np.isfinite(train["x"]).all()
    assert set(np.unique(train["y"])) == {0, 1}
