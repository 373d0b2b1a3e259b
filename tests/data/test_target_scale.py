"""Features and targets of tables and arrays are scaled by default; metrics and predictions keep the unit of the target."""

import numpy as np
import pytest
import yaml
from user_files import rng

from framework import Context, Data, Field, run
from framework.cli.commands.predict import main
from framework.config.composition import compose
from framework.data import scaling
from framework.experiments.experiment import prepare
from framework.experiments.predictions import number
from framework.inference.units import Column, Unit
from framework.sklearn import Regressor
from framework.training.trainer import train
from framework_datasets.csv import Csv
from framework_datasets.npz import Npz

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ("model.hidden=4", "trainer.epochs=3", "tracking=none", "threads=1")


@pytest.fixture
def houses(tmp_path, monkeypatch):
    """A folder with houses.csv, whose prices are near 1e5 and whose features have different sizes."""
    draw = np.random.default_rng(3)
    area, rooms, year = draw.uniform(30, 250, 300), draw.integers(1, 7, 300), draw.integers(1920, 2020, 300)
    price = 1500 * area + 8000 * rooms + 300 * (year - 1900) + draw.normal(0, 15000, 300)
    rows = (f"{a:.1f},{b},{c},{d:.1f}\n" for a, b, c, d in zip(area, rooms, year, price, strict=True))
    (tmp_path / "houses.csv").write_text("area,rooms,year,price\n" + "".join(rows))
    monkeypatch.chdir(tmp_path)
    return ["dataset=csv", "dataset.path=houses.csv", "dataset.target=price"]


def test_a_regression_needs_no_scaling_options(houses, capsys):
    found = run(*houses, "trainer.epochs=50", "tracking=none")
    said = capsys.readouterr().err
    assert "features are scaled: (x - mean) / deviation of the training split; dataset.scale=none reads them" in said
    assert "target 'price' is scaled: train/loss and val/loss are of (price - " in said
    data = Csv("houses.csv", "price").load(np.random.default_rng(0))
    fields = found.model.about.encoding.read("houses.csv", with_target=True)
    y, t = found.model.predict(fields["x"]), fields["y"]
    assert 1 - ((y - t) ** 2).mean() / t.var() > 0.5
    assert found.model.evaluate(fields)["mae"] == pytest.approx(np.abs(y - t).mean())
    width = found.model.scale.width["y"]
    assert found.model.evaluate(fields)["loss"] == pytest.approx((((y - t) / width) ** 2).mean())
    assert data.scale == "standard"


def test_the_configuration_records_what_is_scaled(houses):
    found = run(*houses, *QUICK)
    recorded = yaml.safe_load((found.folder / "config.yaml").read_text())["dataset"]
    assert (recorded["scale"], recorded["scale_targets"]) == ("auto", True)


def test_an_older_configuration_scales_as_it_did(houses):
    del houses[0]
    old = ["dataset=csv", *houses, "~dataset.scale_targets"]
    made = prepare(compose([*old, "dataset.scale=standard"]))
    assert set(made.scale.shift) == {"x"}
    assert not made.learner.measures
    assert not prepare(compose([*old, "~dataset.scale"])).scale.shift


def test_without_scaling_nothing_changes(houses):
    made = prepare(compose([*houses, "dataset.scale=none"]))
    assert not made.scale.shift
    assert not made.learner.measures
    made = prepare(compose([*houses, "dataset.scale_targets=false"]))
    assert set(made.scale.shift) == {"x"}


def test_a_loss_that_needs_the_unit_keeps_it(houses):
    made = prepare(compose([*houses, "loss=msle"]))
    assert set(made.scale.shift) == {"x"}
    assert not made.learner.measures


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_metrics_of_a_stack_are_in_the_unit(houses, tier):
    words = [*houses, *QUICK, "metrics=[mae,r2]", f"tier={tier}", "dtype=float64"]
    made = [prepare(compose([*words, f"dataset.seed={seed}"])) for seed in (1, 2)]
    both = train([each.learner for each in made], [each.data for each in made], [0, 1], tier=tier, dtype="float64")
    alone = train([made[1].learner], [made[1].data], [1], tier=tier, dtype="float64")[0]
    assert both[1].metrics["val/mae"] == pytest.approx(alone.metrics["val/mae"], rel=1e-9)
    assert alone.metrics["val/mae"] > 1000
    assert both[1].metrics["val/r2"] == pytest.approx(alone.metrics["val/r2"], rel=1e-9)


def test_every_column_of_a_target_has_its_width():
    a, unit = np.arange(6.0).reshape(1, 3, 2), Unit((Column(10.0, 2.0), Column(0.0, 100.0)))
    assert unit(a, Context(replicas=(1,))).tolist() == [[[10, 100], [14, 300], [18, 500]]]
    stacked = Unit((Column(np.array([10.0, 0.0]), np.array([2.0, 1.0])), Column(0.0, 100.0)))
    found = stacked(np.repeat(a, 2, 0), Context(replicas=(2,)))
    assert found.tolist() == [[[10, 100], [14, 300], [18, 500]], [[0, 100], [2, 300], [4, 500]]]


def test_a_known_function_is_scaled_with_the_data():
    x = np.linspace(0, 1, 8)[:, None]
    data = Data({"train": {"x": x, "y": 3 * x}}, {"x": Field("NF"), "y": Field("NF")}, f=lambda x: 3 * x, sigma=0.5)
    found = scaling.scaled(data, scaling.fit(data, "minmax", ["x", "y"]))
    assert found.f(found.splits["train"]["x"]) == pytest.approx(found.splits["train"]["y"])
    assert found.sigma == pytest.approx(0.5 / 3)


def test_arrays_of_features_are_scaled_but_no_images(tmp_path):
    y = np.arange(30) % 3
    for shape, scale in (((30, 2), "standard"), ((30, 4, 2), "none"), ((30, 1, 4, 4), "none")):
        np.savez(tmp_path / "a.npz", x=rng().uniform(size=shape), y=y)
        assert Npz(str(tmp_path / "a.npz")).load(rng()).scale == scale


def test_categories_alone_are_not_scaled(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n" + "u,1\nv,2\n" * 20)
    assert Csv(str(tmp_path / "a.csv"), "y").load(rng()).scale == "none"


def test_an_estimator_scales_its_target_back():
    x = np.random.default_rng(0).uniform(0, 100, (80, 2))
    y = 1e5 + 300 * x[:, 0]
    made = Regressor(dataset__scale="standard", model__hidden=8, trainer__epochs=60, optimizer__lr=0.02, random_state=0)
    assert made.fit(x, y).score(x, y) > 0.9


def test_predictions_have_enough_digits_for_their_width(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = np.linspace(-1, 1, 40)
    rows = "".join(f"{a:.3f},{1e6 + 10 * a:.2f}\n" for a in x)
    (tmp_path / "far.csv").write_text("x,y\n" + rows)
    found = run("dataset=csv", "dataset.path=far.csv", "dataset.target=y", "folds=4", "fold=1", *QUICK)
    held = [line.split(",") for line in (found.folder / "held_out.csv").read_text().splitlines()[1:]]
    assert {target for _, target, _ in held} <= {f"{float(line.split(',')[1]):.10g}" for line in rows.splitlines()}
    capsys.readouterr()
    main([str(found.folder), "far.csv"])
    printed = np.array(capsys.readouterr().out.split()[1:], float)
    exact = found.model.predict(found.model.about.encoding.read("far.csv", with_target=False)["x"])
    assert printed == pytest.approx(exact[:, 0], abs=1e-4)


@pytest.mark.parametrize(
    ("value", "width", "shown"),
    [(1.5, 1e3, "1.5"), (0.1234567, 1.0, "0.123457"), (1234567.8, 1e3, "1234567.8"), (-1e6 - 0.25, 0.5, "-1000000.25")],
)
def test_a_number_is_resolved_to_its_width(value, width, shown):
    assert number(value, width) == shown
