"""The folder of a run."""

import errno
import json
import os

import numpy as np
import pytest

from framework.core.writing import write_json
from framework.experiments.artifacts import norms_table
from framework.tracking.metrics_file import lines, read_lines
from framework.tracking.recorder import Downsampler, MetricsRecorder

COLUMNS = ("train/loss", "grad_norm/total")


class Sink:
    def __init__(self):
        self.series = {}

    def points(self, points):
        for name, value, step, _ in points:
            self.series.setdefault(name, []).append((step, value))


def test_every_step_is_a_line_of_json():
    rows = np.array([[0.5, 1.25], [0.25, 1e-20]])
    found = [json.loads(line) for line in lines([7, 8], COLUMNS, rows).splitlines()]
    assert found == [
        {"step": 7, "train/loss": 0.5, "grad_norm/total": 1.25},
        {"step": 8, "train/loss": 0.25, "grad_norm/total": 1e-20},
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_survive_the_writing_exactly(dtype, tmp_path):
    rows = np.random.default_rng(0).standard_normal((50, 2)).astype(dtype)
    (tmp_path / "m.jsonl").write_text(lines(range(1, 51), COLUMNS, rows))
    again = np.array([[line[c] for c in COLUMNS] for line in read_lines(tmp_path / "m.jsonl")]).astype(dtype)
    assert np.array_equal(again, rows)


def test_numbers_that_are_not_finite_are_words_that_standard_json_reads(tmp_path):
    rows = np.array([[np.nan, np.inf], [-np.inf, 1.0]])
    text = lines([1, 2], COLUMNS, rows)
    assert json.loads(text.splitlines()[0]) == {"step": 1, "train/loss": "NaN", "grad_norm/total": "Infinity"}
    (tmp_path / "m.jsonl").write_text(text)
    assert read_lines(tmp_path / "m.jsonl")[1]["train/loss"] == -np.inf


def test_a_line_cut_short_is_left_out(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"step": 1, "train/loss": 2.0}\n{"step": 2, "tra')
    assert read_lines(tmp_path / "m.jsonl") == [{"step": 1, "train/loss": 2.0}]


@pytest.mark.parametrize("expected", [1, 2, 5, 99, 100, 101, 340, 1000])
@pytest.mark.parametrize("most", [2, 10, 100])
def test_a_thinned_series_keeps_the_first_and_the_last_and_is_short_enough(expected, most):
    thinned, kept = Downsampler(expected, most), []
    for step in range(1, expected + 1):
        if thinned.add(step, None):
            kept.append(step)
    if thinned.last is not None:
        kept.append(thinned.last[0])
    assert kept[0] == 1
    assert kept[-1] == expected
    assert len(kept) <= most


@pytest.mark.parametrize("block", [1, 7, 100, 1000])
def test_the_folder_keeps_all_points_and_the_sink_gets_few(tmp_path, block):
    sink, total = Sink(), 1000
    recorder = MetricsRecorder(tmp_path, total, 10, sink, max_points=50)
    rows = np.random.default_rng(0).standard_normal((total, 2))
    for start in range(0, total, block):
        recorder.on_steps(0, start + 1, COLUMNS, rows[start : start + block])
    for epoch in range(1, 11):
        recorder.on_metrics(0, epoch * 100, {"val/loss": 1 / epoch})
    recorder.on_end(None)
    recorder.sync()
    assert len(read_lines(tmp_path / "metrics.jsonl")) == total + 10
    steps = [step for step, _ in sink.series["train/loss"]]
    assert steps[0] == 1
    assert steps[-1] == total
    assert len(steps) == len(set(steps)) <= 50
    assert dict(sink.series["train/loss"])[steps[3]] == rows[steps[3] - 1, 0]
    assert len(sink.series["val/loss"]) == 10


def test_norms_of_very_many_layers_stay_in_the_folder(tmp_path):
    sink, columns = Sink(), ("train/loss", "grad_norm/total", *(f"grad_norm/{i}" for i in range(50)))
    recorder = MetricsRecorder(tmp_path, 1, 1, sink)
    recorder.on_steps(0, 1, columns, np.ones((1, 52)))
    recorder.sync()
    assert len(sink.series) == 22
    assert len(read_lines(tmp_path / "metrics.jsonl")[0]) == 53


def test_a_small_file_is_replaced_in_one_step(tmp_path):
    write_json(tmp_path / "run.json", {"status": "running"})
    write_json(tmp_path / "run.json", {"status": "finished"})
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_full_disk_loses_no_line_and_is_told_once(tmp_path, monkeypatch, capsys):
    recorder, write, room = MetricsRecorder(tmp_path, 20, 1), os.write, [30]

    def full(file, data):
        if room[0] is not None:
            count, room[0] = min(len(data), room[0]), 0
            if not count:
                raise OSError(errno.ENOSPC, "No space left on device")
            data = data[:count]
        return write(file, data)

    monkeypatch.setattr("framework.tracking.recorder.os.write", full)
    monkeypatch.setattr("framework.tracking.recorder.FLUSH_SECONDS", 0.0)
    for step in range(1, 11):
        recorder.on_steps(0, step, COLUMNS, np.full((1, 2), float(step)))
        recorder.on_metrics(0, step, {"val/loss": 1.0})
    with pytest.raises(OSError, match="could not be written"):
        recorder.sync()
    room[0] = None  # somebody made room
    recorder.sync()
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [n for n in range(1, 11) for _ in "ab"]
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_norms_of_very_many_layers_become_a_table(tmp_path):
    for layers, expected in ((20, None), (21, 501)):
        columns = ("train/loss", "grad_norm/total", *(f"grad_norm/{i}" for i in range(layers)))
        (tmp_path / "metrics.jsonl").write_text(lines(range(1, 1001), columns, np.ones((1000, layers + 2))))
        table = norms_table(tmp_path)
        assert (None if table is None else len(table.read_text().splitlines())) == expected
    assert table.read_text().startswith("step,total,0,1,")


def test_a_restarted_record_sends_no_point_twice(tmp_path):
    """The training starts again from its first step; it is the same one, so its points are the same too."""
    whole, again = Sink(), Sink()
    rows = np.linspace(2, 1, 200).reshape(100, 2)

    def train(recorder, upto):
        for first in range(0, upto, 10):
            recorder.on_steps(0, first + 1, COLUMNS, rows[first : first + 10])
            recorder.on_metrics(0, first + 10, {"val/loss": float(first)})

    one = MetricsRecorder(tmp_path / "whole", 100, 10, whole, 20)
    train(one, 100)
    one.on_end()
    two = MetricsRecorder(tmp_path / "again", 100, 10, again, 20)
    train(two, 60)
    two.restart()
    assert read_lines(tmp_path / "again" / "metrics.jsonl") == []
    train(two, 100)
    two.on_end()
    assert again.series == whole.series
    assert (tmp_path / "again" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
