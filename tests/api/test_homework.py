"""Ten jobs of homework and small research, each in at most two commands: from one's own file to what is handed in."""

import csv

import numpy as np
import pytest

import framework
from framework.cli.commands import figure, forecast

pytestmark = pytest.mark.slow
QUICK = ("tracking=none", "device=cpu")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    return tmp_path


def written(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def pets(n=120):
    """Weight, legs, colour and kind; birds have two legs."""
    rng = np.random.default_rng(0)
    for i in range(n):
        kind = ("cat", "dog", "bird")[i % 3]
        weight = {"cat": 4, "dog": 20, "bird": 0.1}[kind] * rng.uniform(0.7, 1.3)
        yield f"{weight:.2f}", 2 if kind == "bird" else 4, rng.choice(["black", "white"]), kind


def test_a_table_of_ones_own_becomes_a_confusion_matrix(place):
    written("pets.csv", ["weight", "legs", "colour", "kind"], pets())
    run = framework.run("dataset=csv", "dataset.path=pets.csv", "dataset.target=kind", "trainer.epochs=30", *QUICK)
    assert "confusion" in [path.stem for path in run.figures]
    assert run.last["test/accuracy"] > 0.9


def test_optimizers_rates_and_seeds_on_three_tables(place):
    words = ["dataset=iris,wine,breast_cancer", "optimizer=sgd,adam,nag", "optimizer.lr=0.003,0.01,0.1,1", "seed=range(5)"]
    swept = framework.sweep(*words, "trainer.epochs=5", *QUICK)
    assert len(swept) == 180
    assert (swept.folder / "importance.md").exists()
    best = {
        name: max(run.last["val/accuracy"] for run in swept if run.overrides["dataset"] == name) for name in ("iris", "wine")
    }
    assert min(best.values()) > 0.9


def test_the_width_is_chosen_by_five_folds(place):
    swept = framework.sweep("folds=5", "dataset=breast_cancer", "model.hidden=2,16", "trainer.epochs=10", *QUICK)
    table = (swept.folder / "table.md").read_text().splitlines()
    assert table[0].startswith("| hidden | folds | val/loss | val/accuracy |")
    rows = (swept.folder / "out_of_fold.csv").read_text().splitlines()
    assert len(rows) == 1 + 455


def test_a_temperature_is_forecast_20_steps_ahead(place, capsys):
    t = np.arange(300)
    degrees = 10 + 9 * np.sin(2 * np.pi * t / 30) + np.random.default_rng(5).normal(0, 0.5, 300)
    written("weather.csv", ["hour", "temperature"], [(i, f"{value:.2f}") for i, value in enumerate(degrees)])
    words = ["dataset=series", "dataset.path=weather.csv", "dataset.column=temperature", "model=lstm", "optimizer.lr=0.02"]
    run = framework.run(*words, "trainer.epochs=15", *QUICK)
    assert forecast.main(["last", "--steps", "20"]) == 0
    _, *rows = csv.reader(capsys.readouterr().out.splitlines())
    assert [int(row[0]) for row in rows] == list(range(1, 21))
    true = 10 + 9 * np.sin(2 * np.pi * np.arange(300, 320) / 30)
    error = np.abs(np.array([float(row[1]) for row in rows]) - true).mean()
    assert error < 4  # the last value repeated is 6 off
    assert (run.folder / "figures" / "forecast.png").exists()


def test_the_vanishing_gradient_becomes_a_pdf(place):
    words = ["experiment=vanishing_gradient", "dataset.length=8", "dataset.n=40", "dataset.n_val=20", "dataset.n_test=0"]
    framework.sweep(*words, "seed=0", "trainer.epochs=1", *QUICK)
    assert figure.main(["last", "gradient_by_lag", "to=vanishing.pdf"]) == 0
    assert (place / "vanishing.pdf").read_bytes().startswith(b"%PDF")


def titanic(n=300):
    rng = np.random.default_rng(1)
    for _ in range(n):
        sex, first = rng.choice(["male", "female"]), rng.choice(["1", "2", "3"])
        survived = rng.uniform() < (0.75 if sex == "female" else 0.2)
        age = "" if rng.uniform() < 0.2 else f"{rng.uniform(1, 70):.0f}"
        yield int(survived), first, sex, age, f"{rng.uniform(5, 80):.2f}", rng.choice(["S", "C", "Q", ""])


def test_titanic_with_missing_cells_and_its_F1(place):
    written("titanic.csv", ["survived", "pclass", "sex", "age", "fare", "embarked"], titanic())
    words = ["dataset=csv", "dataset.path=titanic.csv", "dataset.target=survived", "dataset.fill=median"]
    run = framework.run(*words, "metrics=[accuracy,f1]", "trainer.epochs=20", *QUICK)
    assert run.last["test/f1"] > 0.5


def test_prices_near_100000_need_no_option(place):
    rng = np.random.default_rng(2)
    rows = [
        (f"{a:.1f}", b, f"{1e5 + 900 * a + 8000 * b + rng.normal(0, 5000):.0f}")
        for a, b in zip(rng.uniform(20, 200, 200), rng.integers(1, 6, 200), strict=True)
    ]
    written("flats.csv", ["area", "rooms", "price"], rows)
    words = ["dataset=csv", "dataset.path=flats.csv", "dataset.target=price", "metrics=[r2]"]
    assert framework.run(*words, "trainer.epochs=50", *QUICK).last["test/r2"] > 0.5


def test_images_with_channels_last_and_bytes_as_pixels(place):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 80)
    x = rng.integers(0, 60, (80, 8, 8, 3), dtype=np.uint8)
    x[y == 1, 2:6, 2:6, 0] += 180
    np.savez("squares.npz", x=x, y=y)
    words = ["dataset=npz", "dataset.path=squares.npz", "dataset.layout=NHWC", "dataset.scale=standard", "model=cnn"]
    assert framework.run(*words, "trainer.epochs=10", *QUICK).last["test/accuracy"] > 0.9


def test_token_ids_of_ones_own(place):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 6, (120, 7))
    np.savez("tokens.npz", x=x, y=(x == 5).any(1).astype(int))
    words = ["dataset=npz", "dataset.path=tokens.npz", "dataset.vocabulary=auto", "model=lstm", "model.output=last"]
    assert framework.run(*words, "trainer.epochs=1", *QUICK).last["test/accuracy"] >= 0


def test_rare_classes_get_weights(place):
    written(
        "pets.csv",
        ["weight", "legs", "colour", "kind"],
        [row for i, row in enumerate(pets(300)) if row[3] != "bird" or i % 5 == 2],
    )
    words = ["dataset=csv", "dataset.path=pets.csv", "dataset.target=kind", "dataset.weight=balanced"]
    run = framework.run(*words, "metrics=[balanced_accuracy,f1]", "metrics.f1.average=macro", "trainer.epochs=20", *QUICK)
    assert run.last["test/balanced_accuracy"] > 0.8
