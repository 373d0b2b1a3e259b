"""How many steps a run of a sweep takes to a goal, and what its table shows."""

import numpy as np
import pytest
from configs import judged, messages

from framework.analysis.comparison import RecordedJob, SeedGroup, first_step, format_value, rows
from framework.analysis.sweep_table import reductions, settings


def job(name, **series):
    return RecordedJob(
        name, {"seed": name}, "finished", {key.replace("_", "/"): np.array(a, float) for key, a in series.items()}
    )


FAST = job("0", val_loss=[(10, 0.5), (20, 0.2), (30, 0.3)], val_accuracy=[(10, 0.6), (20, 0.9)])
SLOW = job("1", val_loss=[(10, 0.9), (20, 0.8), (30, 0.1)], val_accuracy=[(10, 0.1), (20, 0.2)])
GROUP = SeedGroup({"optimizer.lr": "0.1"}, (FAST, SLOW))


def test_a_loss_falls_to_its_goal_and_an_accuracy_rises():
    assert first_step(FAST.series["val/loss"], 0.25, lower=True) == 20
    assert first_step(FAST.series["val/accuracy"], 0.6, lower=False) == 10
    assert np.isnan(first_step(SLOW.series["val/accuracy"], 0.6, lower=False))


def test_the_table_says_how_many_got_there():
    header, row = rows([GROUP], {"val/loss": "kept"}, {"val/loss": 0.25, "val/accuracy": 0.8})
    assert header[2:5] == ["val/loss", "steps to val/loss 0.25", "steps to val/accuracy 0.8"]
    assert row[2:5] == ["0.2 ± 0.1", "25 ± 5", "20 (1 of 2)"]


def test_metrics_outside_the_figure_are_of_the_kept_weights():
    what = settings({"y": "val/loss", "x": "optimizer.lr", "at": "first", "table": ["val/*"]})
    assert reductions(what, ["val/loss"], [FAST]) == {"val/loss": "first", "val/accuracy": "kept"}
    for at, name in (("first", "first val/loss"), ("last", "last val/loss"), ("kept", "val/loss")):
        assert next(rows([GROUP], {"val/loss": at}))[2] == name


def test_a_diverged_run_is_counted_and_not_part_of_the_mean():
    gone = job("2", val_loss=[(10, np.inf)])
    assert list(rows([SeedGroup({}, (FAST, gone))], {"val/loss": "last"}))[1][1] == "0.3 (1 of 2)"
    assert list(rows([SeedGroup({}, (gone, gone))], {"val/loss": "last"}))[1][1] == "-"


def test_goals_are_judged():
    assert judged("{figure: {reach: {val/loss: 1}}}").figure.reach == {"val/loss": 1.0}
    assert messages("{figure: {reach: {val/loss: low}}}") == ["figure.reach.val/loss: 'low' is not a number"]
    assert messages("{figure: {reach: 3}}")[0].startswith("figure.reach: 3 is not a mapping")


@pytest.mark.parametrize(
    ("value", "told"),
    [("{type:batch_norm,after:act}", "batch_norm after:act"), ("adam", "adam"), ("null", "null")],
)
def test_a_swept_layer_reads_as_words(value, told):
    assert format_value(value) == told


def test_who_never_gets_there_is_told():
    assert list(rows([GROUP], {}, {"val/accuracy": 1}))[1][2] == "never"
