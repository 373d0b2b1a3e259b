"""How much each swept key matters: effects of exact tables, of grids and of searches; and figures of many settings."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from framework.analysis.comparison import RecordedJob, SeedGroup
from framework.analysis.figures import many
from framework.analysis.figures.sweep import draw
from framework.analysis.importance import effect, importance
from framework.config.options import FigureOptions


def setting(value, status="finished", **keys):
    curve = np.array([[1, value + 1.0], [2, value]])
    overrides = {name: str(each) for name, each in keys.items()}
    return SeedGroup(overrides, (RecordedJob("0", overrides, status, {"val/loss": curve}),))


def grid(score, **keys):
    return [setting(score(*values), **dict(zip(keys, values, strict=True))) for values in itertools.product(*keys.values())]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[0.0, 1.0], [2.0, 3.0]], [(0.8, 0.8), (0.2, 0.2)]),  # a sum: alone and together are the same
        ([[0.0, 1.0], [1.0, 0.0]], [(0.0, 1.0), (0.0, 1.0)]),  # exclusive or: nothing alone, everything together
        ([[1.0, 1.0], [2.0, 2.0]], [(1.0, 1.0), (0.0, 0.0)]),
    ],
)
def test_effects_of_a_table_of_two_keys(table, expected):
    for axis in (0, 1):
        assert tuple(effect(np.array(table), axis)) == pytest.approx(expected[axis])


def test_the_key_that_changes_the_order_most_comes_first():
    found = importance(grid(lambda lr, act: 10 * lr + act, lr=[0.1, 1, 10], act=[0, 1]), "val/loss", "last")
    assert list(found) == ["lr", "act"]
    assert found["lr"].total > 0.9
    assert found["lr"].main == pytest.approx(found["lr"].total)


def test_a_setting_that_diverged_is_the_last():
    groups = grid(lambda lr, act: 1.0, lr=[0.1, 1, 10], act=[0, 1])
    groups[-2:] = [setting(0.0, "diverged", lr=10, act=act) for act in (0, 1)]
    assert importance(groups, "val/loss", "last")["lr"].total == pytest.approx(1)


def test_a_search_needs_no_complete_grid():
    rng = np.random.default_rng(0)
    tried = [{"lr": rng.uniform(), "act": rng.choice(["relu", "tanh"])} for _ in range(40)]
    found = importance([setting(each["lr"] ** 2, **each) for each in tried], "val/loss", "last")
    assert found["lr"].total > 0.8
    assert found["act"].total < 0.1


def test_one_key_and_few_settings_have_no_importance():
    assert importance(grid(lambda lr: lr, lr=range(9)), "val/loss", "last") == {}
    assert importance(grid(lambda lr, act: lr, lr=[1, 2], act=[0, 1]), "val/loss", "last") == {}
    assert importance(grid(lambda lr, act: 1.0, lr=[1, 2, 3], act=[0, 1]), "val/loss", "last") == {}


def test_many_settings_are_the_best_the_median_and_the_worst(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    jobs = [group.jobs[0] for group in grid(lambda lr: float(lr), lr=range(31))]
    jobs[30] = setting(0.0, "diverged", lr=30).jobs[0]
    draw(jobs, FigureOptions(), ["val/loss"], tmp_path / "f.png")
    names = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert names == ["80 % of 30 settings", "best: 0", "median: 15", "worst: 29", "1 diverged, not shown"]


def test_the_band_ends_where_a_curve_ends():
    short, long = (np.arange(1, n + 1.0) for n in (2, 4))
    steps, low, high = many.band([(short, short), (long, 10 * long)])
    assert steps.tolist() == [1, 2, 3, 4]
    assert low.tolist() == pytest.approx([1.9, 3.8, 30, 40])
    assert high[2:].tolist() == [30, 40]
