"""A series from a table: its windows, further columns, time, gaps, naive forecasts, and the guards against reading ahead."""

import numpy as np
import pytest
from user_files import rng

import framework
from framework.config.composition import compose
from framework.core.errors import ConfigError, DataError
from framework.experiments.experiment import prepare
from framework.inference.baselines import baseline_line, baseline_metrics
from framework_datasets.series import Series

WORDS = ["dataset=series", "dataset.path=t.csv", "dataset.column=v", "dataset.length=4", "tracking=none"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A function that writes t.csv."""
    monkeypatch.chdir(tmp_path)

    def write(rows, header="v"):
        (tmp_path / "t.csv").write_text("\n".join([header, *rows]) + "\n")

    return write


@pytest.fixture
def counted(table):
    """t.csv: v is the number of the row, w its square."""
    table([f"{i},{i * i}" for i in range(40)], "v,w")


def load(**options):
    return Series("t.csv", "v", **{"length": 4, **options}).load(rng())


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_target_is_the_column_some_steps_later(counted, horizon):
    data = load(features=["w"], horizon=horizon)
    for fields in data.splits.values():
        assert np.array_equal(fields["y"], fields["x"][..., :1] + horizon)
        assert np.array_equal(fields["x"][..., 1], fields["x"][..., 0] ** 2)
    assert data.fields["x"].features == ("v", "w")
    assert data.fields["y"].features == ("v",)


def test_a_window_may_have_one_target(counted):
    train = load(horizon=2, targets="last").splits["train"]
    assert np.array_equal(train["y"], train["x"][:, -1] + 2)
    assert train["x"].shape[1:] == (4, 1)


def test_a_network_reads_a_new_file_as_it_was_trained(counted):
    for options in ({"horizon": 2}, {"horizon": 2, "targets": "last"}):
        encoding = load(features=["w"], **options).encoding
        fields = Series.encoding_from_json(encoding.to_json()).read("t.csv", with_target=True)
        last = fields["y"].reshape(len(fields["y"]), -1)[:, -1]
        assert np.array_equal(last, fields["x"][:, -1, 0] + 2)
        assert encoding.read("t.csv", with_target=False)["x"][-1, -1, 0] == 39


def test_a_target_has_the_scale_of_its_column_only(counted):
    made = prepare(compose([*WORDS, "dataset.features=[w]", "model=lstm"]))
    x, y = (made.data.splits["val"][name] for name in "xy")
    assert np.allclose(x[:, 1:, :1], y[:, :-1])
    assert made.scale.shift["x"].shape == (2,)
    assert made.scale.shift["y"] == made.scale.shift["x"][:1]


def test_scales_are_of_the_training_part_only(counted):
    made = prepare(compose([*WORDS, "model=lstm"]))
    train = load().splits["train"]["x"]
    assert train.max() < 24
    assert made.scale.shift["x"] == train.mean((0, 1))
    assert made.scale.width["x"] == train.std((0, 1))


@pytest.mark.parametrize("options", [{}, {"horizon": 3}, {"targets": "last"}, {"stride": 2}])
def test_no_window_reaches_into_another_part(counted, options):
    splits = load(**options).splits
    seen = {s: {float(v) for v in (*f["x"].ravel(), *f["y"].ravel())} for s, f in splits.items()}
    assert max(seen["train"]) < 24 <= min(seen["val"])
    assert max(seen["val"]) < 32 <= min(seen["test"])


# Layers that would read the answer.


@pytest.mark.parametrize(
    "layer",
    [
        "{type:recurrent,cell:{type:lstm,units:3},reverse:true,after:input}",
        "{type:recurrent,cell:{type:gru,units:3},reverse:true,after:input}",
        "{type:self_attention,units:3,after:input}",
        "{type:conv1d,filters:3,after:input}",
    ],
)
def test_a_layer_that_reads_later_steps_is_refused(counted, layer):
    with pytest.raises(ConfigError, match=r"model.layers.a: .*would read the answer"):
        prepare(compose(["model=lstm", *WORDS, f"model.layers.a={layer}"]))


@pytest.mark.parametrize(
    "layer", ["{type:self_attention,units:3,causal:true,after:input}", "{type:conv1d,filters:3,padding:causal,after:input}"]
)
def test_a_layer_that_reads_earlier_steps_only_is_allowed(counted, layer):
    made = prepare(compose(["model=lstm", *WORDS, f"model.layers.a={layer}"]))
    assert made.data.splits["val"]["y"].ndim == 3


def test_folds_of_a_series_are_refused(counted):
    with pytest.raises(DataError, match="a fold would train on what comes after it"):
        prepare(compose([*WORDS, "model=lstm", "folds=5", "fold=0"]))


# Time.


def test_a_missing_step_is_named_with_its_line(table):
    days = [f"2024-01-{d:02d},{d}" for d in range(1, 29) if d not in (4, 5, 6, 20)]
    table(days, "day,v")
    with pytest.raises(DataError) as error:
        load(time="day")
    assert str(error.value) == (
        "t.csv: line 5: 3 steps are missing between 2024-01-03 and 2024-01-07 (the first of 2 gaps); add the rows, or cut "
        "the series there: dataset.gaps=split (column 'day', a step is 1 day)"
    )


def test_no_window_crosses_a_gap(table):
    table([f"{i},{i}" for i in range(60) if i not in (20, 21, 45)], "hour,v")
    data = load(time="hour", gaps="split")
    for fields in data.splits.values():
        assert (np.diff(fields["x"], axis=1) == 1).all()
        assert np.array_equal(fields["y"], fields["x"] + 1)
    assert data.notes == ("t.csv: the series has 2 gaps, which no window crosses",)
    history, _ = data.encoding.history("t.csv")
    assert history[0, 0] == 46
    with pytest.raises(DataError, match=r"stateful: states would be carried across gaps"):
        load(time="hour", gaps="split", stateful=True)


def test_later_values_after_a_gap_are_refused(table):
    known = [f"{i},{i},1" for i in range(30)]
    table(known, "hour,v,w")
    encoding = load(time="hour", gaps="split", features=["w"]).encoding
    table([*known, "30,,2", "31,,3"], "hour,v,w")
    history, later = encoding.history("t.csv")
    assert (len(history), later.tolist()) == (30, [[2.0], [3.0]])
    table([*known, "35,,2", "36,,3"], "hour,v,w")
    with pytest.raises(DataError, match="steps are missing after the last value of 'v'; a forecast begins there"):
        encoding.history("t.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1", "2", "2", "3"], "line 4: 2 is there twice"),
        (["1", "3", "2", "4"], "line 4: 2 comes after 3"),
        (["1", "2", "2.25", "3", "4"], "line 4: less than half a step after 2"),
        (["1", "", "3"], "line 3, column 'at': the cell is empty; dataset.time needs one in every row"),
    ],
)
def test_times_that_do_not_rise_evenly_are_errors(table, rows, message):
    table([f"{word},{i}" for i, word in enumerate(rows)], "at,v")
    with pytest.raises(DataError, match=f"t.csv: {message}"):
        load(time="at")


def test_months_are_equal_steps(table):
    table([f"20{y}-{m:02d}-01,{m}" for y in range(20, 24) for m in range(1, 13)], "month,v")
    assert len(load(time="month").splits) == 3


def test_a_missing_value_is_named_with_its_line(table):
    table(["1,1", "2,", "3,1"], "v,w")
    with pytest.raises(DataError, match=r"line 3, column 'w': the cell is empty; correct it, or leave out .* the column$"):
        load(features=["w"])
    with pytest.raises(DataError, match=r"dataset.features: 'v' is there twice"):
        load(features=["v"])
    with pytest.raises(DataError, match=r"dataset.features: unknown column 'ww'.*did you mean 'w'"):
        load(features=["ww"])


# Naive forecasts.


@pytest.mark.parametrize("options", [{}, {"horizon": 3}, {"targets": "last"}])
def test_naive_forecasts_are_the_last_and_the_seasonal_value(counted, options):
    data, horizon = load(period=5, **options), options.get("horizon", 1)
    for split in ("val", "test"):
        y = data.splits[split]["y"]
        assert np.array_equal(data.baselines["last_value"][split]["y"], y - horizon)
        assert np.array_equal(data.baselines["period_ago"][split]["y"], y - 5)
    with pytest.raises(DataError, match=r"dataset.period: 2 is not allowed; at least dataset.horizon=3"):
        load(period=2, horizon=3)


def test_a_period_without_earlier_rows_is_reported(counted):
    with pytest.raises(DataError, match=r"no target of val and test has a row 50 steps before it; use a shorter period"):
        load(period=50)
    assert "targets of val and test have no row 36 steps before them" in load(period=36).notes[-1]
    assert not load(period=5).notes


def test_a_season_before_a_gap_is_not_used(table):
    table([f"{i},{i}" for i in range(60) if i != 50], "hour,v")
    data = load(time="hour", gaps="split", period=4, length=2)
    y = data.splits["test"]["y"]
    ago = y - data.baselines["period_ago"]["test"]["y"]
    assert set(ago[(y < 50) | (y >= 55)]) == {4.0}
    assert set(ago[(y > 50) & (y < 55)]) == {1.0}


def test_naive_losses_are_those_of_the_network_s_loss(counted):
    made = prepare(compose([*WORDS, "model=lstm", "dataset.period=5"]))
    width = float(made.scale.width["y"][0])
    found = baseline_metrics(made.data, made.learner.heads, made.learner.measures)
    for split in ("val", "test"):
        for name, error in (("last_value", 1), ("period_ago", 5)):
            assert found[f"baseline/{name}/{split}/loss"] == pytest.approx((error / width) ** 2, rel=1e-9)
            assert found[f"baseline/{name}/{split}/mae"] == pytest.approx(error, rel=1e-9)
    line = baseline_line({"val/loss": 0.5, "baseline/last_value/val/loss": 0.25, "baseline/period_ago/val/loss": 2.0})
    assert line == "naive forecasts: val/loss 0.5 (last value 0.25, period ago 2)"


def test_a_loss_of_more_than_predictions_has_no_naive_value(counted):
    made = prepare(compose([*WORDS, "model=lstm", "loss=gaussian_nll"]))
    assert baseline_metrics(made.data, made.learner.heads, made.learner.measures) == {}


def test_a_run_records_naive_losses(counted):
    found = framework.run(*WORDS, "model=lstm", "model.hidden=3", "trainer.steps=3", "tier=array")
    naive = found.last["baseline/last_value/test/loss"]
    assert naive == found.metrics["baseline/last_value/test/loss"].values[-1]
    assert f"test/loss {found.last['test/loss']:.4g} (last value {naive:.4g})" in str(baseline_line(found.last))
