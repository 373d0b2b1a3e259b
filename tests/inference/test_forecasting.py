"""A trained network continues its series: it reads its own predictions."""

import csv
from dataclasses import replace

import numpy as np
import pytest

import framework
from framework.cli.command_line import execute
from framework.config.composition import compose
from framework.core.errors import ConfigError, DataError
from framework.experiments.experiment import prepare
from framework.inference.forecasting import forecast
from framework.inference.model import Model
from framework.tracking.run_dir import runs_dir

DATA = ["dataset=series", "dataset.path=t.csv", "dataset.column=level", "dataset.length=6"]
SMALL = ["model.hidden=3", "trainer.steps=5", "tracking=none", "threads=1", "dtype=float64", "tier=array"]
DENSE = ["model=mlp", "dataset.targets=last"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with t.csv: a level, and the rain that raises it one step later."""
    rain = np.sin(np.arange(60) / 3)
    level = np.concatenate([[0.0], rain[:-1]]) + np.arange(60) / 100
    write(tmp_path / "t.csv", level, rain)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, level, rain):
    path.write_text("level,rain\n" + "".join(f"{v},{r:.6f}\n" for v, r in zip(level, rain, strict=True)))


def untrained(*words):
    return of(*DATA, *words)


def of(*words):
    """A network with its initial weights."""
    made = prepare(compose([*words, *SMALL]))
    weights = {node: tensors for node, tensors in made.learner.network.init(0)[0].items() if tensors}
    return Model.of(made.learner, weights, made.data, made.scale)


def trained(*words):
    return framework.run(*DATA, *SMALL, *words).model


def series(model, columns=1):
    return np.loadtxt("t.csv", delimiter=",", skiprows=1, ndmin=2)[:, :columns]


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize(
    "words", [DENSE, ["model=attention"], ["model=attention", "model.output=last", "dataset.targets=last"]]
)
def test_windows_are_read_as_in_a_loop_with_predict(place, words, horizon):
    model = untrained(*words, f"dataset.horizon={horizon}")
    values, known = series(model), 60
    for _ in range(5):
        end = len(values) - horizon + 1
        y = model.predict(values[None, end - 6 : end]).reshape(-1, 1)[-1:]
        values = np.concatenate([values, y])
    assert np.array_equal(forecast(model, series(model), 5), values[known:])


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize(
    "words", [["model=lstm"], ["model=gru"], ["model=rnn", "dataset.stateful=true", "trainer.batch_size=2"]]
)
def test_states_carry_as_in_a_longer_sequence(place, words, horizon):
    model = untrained(*words, f"dataset.horizon={horizon}")
    values = series(model) if model.about.stateful else series(model)[-6 - horizon + 1 :]
    known = len(values)
    for _ in range(5):
        y = model.predict(values[None])[0, -horizon]
        values = np.concatenate([values, y[None]])
    assert forecast(model, series(model), 5) == pytest.approx(values[known:], rel=1e-12, abs=1e-12)


def test_steps_within_the_horizon_are_one_prediction(place):
    model = untrained("model=lstm", "dataset.horizon=4")
    y = model.predict(series(model)[None, -9:])[0, -4:]
    assert np.array_equal(forecast(model, series(model), 4), y)


def test_later_values_of_features_are_read(place):
    model = untrained("model=lstm", "dataset.features=[rain]")
    known, rain = series(model, 2), np.array([0.3, -0.2, 0.5, 9.0])
    values = known[-6:]
    for i in range(4):
        y = model.predict(values[None])[0, -1]
        values = np.concatenate([values, [[y[0], rain[i]]]])
    assert forecast(model, known, 4, rain) == pytest.approx(values[6:, :1], rel=1e-12, abs=1e-12)
    assert forecast(model, known, 1) == pytest.approx(values[6:7, :1], rel=1e-12)
    with pytest.raises(DataError, match=r"4 steps need 3 later values .* \(got 2\).*at most 3 steps"):
        forecast(model, known, 4, rain[:2])


def test_a_series_too_short_for_a_window_is_refused(place):
    with pytest.raises(DataError, match="the series has 4 values; the network needs 6"):
        forecast(untrained(*DENSE), np.zeros(4), 2)


def test_other_networks_are_refused(place):
    model = of("model=lstm", "dataset=weather")
    with pytest.raises(ConfigError, match=r"symbols are continued by stackprop generate.*dataset=series does"):
        forecast(model, np.zeros(9), 2)


def test_a_forecast_that_grows_without_end_is_an_error(place):
    model = untrained(*DENSE)
    weights = {node: {name: a * 1e60 for name, a in tensors.items()} for node, tensors in model.weights.items()}
    with pytest.raises(ConfigError, match=r"no longer a finite number at step [345]: the network's own predictions grow"):
        forecast(replace(model, weights=weights), np.ones(9), 9)


# The command.


def lines(text):
    return list(csv.reader(text.splitlines()))


def test_the_command_writes_a_csv_and_a_figure(place, capsys):
    model = trained("model=lstm")
    capsys.readouterr()
    assert execute(["forecast", "last", "--steps", "3", "--to", "out.csv"]) == 0
    said = capsys.readouterr()
    header, *rows = lines((place / "out.csv").read_text())
    assert (header, said.out) == (["step", "level"], "")
    expected = forecast(model, series(model), 3)[:, 0]
    assert [(int(step), float(value)) for step, value in rows] == [
        (i, pytest.approx(value, rel=1e-5)) for i, value in enumerate(expected, 1)
    ]
    (path,) = runs_dir().glob("*/figures/forecast.png")
    assert f"figure: {path}" in said.err


def test_a_sweep_gives_mean_and_band_over_its_seeds(place, capsys):
    jobs = framework.sweep(*DATA, *SMALL, "model=lstm", "seed=range(3)", "optimizer.lr=0.1,1e-9")
    capsys.readouterr()
    best = [job for job in jobs if job.overrides["optimizer.lr"] == jobs.best.overrides["optimizer.lr"]]
    found = np.stack([forecast(job.model, series(job.model), 2)[:, 0] for job in best])
    printed = []
    for word in ("last", "best", jobs.folder.name):
        assert execute(["forecast", word, "--steps", "2"]) == 0
        printed.append(capsys.readouterr().out)
    header, *rows = lines(printed[0])
    assert len(best) == 3
    assert header == ["step", "level", "std"]
    assert np.array(rows, float)[:, 1:] == pytest.approx(np.stack([found.mean(0), found.std(0)], -1), rel=5e-3)
    assert printed[0] == printed[1] == printed[2]
    assert (jobs.folder / "forecast.png").exists()


def test_a_file_continues_another_series(place, capsys):
    model = trained("model=lstm", "dataset.features=[rain]")
    (place / "new.csv").write_text("rain,level\n" + "0.5,1\n" * 8 + "0.25,\n-0.5,\n")
    (place / "later.csv").write_text("rain\n0.25\n-0.5\n")
    capsys.readouterr()
    known, later = np.tile([1, 0.5], (8, 1)), [0.25, -0.5]
    for file, history in (("new.csv", known), ("later.csv", series(model, 2))):
        assert execute(["forecast", "last", file, "--steps", "3"]) == 0
        _, *rows = lines(capsys.readouterr().out)
        assert np.array(rows, float)[:, 1] == pytest.approx(forecast(model, history, 3, later)[:, 0], rel=1e-5)
    assert execute(["forecast", "last", "--steps", "3"]) == 2
    assert "3 steps need 2 later values of the other columns" in capsys.readouterr().err


def test_a_lost_file_of_the_series_is_an_error(place, capsys):
    trained("model=lstm")
    (place / "t.csv").rename(place / "moved.csv")
    assert execute(["forecast", "last"]) == 2
    assert "t.csv', which does not exist any more; name another file" in capsys.readouterr().err
    assert execute(["forecast", "last", "moved.csv"]) == 0


def test_runs_without_a_series_are_refused(place, capsys):
    framework.run("dataset=xor", "model=mlp", *SMALL)
    assert execute(["forecast", "last"]) == 2
    assert "was not trained on a series of a file (dataset=series)" in capsys.readouterr().err
    assert execute(["forecast", "last", "--steps", "0"]) == 2
