"""What a run prints: where it is, how long it takes, what was saved, and what to do next."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from framework.core import terminal
from framework.core.callback import TrainingResult
from framework.experiments import progress
from framework.experiments.progress import ProgressBar, report
from framework.experiments.study import FirstMemberCallback
from framework.sweeps.app import is_number

OUTCOME = TrainingResult(0, "finished", "", 100, 20, {}, kept="last", kept_epoch=20)
METRICS = {"train/loss": 0.1, "val/loss": 0.101, "val/accuracy": 0.971, "test/loss": 0.2}


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: found.now)
    return found


def result(outcome=OUTCOME, metrics=METRICS, **others):
    known = {"status": outcome.status, "reason": outcome.reason, "seconds": 1.26, "folder": Path("runs/a"), "findings": None}
    return SimpleNamespace(outcome=outcome, metrics=metrics, **{**known, **others})


def printed(capsys, *given, **how):
    report(*given, **how)
    return capsys.readouterr().out.splitlines()


def test_a_line_has_epoch_step_time_and_metrics(clock, capsys):
    bar = ProgressBar(680, 34)
    clock.now = 4.0
    bar.on_steps(0, 1, ["loss"], np.full((102, 1), 0.25))
    bar.on_metrics(0, 102, {"val/loss": 0.5})
    assert capsys.readouterr().out == "epoch  3/20  step 102/680  4 s, 23 s left  train/loss 0.25  val/loss 0.5\n"


def test_the_time_left_does_not_count_a_compilation(clock, capsys):
    bar = ProgressBar(100, 10)
    clock.now = 30.0  # of compiling
    bar.on_steps(0, 1, ["loss"], np.ones((10, 1)))
    clock.now = 32.0
    bar.on_steps(0, 11, ["loss"], np.ones((20, 1)))
    bar.on_metrics(0, 30, {"val/loss": 0.5})
    assert "  32 s, 7 s left  " in capsys.readouterr().out


def test_a_resumed_run_counts_only_its_own_steps(clock, capsys):
    bar = ProgressBar(100, 10)
    clock.now = 2.0
    bar.on_steps(0, 81, ["loss"], np.ones((10, 1)))
    bar.on_metrics(0, 90, {"val/loss": 0.5})
    assert "  2 s, 2 s left  " in capsys.readouterr().out


def test_the_last_line_has_no_time_left(clock, capsys):
    bar = ProgressBar(10, 5)
    bar.on_steps(0, 1, ["loss"], np.ones((10, 1)))
    bar.on_metrics(0, 10, {"val/loss": 0.5})
    assert capsys.readouterr().out == "epoch 2/2  step 10/10  0 s  train/loss 1  val/loss 0.5\n"


def test_without_epochs_a_line_counts_steps(clock, capsys):
    bar = ProgressBar(10)
    bar.on_metrics(0, 10, {"val/loss": 0.5})
    assert capsys.readouterr().out.startswith("step 10/10  0 s  val/loss")


def test_in_a_study_a_line_says_which_network_it_shows(clock, capsys):
    bar = ProgressBar(10, 5)
    of_study = FirstMemberCallback(bar)
    of_study.one_of(50)
    of_study.on_metrics(0, 10, {"val/loss": 0.5})
    of_study.on_metrics(1, 10, {"val/loss": 0.7})
    assert capsys.readouterr().out == "network 1/50  epoch 2/2  step 10/10  0 s  val/loss 0.5\n"


def test_of_many_metrics_a_line_shows_the_validation(clock, capsys):
    bar = ProgressBar(10, 5)
    bar.on_steps(0, 1, ["loss"], np.ones((10, 1)))
    bar.on_metrics(0, 10, {f"{split}/metric_{i}": i / 7 for split in ("train", "val") for i in range(5)})
    line = capsys.readouterr().out.rstrip()
    assert len(line) <= 100
    assert "train/loss 1  val/metric_0 0  val/metric_1 0.143" in line
    assert "train/metric" not in line


def test_the_end_shows_the_metrics_of_the_saved_weights(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    best = replace(OUTCOME, kept="best", kept_epoch=14)
    assert printed(capsys, result(best), tracked=True) == [
        "finished in 1.3 s",
        "saved: weights of epoch 14 of 20, the best: val/loss 0.101  val/accuracy 0.971  test/loss 0.2",
        "written to runs/a",
        "next: stackprop evaluate last; stackprop ui",
    ]


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (OUTCOME, "saved: weights of epoch 20, the last:"),
        (replace(OUTCOME, kept="best", kept_epoch=0), "saved: weights before training: no validation had a finite value:"),
        (replace(OUTCOME, status="killed", step=97, epoch=19), "saved: weights of step 97, in epoch 19:"),
    ],
)
def test_the_end_says_which_weights_were_saved(capsys, outcome, text):
    assert printed(capsys, result(outcome), tracked=False)[1].startswith(text)


def test_a_long_end_is_cut_between_validation_and_test(capsys):
    metrics = {f"{split}/some_metric_{i}": 0.1234 for split in ("val", "test") for i in range(2)}
    lines = printed(capsys, result(metrics=metrics), tracked=False)
    assert lines[2] == "  test/some_metric_0 0.1234  test/some_metric_1 0.1234"
    assert max(map(len, lines)) <= 100


def test_one_job_of_many_prints_one_line(capsys):
    lines = printed(capsys, result(), tracked=True, brief=True)
    assert lines == ["finished in 1.3 s: val/loss 0.101  val/accuracy 0.971  test/loss 0.2"]


@pytest.mark.parametrize(
    ("given", "tracked", "commands"),
    [
        (result(), False, "stackprop evaluate last; stackprop report last"),
        (result(replace(OUTCOME, status="killed")), True, "stackprop resume runs/a"),
        (result(replace(OUTCOME, status="diverged")), True, "stackprop report last; stackprop ui"),
    ],
)
def test_the_last_line_names_what_to_do_next(capsys, monkeypatch, given, tracked, commands):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert printed(capsys, given, tracked=tracked)[-1] == f"next: {commands}"


def test_a_study_names_its_figure(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "a"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "bias_variance.png").touch()
    lines = printed(capsys, result(findings=SimpleNamespace(summary="low bias"), folder=folder), tracked=True)
    assert lines[-3:-1] == ["written to runs/a", "figure: runs/a/figures/bias_variance.png"]
    assert not any(line.startswith("saved") for line in lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5969, "99 min"), (5971, "1.7 h"), (36000, "10.0 h")]
)
def test_durations_are_short(seconds, text):
    assert terminal.duration(seconds) == text


def test_the_command_is_named_as_it_can_be_typed(monkeypatch, tmp_path):
    program = tmp_path / "stackprop"
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "")
    assert terminal.command() == str(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert terminal.command() == "stackprop"


@pytest.mark.parametrize(("text", "found"), [("0.1", True), ("1e-3", True), ("adam", False), ("", False)])
def test_a_figure_against_numbers_only_is_suggested(text, found):
    assert is_number(text) == found
