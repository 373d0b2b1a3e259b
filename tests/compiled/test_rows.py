"""Small kernels over the same rows run as one, row by row; the numbers are those of one after the other."""

import fuzzing
import numpy as np
import pytest
from compiling import same
from effort import EFFORT
from tiers import agree

from framework import Data, Field, Head, Network, discover
from framework.config.options import TrainerOptions
from framework.training.compiled import build, emit, rows
from framework.training.learner import Learner

get = discover().get
rng = np.random.default_rng(0)
SPLIT = Data(
    {"train": {"x": rng.standard_normal((40, 2)), "y": rng.standard_normal((40, 1))}}, {"x": Field("NF"), "y": Field("NF")}
)


@pytest.fixture
def groups(monkeypatch):
    """The groups of every step that is compiled."""
    found = []
    made = rows.Grouping.groups

    def noted(self):
        units = made(self)
        found.extend(unit for unit in units if isinstance(unit, rows.Group))
        return units

    monkeypatch.setattr(rows.Grouping, "groups", noted)
    return found


def regression(units=16, function="tanh", batch=20):
    layers = {
        "hidden": get("layer", "dense")(units),
        "act": get("layer", "activation")(get("activation", function)()),
        "out": get("layer", "dense")(1),
    }
    network = Network(layers, {"x": (2,), "y": (1,)})
    head = Head(get("loss", "mse")(), "out")
    options = TrainerOptions(steps=30, batch_size=batch, train_metrics=False)
    return Learner(network, {"loss": head}, get("optimizer", "adam")(lr=0.01), get("schedule", "constant")(), options)


@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_a_network_with_one_output_is_one_loop(function, groups):
    agree([regression(function=function)], SPLIT)
    (group,) = groups
    assert group.rows == 20
    assert [kernel.op for kernel in group.kernels].count("matmul") >= 4  # forward, and the gradients of W, b and W


def test_rows_that_fill_no_vector_run_together_no_longer(groups):
    agree([regression(units=3)], SPLIT)
    assert not groups


def test_what_threads_share_is_not_run_row_by_row(groups, monkeypatch):
    monkeypatch.setattr(emit, "WORTH", 0.0)
    agree([regression()], SPLIT)
    assert not groups


def test_a_sum_over_rows_is_read_after_the_last_row(groups):
    def centred(xp, x):
        y = xp.tanh(x)
        mean = y.sum(-2, keepdims=True) * 0.1
        return [y - mean, (y * y).sum(-2, keepdims=True), y.max(-1)]

    same(centred, x=rng.standard_normal((1, 10, 16)))


def test_what_a_later_row_overwrites_is_read_before():
    def shifted(xp, x):
        y = x * 2.0
        z = y[..., ::-1, :] + 1.0  # row i needs row 9 - i
        y[..., :5, :] = z[..., :5, :]
        return [y, z, y.sum(-1)]

    same(shifted, x=rng.standard_normal((1, 10, 16)))


MANY = [(5100 + 50 * i, 50) for i in range(EFFORT)]
CASES = [(5000, 50), *(pytest.param(*case, marks=pytest.mark.slow) for case in MANY)]


@pytest.mark.parametrize(("first", "count"), CASES)
def test_random_programs_agree_in_any_grouping(first, count, monkeypatch, groups):
    monkeypatch.setattr(build, "FLAGS", ("-O0", *build.FLAGS[1:]))
    monkeypatch.setattr(rows, "FEWEST", 2)
    monkeypatch.setattr(rows._Growing, "is_worth_it", property(lambda growing: len(growing.kernels) > 1))
    monkeypatch.setattr(rows._Growing, "_is_apt", lambda *_: True)
    assert not fuzzing.check([fuzzing.Program(seed) for seed in range(first, first + count)])
    assert len(groups) > count
