"""Jobs side by side, and the figure of them."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from framework.analysis.comparison import RecordedJob, SeedGroup, best_group, best_job, reduce_series, rows
from framework.analysis.figures.sweep import draw, panels
from framework.analysis.sweep_table import incomparable, tabled
from framework.config.options import FigureOptions
from framework.core.direction import lower_is_better


def job(values, status="finished", **overrides):
    steps = np.arange(1, len(values) + 1)
    return RecordedJob("0", {k: str(v) for k, v in overrides.items()}, status, {"train/loss": np.stack([steps, values], -1)})


@pytest.mark.parametrize(
    ("at", "value"), [("first", 9), ("last", 3), ("best", 1), ("mean", 4), ("fluctuation", np.sqrt((2**2 + 0) / 2))]
)
def test_one_value_of_a_series(at, value):
    assert reduce_series(np.array([9.0, 1, 3, 5, 3, 3]), at, lower=True) == value


def test_what_diverged_has_no_value_and_says_so():
    group = SeedGroup({"optimizer.lr": "1"}, (job([1.0, 1e30], "diverged"),) * 2)
    assert np.isnan(group.values("train/loss", "last")).all()
    assert list(rows([group], {"train/loss": "last"}))[1] == ["1", "2", "-", "diverged", "0"]


def test_metrics_share_a_panel_where_they_are_to_be_compared():
    groups = [SeedGroup({"k": str(k)}, (job([1.0, 2.0], k=k),)) for k in (1, 2)]
    apart = panels(groups, FigureOptions(panels="k"), ["train/loss", "val/loss"])
    together = panels(groups, FigureOptions(panels="k", together=True), ["train/loss", "val/loss"])
    assert [list(p.metrics) for p in apart] == [["train/loss"], ["train/loss"], ["val/loss"], ["val/loss"]]
    assert [list(p.metrics) for p in together] == [["train/loss", "val/loss"]] * 2


@pytest.mark.parametrize(
    ("values", "scale"), [((0, 1e-3, 1e-2, 1), "symlog"), ((1e-3, 1e-2, 1), "log"), ((0, 1, 2), "linear")]
)
def test_a_zero_has_a_place_beside_a_logarithmic_axis(values, scale, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    draw([job([1.0, 2.0], strength=v) for v in values], FigureOptions(x="strength"), ["train/loss"], tmp_path / "f.png")
    assert figures[0].axes[0].get_xscale() == scale


@pytest.mark.parametrize(
    "name", ["val/loss", "val/mse", "a/mae", "bias_variance/bias2", "zero_one/error", "gradcheck/worst"]
)
def test_losses_and_errors_of_old_runs_are_known_by_name(name):
    assert lower_is_better(name, {})
    assert not lower_is_better("val/accuracy", {})


def test_the_recorded_direction_decides_what_is_best():
    series = {"val/nll": np.array([[1, 3.0], [2, 1.0], [3, 2.0]])}
    decreasing, increasing = (RecordedJob("0", {}, "finished", series, lower={"val/nll": lower}) for lower in (True, False))
    assert [one.value("val/nll", "best") for one in (decreasing, increasing)] == [1, 3]
    assert best_job(SeedGroup({}, (increasing, replace(increasing, kept={"val/nll": 5.0}))), "val/nll").kept


def seeds(key, *values):
    """A group of seeds with these losses."""
    series = [{"val/loss": np.array([[1, 9.0], [2, value]])} for value in values]
    return SeedGroup({"k": key}, tuple(RecordedJob(f"{key}{i}", {}, "finished", s) for i, s in enumerate(series)))


def test_the_best_of_a_sweep_is_the_best_mean_over_seeds():
    lucky, good = seeds("lucky", 0.1, 0.9), seeds("good", 0.3, 0.2)
    assert best_group([lucky, good], "val/loss") is good
    assert best_job(good, "val/loss").name == "good1"


def test_a_group_with_a_seed_that_diverged_is_not_the_best():
    mixed = SeedGroup({"k": "mixed"}, (replace(seeds("d", 0.1).jobs[0], status="diverged"), *seeds("m", 0.0).jobs))
    assert best_group([mixed, seeds("good", 0.5)], "val/loss").keys == {"k": "good"}
    assert best_group([mixed], "val/loss") is None


def test_the_value_of_a_job_is_that_of_the_kept_weights():
    job = RecordedJob("0", {}, "stopped_early", {"val/loss": np.array([[1, 0.5], [2, 0.2], [3, 0.7]])}, {"val/loss": 0.2})
    assert [job.value("val/loss", at) for at in ("kept", "last", "first")] == [0.2, 0.7, 0.5]


def test_a_metric_is_drawn_against_another_of_the_same_steps(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    rate = np.array([[0, 0.001], [1, 0.01], [2, 0.1], [3, 1.0]])
    found = [
        RecordedJob("0", {"k": str(k)}, "finished", {"rate": rate, "loss": np.array([[0, 3.0], [2, k]])}) for k in (1, 2)
    ]
    draw(found, FigureOptions(x="rate"), ["loss"], tmp_path / "f.png")
    (ax,) = figures[0].axes
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.001, 0.1]] * 2  # rate 0.01 has no loss
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3, 1], [3, 2]]
    assert (ax.get_xlabel(), ax.get_xscale()) == ("rate", "log")


def test_a_pattern_draws_what_each_job_calls_its_layer(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    lags = np.array([[0, 3.0], [1, 2.0]])
    found = [RecordedJob("0", {"model": name}, "finished", {f"by_lag/{name}": lags}) for name in ("rnn", "attention")]
    draw(found, FigureOptions(), ["by_lag/*"], tmp_path / "f.png")
    (ax,) = figures[0].axes
    assert [line.get_label() for line in ax.lines] == ["rnn", "attention"]


def test_a_curve_of_a_seed_that_ends_in_inf_draws_without_complaint():
    steps, mean, std = SeedGroup({}, (job([1.0, np.inf], "diverged"), job([3.0, 2.0]))).curve("train/loss")
    assert (steps == [1, 2]).all()
    assert (mean[0], std[0]) == (2, 1)
    assert not np.isfinite([mean[1], std[1]]).any()


def test_the_band_is_between_what_seeds_do_and_not_between_batches():
    noisy = np.tile([1.0, 3.0], 50)
    group = SeedGroup({}, (job(noisy), job(noisy[::-1])))
    assert (group.curve("train/loss")[2] == 1).all()
    steps, mean, std = group.curve("train/loss", 10)
    assert (len(steps), steps[0]) == (10, 5.5)
    assert (mean == 2).all()
    assert (std == 0).all()


def test_losses_of_other_losses_and_data_are_not_compared_in_silence():
    jobs = [job([1.0], **{"loss.gamma": gamma, "optimizer.lr": 0.1}) for gamma in (0, 2)]
    jobs = [replace(each, series={**each.series, "val/accuracy": each.series["train/loss"]}) for each in jobs]
    assert "train/loss is another quantity with another loss.gamma; compare another metric: " in incomparable(
        jobs, "train/loss"
    )
    assert incomparable(jobs, "train/loss").endswith("stackprop compare last y=val/accuracy")
    assert incomparable(jobs, "val/accuracy") == ""
    assert incomparable([job([1.0], **{"optimizer.lr": lr}) for lr in (1, 2)], "val/loss") == ""
    data = [job([1.0], dataset=name) for name in ("iris", "wine")]
    assert incomparable(data, "val/accuracy").endswith("another quantity with another dataset")


def test_a_sweep_is_sorted_by_the_metric_of_early_stopping(tmp_path):
    (tmp_path / "config.yaml").write_text("trainer: {early_stopping: {monitor: val/f1}}\nmetrics: [f1, recall]\n")
    values = [{"val/loss": 0.1, "val/f1": 0.4, "val/recall": 0.5}, {"val/loss": 0.2, "val/f1": 0.6, "val/recall": 0.5}]
    series = [{name: np.array([[1, value]]) for name, value in each.items()} for each in values]
    jobs = [RecordedJob(str(i), {"k": str(i)}, "finished", each, folder=tmp_path) for i, each in enumerate(series)]
    _, y, groups, shown, metric = tabled(tmp_path, {}, jobs)
    assert (metric, y, list(shown)) == ("val/f1", ["val/f1", "val/loss"], ["val/f1", "val/loss", "val/recall"])
    assert [group.keys["k"] for group in groups] == ["1", "0"]
    assert tabled(tmp_path, {"y": "val/loss"}, jobs)[-1] == "val/loss"
