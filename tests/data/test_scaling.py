"""Features on one scale, found on the training split."""

import json

import numpy as np
import pytest

from framework import Data, Field, generator
from framework.data.scaling import Scale, fit, scaled
from framework_datasets.sine import Sine

FIELDS = {
    "x": Field("NF"),
    "s": Field("NTF"),
    "image": Field("NCHW"),
    "one": Field("N"),
    "trace": Field("NT"),
    "ids": Field("NT", "id", 9),
    "mask": Field("NT", "mask"),
    "y": Field("NF"),
}
HOWS = ("standard", "minmax")


def arrays(seed, n):
    rng = np.random.default_rng(seed)
    spread = np.array([1, 100, 0.1])
    return {
        "x": 5 + spread * rng.standard_normal((n, 3)),
        "s": 5 + spread * rng.standard_normal((n, 4, 3)),
        "image": spread[:, None, None] * rng.uniform(size=(n, 3, 2, 2)),
        "one": rng.standard_normal(n) - 7,
        "trace": rng.standard_normal((n, 4)) - 7,
        "ids": rng.integers(0, 9, (n, 4)),
        "mask": rng.integers(0, 2, (n, 4)),
        "y": 9 + rng.standard_normal((n, 1)),
    }


def data():
    return Data({"train": arrays(0, 30), "val": arrays(1, 10)}, FIELDS)


def inputs(d=None):
    return [name for name in (d or data()).fields if name != "y"]


OVER = {"x": 0, "s": 0, "image": (0, 2, 3), "one": None, "trace": None}


def counted(how, name):
    """A scaled field of the training split; of sequences the steps that their mask leaves, as rows."""
    train = scaled(data(), fit(data(), how, inputs())).splits["train"]
    return train[name][train["mask"] > 0] if FIELDS[name].time_major else train[name]


@pytest.mark.parametrize(("name", "over"), OVER.items())
def test_every_feature_has_mean_0_and_deviation_1_on_the_training_split(name, over):
    a = counted("standard", name)
    assert np.abs(a.mean(over)).max() < 1e-12
    assert np.abs(a.std(over) - 1).max() < 1e-12


@pytest.mark.parametrize(("name", "over"), OVER.items())
def test_every_feature_lies_in_0_to_1_on_the_training_split(name, over):
    a = counted("minmax", name)
    assert np.abs(a.min(over)).max() == 0
    assert np.abs(a.max(over) - 1).max() < 1e-12


def test_small_numbers_by_hand():
    small = Data({"train": {"x": np.array([[1.0, 0], [2, 0], [6, 12]])}}, {"x": Field("NF")})
    standard, minmax = (scaled(small, fit(small, how, ["x"])).splits["train"]["x"] for how in HOWS)
    assert np.allclose(standard, np.array([[-2, -4], [-1, -4], [3, 8]]) / np.sqrt([14 / 3, 32]), atol=1e-15)
    assert np.allclose(minmax, [[0, 0], [0.2, 0], [1, 1]], atol=1e-15)


@pytest.mark.parametrize("how", HOWS)
def test_the_validation_split_takes_the_numbers_of_the_training_split(how):
    d = data()
    train, val, out = d.splits["train"]["x"], d.splits["val"]["x"], scaled(d, fit(d, how, inputs())).splits["val"]["x"]
    shift = train.mean(0) if how == "standard" else train.min(0)
    width = train.std(0) if how == "standard" else np.ptp(train, axis=0)
    assert np.allclose(out, (val - shift) / width, rtol=1e-14)
    assert np.abs(out.mean(0)).max() > 1e-3


@pytest.mark.parametrize("how", HOWS)
def test_targets_ids_and_masks_stay_as_they_are(how):
    d = data()
    out = scaled(d, fit(d, how, inputs()))
    for split, fields in out.splits.items():
        for name in ("ids", "mask", "y"):
            assert fields[name] is d.splits[split][name]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("value", [0.1, -3, 0, 1e9])
def test_a_constant_feature_is_shifted_to_0_and_keeps_its_unit(how, value):
    rows = np.column_stack([np.full(7, value), np.arange(7)])
    constant = Data({"train": {"x": rows}, "val": {"x": rows + 2}}, {"x": Field("NF")})
    out = scaled(constant, fit(constant, how, ["x"])).splits
    assert (out["train"]["x"][:, 0] == 0).all()
    assert np.allclose(out["val"]["x"][:, 0], 2)


def test_without_a_scale_nothing_changes():
    d = data()
    out = scaled(d, fit(d, "none", inputs()))
    assert all(out.splits["train"][name] is a for name, a in d.splits["train"].items())


@pytest.mark.parametrize("how", ["none", *HOWS])
def test_a_scale_comes_back_from_json_exactly(how):
    d = data()
    scale = fit(d, how, inputs())
    back = Scale.from_json(json.loads(json.dumps(scale.to_json())))
    first, second = scale.apply(d.splits["val"]), back.apply(d.splits["val"])
    assert back.how == how
    assert all(np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype for name in first)


@pytest.mark.parametrize("how", HOWS)
def test_a_scale_can_be_undone_and_is_applied_to_the_fields_that_are_there(how):
    d = data()
    scale = fit(d, how, inputs())
    val = d.splits["val"]
    out = scale.apply({"s": val["s"], "y": val["y"]})
    assert list(out) == ["s", "y"]
    assert np.allclose(scale.undo("s", out["s"]), val["s"], rtol=1e-12)
    assert scale.undo("y", val["y"]) is val["y"]


def test_whole_numbers_and_float32_are_scaled_in_float64():
    d = Data({"train": {"x": np.arange(6, dtype=np.uint8)[:, None]}}, {"x": Field("NF")})
    assert scaled(d, fit(d, "minmax", ["x"])).splits["train"]["x"].dtype == np.float64
    large = Data({"train": {"x": (1e4 + np.arange(2000) % 2).astype(np.float32)[:, None]}}, {"x": Field("NF")})
    assert fit(large, "standard", ["x"]).width["x"][0] == pytest.approx(0.5, rel=1e-12)


def test_a_known_true_function_takes_the_scaled_x():
    d = Sine().load(generator(0, "dataset"))
    out = scaled(d, fit(d, "standard", ["x"]))
    assert np.allclose(out.f(out.splits["test"]["x"]), d.f(d.splits["test"]["x"]), rtol=1e-12, atol=1e-12)
    assert scaled(d, fit(d, "none", ["x"])).f is d.f


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: fit(data(), "standart", ["x"]), "unknown scale 'standart'; did you mean 'standard'?"),
        (lambda: fit(data(), "standard", ["xs"]), "unknown field 'xs'; did you mean"),
        (lambda: fit(data(), "standard", ["x"]).apply({"x": np.ones((4, 2))}), "'x' has .* it was scaled with 3 features"),
        (
            lambda: fit(data(), "standard", ["image"]).apply({"image": np.ones((4, 1, 3, 3))}),
            "it was scaled with 3 features",
        ),
    ],
)
def test_what_cannot_be_scaled_is_refused(call, expected):
    with pytest.raises(ValueError, match=expected):
        call()
