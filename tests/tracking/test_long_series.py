"""Series that are too long for the memory: read in pieces, with the same values as whole ones."""

import json
import math
import tracemalloc

import numpy as np
import pytest

from framework.analysis.comparison import RecordedJob, SeedGroup
from framework.analysis.epochs import SeriesOverEpochs
from framework.analysis.figures import RunView, figure
from framework.analysis.figures.gradient_by_lag import MOST, rows
from framework.analysis.figures.learning import since
from framework.analysis.figures.options import LearningOptions
from framework.core.errors import DataError
from framework.experiments.artifacts import norms_table
from framework.tracking import metrics_file
from framework.tracking.metrics_file import LazySeries, table
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.thinning import Means, Summary, means

STEPS = 1000
NAMES = ("train/loss", "grad_norm/total", "grad_norm/a", "grad_norm/b")
LONG = ["train/loss", "grad_norm/a", "val/loss", "activation/a/dead"]


def written(folder, steps=STEPS, values=None):
    """A run with a validation for every second step, a probe for every one."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.standard_normal((steps, 4))).astype(np.float32) if values is None else values
    recorder = MetricsRecorder(folder, steps, steps)
    for start in range(0, steps, 100):
        recorder.on_steps(0, start + 1, NAMES, values[start : start + 100])
        for step in range(start + 2, start + 101, 2):
            recorder.on_metrics(0, step, {"val/loss": float(rng.standard_normal())})
        recorder.on_probe(0, np.arange(start + 1, start + 101), ["activation/a/dead"], rng.random((100, 1)))
        recorder.on_metrics(0, start + 100, {"val/accuracy": 0.5})
    recorder.sync()
    return folder / "metrics.jsonl"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "PIECE", 5000)  # bytes: many pieces
    return written(tmp_path)


@pytest.fixture
def both(path):
    return LazySeries(path, 10), LazySeries(path, math.inf)


def test_long_series_have_the_means_of_whole_ones(both):
    long, whole = both
    for name in whole:
        assert long.is_long(name) == (len(whole[name]) > 10)
        for most in (7, 100, 150, 400):
            assert np.allclose(long.thinned(name, most), means(whole[name], most), rtol=1e-14, atol=0)
    assert np.allclose(long.thinned("train/loss", 100, 333), means(whole["train/loss"][:333], 100), rtol=1e-14, atol=0)
    assert list(long) == list(whole)
    assert all(np.array_equal(long[name], whole[name]) for name in whole)


def test_long_series_have_the_summary_of_whole_ones(both):
    long, whole = both
    for name in LONG:
        found, expected = long.summary(name), Summary.of(whole[name])
        assert repr(found) == repr(expected)


def test_a_summary_knows_values_that_are_not_finite():
    a = np.array([[1, np.nan], [2, -np.inf], [3, 4.0], [4, 0.5], [5, -2.0], [7, 4.0], [8, np.inf]])
    one = Summary.of(a)
    for k in range(1, 7):
        assert repr(Summary.of(a[:k]).then(Summary.of(a[k:]))) == repr(one)
    assert (one.lowest.tolist(), one.highest.tolist()) == ([5, -2.0], [3, 4.0])
    assert (one.least, one.greatest, one.least_positive) == (-np.inf, np.inf, 0.5)
    assert not one.positive
    assert np.isnan(one.stride)
    assert Summary.of(a[:5]).stride == 1


@pytest.mark.parametrize("pieces", [[1, 9], [10], [3, 3, 3, 1], [5, 5, 7]])
def test_means_of_pieces_are_those_of_the_whole(pieces):
    a = np.random.default_rng(0).standard_normal((sum(pieces), 2))
    for most in (1, 3, 4, 10, 20):
        found = Means(10, most)
        for part in np.split(a, np.cumsum(pieces)[:-1]):
            found.add(part)
        assert np.array_equal(found.result(), means(a[:10], most))


def drawn(fig):
    """What a figure shows: lines and maps."""
    axes = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
    lines = [line.get_xydata() for ax in axes for line in ax.lines]
    return [*lines, *(image.get_array().data for ax in axes for image in ax.images)], [ax.get_yscale() for ax in axes]


@pytest.mark.parametrize("epochs", [False, True])
def test_figures_of_a_long_run_show_the_same_values(path, monkeypatch, epochs):
    (path.parent / "run.json").write_text('{"status": "finished", "steps_per_epoch": 50}')
    for kind in ("loss", "gradient_norms", "gradient_flow", "activations", "learning"):
        found = []
        for most in (10, math.inf):
            monkeypatch.setattr(LazySeries.__init__, "__defaults__", (most,))
            run = RunView(path.parent, epochs=epochs)
            assert run.recorded.is_long("train/loss") == (most == 10)
            found.append(drawn(figure(kind, run, LearningOptions("epoch" if epochs else "step"))))
        (long, one), (whole, other) = found
        assert one == other
        for a, b in zip(long, whole, strict=True):
            assert np.allclose(a, b, rtol=1e-14, atol=0)


def test_jobs_with_long_series_have_the_same_curve_and_values(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "PIECE", 5000)
    paths = [written(tmp_path / "0"), written(tmp_path / "1", 700)]
    groups = [
        SeedGroup({}, tuple(RecordedJob("a", {}, "finished", LazySeries(path, most), kept_step=500) for path in paths))
        for most in (10, math.inf)
    ]
    for metric in LONG:
        found, expected = [group.curve(metric, 50) for group in groups]
        assert all(np.allclose(a, b, rtol=1e-12, atol=0) for a, b in zip(found, expected, strict=True))
        for at in ("kept", "first", "last", "best", "mean", "fluctuation"):
            assert np.array_equal(*[group.values(metric, at) for group in groups])
        assert np.array_equal(*[group.reached(metric, 0.1) for group in groups], equal_nan=True)


def test_jobs_with_different_steps_are_compared_where_both_have_one(tmp_path):
    series = [{"m": np.array([[s, s] for s in range(1, 400, by)], float)} for by in (2, 3)]
    files = []
    for i, each in enumerate(series):
        files.append(tmp_path / f"{i}.jsonl")
        files[i].write_text("".join(json.dumps({"step": int(s), "m": v}) + "\n" for s, v in each["m"]))
    group = SeedGroup({}, tuple(RecordedJob("a", {}, "finished", LazySeries(file, 10)) for file in files))
    assert group.curve("m", 1000)[0].tolist() == list(range(1, 400, 6))


def test_a_training_loss_in_pieces_is_a_mean_since_the_last_end():
    a = np.stack([np.arange(1, 101), np.random.default_rng(0).standard_normal(100)], 1)
    ends = np.array([3, 10, 10, 47, 50, 99, 120])
    for count in (1, 2, 7, 50):
        assert np.array_equal(since(np.array_split(a, count), ends), since([a], ends))
    assert since([a], np.array([2, 4])).tolist() == [[2, a[:2, 1].mean()], [4, a[2:4, 1].mean()]]


def test_the_table_of_norms_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "PIECE", 5000)
    names = ("train/loss", "grad_norm/total", *(f"grad_norm/l{i}" for i in range(21)))
    recorder, values = MetricsRecorder(tmp_path, 1200, 1), np.random.default_rng(0).standard_normal((1200, len(names)))
    recorder.on_steps(0, 1, names, values)
    recorder.sync()
    lines = norms_table(tmp_path).read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 1201, 3)]
    assert [float(cell) for cell in lines[2].split(",")[1:]] == values[3, 1:].tolist()


def test_rows_of_a_long_run_are_thinned_and_keep_both_ends():
    lines = [{"step": step, "gradient_by_lag/rnn": [step, 0.5]} for step in range(1, 3 * MOST)]
    steps, values = rows(lines)["rnn"]
    assert (steps[0], steps[-1]) == (1, 3 * MOST - 1)
    assert len(steps) <= MOST + 1
    assert set(np.diff(steps[:-1])) == {4}
    assert np.array_equal(values[:, 0], steps)


def test_names_that_come_later_are_found(tmp_path):
    path = written(tmp_path, 100)
    with open(path, "a") as file:
        for step in range(101, 121):
            file.write(json.dumps({"step": step, "train/loss": 1.0, "grad_norm/total": 2.0, "late": 3.0}) + "\n")
    long, whole = LazySeries(path, 10), LazySeries(path, math.inf)
    assert len(long.thinned("train/loss", 400)) == len(whole["train/loss"]) == 120
    assert long.thinned("late", 400).tolist() == whole["late"].tolist() == [[step, 3.0] for step in range(101, 121)]


def test_columns_have_the_names_of_their_own_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "PIECE", 1)
    lines = [
        '{"step": 1, "train/loss": 1.0, "grad_norm/total": 2.0}',
        '{"step": 2, "grad_norm/total": 3.0, "train/loss": 4.0}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert table([line.encode() + b"\n" for line in lines[1:]]).tolist() == [[2, 3, 4]]
    found = LazySeries(tmp_path / "metrics.jsonl")
    assert found["train/loss"].tolist() == [[1, 1], [2, 4]]


def test_lines_that_are_appended_later_are_not_read(path):
    long = LazySeries(path, 10)
    with open(path, "a") as file:
        file.write('{"step": 1001, "train/loss": 1.0, "grad_norm/total": 1.0}\n')
    assert long.summary("train/loss").count == STEPS
    path.write_text("")
    with pytest.raises(DataError, match="changed while it was read"):
        long.thinned("train/loss", 33)


def test_a_long_run_over_epochs_is_scaled(path):
    long, whole = (SeriesOverEpochs(LazySeries(path, most), 50) for most in (10, math.inf))
    assert np.allclose(long.thinned("train/loss", 100), whole.thinned("train/loss", 100), rtol=1e-14)
    assert long.summary("train/loss").last.tolist() == whole.summary("train/loss").last.tolist()
    assert np.array_equal(np.concatenate(list(long.parts("val/loss"))), whole["val/loss"])


def peak_of_reading(folder, steps):
    """Bytes at the peak, of means and summaries of all series."""
    recorder = MetricsRecorder(folder, steps, steps)
    recorder.on_steps(0, 1, NAMES, np.random.default_rng(0).standard_normal((steps, 4)).astype(np.float32))
    recorder.sync()
    tracemalloc.start()
    series = LazySeries(folder / "metrics.jsonl", 1000)
    for name in series:
        series.thinned(name, 400)
        series.summary(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_the_memory_of_reading_does_not_grow_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "PIECE", 20_000)
    short, long = peak_of_reading(tmp_path / "short", 1500), peak_of_reading(tmp_path / "long", 9000)
    assert long < 1.3 * short
