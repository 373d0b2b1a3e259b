"""The training loop: batches, clipping, divergence, what callbacks receive, and where gradients are taken."""

from dataclasses import dataclass

import numpy as np
import pytest
from networks import Fixed, Record, backpropagate, distance, learner, lone, mlp, points, regression

from framework import Head, Network
from framework.core.errors import ConfigError
from framework.data.loader import BatchSampler
from framework.training.trainer import train
from framework_layers.dense import Dense
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mse import MeanSquaredError
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd

DATA = regression(n=40, val=30)


def together(members, data=DATA, keys=None, **more):
    return train(members, [data], keys or list(range(len(members))), **{"dtype": np.float64, **more})


def quadratic(optimizer, **options):
    """f(w) = w^2 / 2 from w = 1, through the whole trainer."""
    network = mlp(1, features=1, bias=False, initializer=Fixed(1.0))
    return learner(network, optimizer, HalfSquaredError(), batch_size="all", **options), points([[1.0]], [[0.0]])


# --- batches


@pytest.mark.parametrize(("size", "updates"), [("all", 1), (40, 1), (99, 1), (16, 3), (1, 40)])
def test_the_batch_size_decides_how_many_updates_an_epoch_has(size, updates):
    record = Record()
    outcome = lone(learner(mlp(4, 2), epochs=2, batch_size=size), DATA, callbacks=[record])
    assert (outcome.status, outcome.step, outcome.epoch) == ("finished", 2 * updates, 2)
    assert len(record.rows(0)) == 2 * updates


@pytest.mark.parametrize("size", ["all", 16, 1])
def test_training_makes_the_loss_smaller(size):
    record = Record()
    lone(learner(mlp(8, 2), Sgd(0.02), epochs=30, batch_size=size), DATA, callbacks=[record])
    val = [values["val/loss"] for _, _, values in record.values]
    assert len(val) == 30
    assert val[-1] < 0.8 * val[0]


def test_a_batch_step_is_gradient_descent():
    network, train_split = mlp(4, 2), DATA.splits["train"]
    p = network.init(0)[0]
    loss, _, g, _ = backpropagate(network, {"loss": Head(MeanSquaredError(), "out")}, p, train_split)
    record = Record()
    outcome = lone(learner(network, Sgd(0.3), batch_size="all", steps=1), DATA, callbacks=[record])
    assert record.column(0, "train/loss")[0] == pytest.approx(loss, abs=1e-14)
    for node, tensors in g.items():
        for t, grad in tensors.items():
            assert np.abs(outcome.weights[node][t] - (p[node][t] - 0.3 * grad)).max() < 1e-14


def test_mini_batches_follow_the_order_of_the_key():
    data = points(np.arange(10.0)[:, None], np.zeros((10, 1)))
    network = mlp(1, features=1, bias=False, initializer=Fixed(1.0))
    record = Record()
    lone(learner(network, Sgd(1e-300), HalfSquaredError("sum"), epochs=2, batch_size=4), data, 7, callbacks=[record])
    x = data.splits["train"]["x"][:, 0]
    expected = [0.5 * (x[rows[0]] ** 2).sum() for epoch in (1, 2) for rows in BatchSampler(10, 4, (7,), epoch)]
    assert record.column(0, "train/loss") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("optimizer", [Sgd(0.003), Nag(0.001), Adam(0.01)], ids=lambda o: type(o).__name__)
def test_accumulated_batches_equal_one_batch(reduction, optimizer):
    records = Record(), Record()
    # An epoch of 40 is an update of 24 and one of 16, and 3 does not divide 16: parts of unequal size are met as well.
    whole, parts = (
        lone(
            learner(mlp(4, 2), optimizer, MeanSquaredError(reduction), epochs=6, batch_size=size, accumulate=times),
            DATA,
            callbacks=[record],
        )
        for (size, times), record in zip([(24, 1), (3, 8)], records, strict=True)
    )
    assert whole.step == parts.step == 12
    assert distance(whole, parts) < 1e-12
    assert np.abs(records[0].rows(0) - records[1].rows(0)).max() < 1e-11
    assert whole.metrics["val/loss"] == pytest.approx(parts.metrics["val/loss"], abs=1e-12)


def test_parts_of_unequal_size_count_by_their_examples():
    whole = lone(learner(mlp(4, 2), epochs=5, batch_size=40), DATA)
    parts = lone(learner(mlp(4, 2), epochs=5, batch_size=16, accumulate=3, shuffle=False), DATA)
    assert whole.step == parts.step == 5
    assert distance(whole, parts) < 1e-12


def test_steps_decide_instead_of_epochs():
    outcome = lone(learner(mlp(4, 2), epochs=1, steps=7, batch_size=16), DATA)
    assert (outcome.step, outcome.epoch) == (7, 3)
    same = lone(learner(mlp(4, 2), epochs=99, steps=7, batch_size=16), DATA)
    assert distance(outcome, same) == 0


def test_a_longer_training_begins_with_the_steps_of_a_shorter_one():
    short, long = Record(), Record()
    for epochs, record in ((1, short), (2, long)):
        lone(learner(mlp(4, 2), epochs=epochs), DATA, callbacks=[record])
    assert np.array_equal(long.rows(0)[:3], short.rows(0))


def test_two_runs_with_one_key_are_equal_bit_by_bit():
    runs = [
        together([learner(mlp(8, 2, keep=0.7), Adam(lr), epochs=5, clip_norm=1.0) for lr in (0.01, 0.02)]) for _ in range(2)
    ]
    for first, second in zip(*runs, strict=True):
        assert distance(first, second) == 0
        assert first.metrics == second.metrics
    assert distance(*runs[0]) > 0


SEEN = []


@dataclass(frozen=True)
class Witness:
    """The identity; it notes what it is told at every pass."""

    def init(self, rng, in_shape):
        return {}, in_shape

    def forward(self, p, x, ctx):
        SEEN.append((ctx.name, ctx.train, ctx.step, ctx.part, ctx.keys, x.shape))
        return x, None

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy if need_dx else None, {}


def test_layers_are_told_the_step_the_part_and_whether_they_train():
    SEEN.clear()
    network = Network({"hidden": Dense(4), "seen": Witness(), "out": Dense(2)}, {"x": (3,)})
    together([learner(network, epochs=1, batch_size=16, accumulate=2)] * 2, keys=[5, 6])
    assert SEEN == [
        ("seen", True, 0, 0, (5, 6), (2, 16, 4)),
        ("seen", True, 0, 1, (5, 6), (2, 16, 4)),
        ("seen", True, 1, 0, (5, 6), (2, 8, 4)),
        ("seen", False, 2, 0, (5, 6), (2, 30, 4)),
    ]


# --- clipping, divergence


def test_clipping_bounds_each_replica_by_its_own_norm():
    clips, record = (0.05, 0.2, 1e9), Record()
    members = [learner(mlp(4, 2), Sgd(1.0), batch_size="all", steps=1, clip_norm=c) for c in clips]
    outcomes = together(members, keys=[0, 0, 0], callbacks=[record])
    start = record.column(0, "grad_norm/total")[0]  # recorded before clipping
    p = members[0].network.init(0)[0]
    for clip, outcome in zip(clips, outcomes, strict=True):
        squares = sum(((outcome.weights[n][t] - a) ** 2).sum() for n, tensors in p.items() for t, a in tensors.items())
        assert squares**0.5 == pytest.approx(min(clip, start), abs=1e-12)


def test_clipping_keeps_the_direction():
    short, long = (lone(learner(mlp(4, 2), Sgd(1.0), batch_size="all", steps=1, clip_norm=c), DATA) for c in (0.01, 0.02))
    for node, tensors in mlp(4, 2).init(0)[0].items():
        for t, a in tensors.items():
            assert np.abs(2 * (short.weights[node][t] - a) - (long.weights[node][t] - a)).max() < 1e-12


def test_clipping_a_gradient_of_zero_changes_nothing():
    network = mlp(1, features=1, bias=False, initializer=Fixed(0.0))
    outcome = lone(learner(network, steps=3, clip_norm=1.0), points([[1.0], [2.0]], [[0.0], [0.0]]))
    assert outcome.status == "finished"
    assert outcome.weights["out"]["W"] == 0


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_clipped_values_lie_between_the_bounds_of_a_replica(tier):
    bounds = (0.05, 0.2, 1e9)
    members = [learner(mlp(4, 2), Sgd(1.0), batch_size="all", steps=1, clip_value=c) for c in bounds]
    outcomes = train(members, [DATA], [0, 0, 0], dtype=np.float64, tier=tier)
    p = members[0].network.init(0)[0]
    for node, tensors in p.items():
        for t, a in tensors.items():
            plain = outcomes[2].weights[node][t] - a  # the bound 1e9 clips nothing
            for bound, outcome in zip(bounds, outcomes, strict=True):
                assert outcome.weights[node][t] - a == pytest.approx(np.clip(plain, -bound, bound), abs=1e-12)
    assert np.abs(outcomes[2].weights["out"]["W"] - p["out"]["W"]).max() > 0.2


def test_clipping_by_norm_and_by_value_exclude_each_other():
    with pytest.raises(ConfigError, match=r"trainer.clip_value: cannot be combined with trainer.clip_norm \(got 0.5 and 1"):
        lone(learner(mlp(4, 2), clip_norm=1.0, clip_value=0.5), DATA)


def diverging(**options):
    """The second of three learning rates is too large for a linear model: it goes bad amid an epoch."""
    return [learner(mlp(2), Sgd(lr), **options) for lr in (0.01, 50.0, 0.02)]


@pytest.mark.parametrize("read_every", [1, 3, 100])
def test_divergence_is_recorded_and_the_others_go_on(read_every):
    record = Record()
    outcomes = together(diverging(epochs=300, batch_size=8, read_every=read_every), callbacks=[record])
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    assert [outcome.member for outcome in outcomes] == [0, 1, 2]
    assert outcomes[1].reason == "the loss or the gradient is no longer finite"
    assert [outcome.step for outcome in outcomes[::2]] == [1500, 1500]
    for outcome in outcomes[::2]:
        assert np.isfinite(outcome.metrics["val/loss"])


@pytest.mark.parametrize("read_every", [1, 3, 100])
def test_the_step_that_went_bad_is_recorded(read_every):
    record = Record()
    outcome = together(diverging(epochs=300, batch_size=8, read_every=read_every), callbacks=[record])[1]
    numbers = record.column(1, "train/loss") + record.column(1, "grad_norm/total")
    assert len(numbers) == outcome.step
    assert outcome.step % 5 != 0
    assert np.isfinite(numbers[:-1]).all()
    assert not np.isfinite(numbers[-1])


def test_when_everyone_diverges_training_ends():
    outcomes = together([learner(mlp(2), Sgd(lr), epochs=300, read_every=7) for lr in (50.0, 60.0)])
    assert {outcome.status for outcome in outcomes} == {"diverged"}


def test_an_example_that_overflows_stops_each_replica_where_it_comes():
    x, y = DATA.splits["train"]["x"], DATA.splits["train"]["y"].copy()
    y[13] = 1e200
    outcomes = together([learner(mlp(4, 2), epochs=2, batch_size=4)] * 3, points(x, y))
    for key, outcome in enumerate(outcomes):
        batches = [bool((rows == 13).any()) for rows in BatchSampler(40, 4, (key,), 1)]
        assert (outcome.status, outcome.step) == ("diverged", batches.index(True) + 1)


def test_a_lone_set_that_overflows_leaves_the_other_replicas_alone():
    bad = points(DATA.splits["train"]["x"], np.full((40, 2), 1e200))
    good = points(DATA.splits["train"]["x"], DATA.splits["train"]["y"])
    member = learner(mlp(4, 2), epochs=3)
    outcomes = train([member] * 3, [good, bad, good], [0, 1, 2], dtype=np.float64)
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    assert outcomes[1].step == 1
    assert distance(outcomes[2], lone(member, good, 2)) < 1e-12


# --- callbacks, look-ahead


@pytest.mark.parametrize("read_every", [1, 4, 100])
def test_observers_hear_of_every_step_once_and_in_order(read_every):
    record = Record()
    together([learner(mlp(4, 2), epochs=7, batch_size=16, read_every=read_every)] * 2, callbacks=[record])
    assert record.columns == ("train/loss", "grad_norm/total", "grad_norm/hidden0", "grad_norm/out")
    for member in range(2):
        blocks = [(first, len(rows)) for m, first, rows in record.blocks if m == member and len(rows)]
        assert [first for first, _ in blocks] == [1 + sum(size for _, size in blocks[:i]) for i in range(len(blocks))]
        assert len(record.rows(member)) == 21
    assert [(member, step) for member, step, _ in record.values] == [(m, s) for s in range(3, 22, 3) for m in (0, 1)]
    assert [outcome.member for outcome in record.outcomes] == [0, 1]


def test_the_last_step_is_always_validated():
    record = Record()
    lone(learner(mlp(4, 2), epochs=5, batch_size=16, validate_every=3), DATA, callbacks=[record])
    assert [step for _, step, _ in record.values] == [9, 15]
    assert len(record.rows(0)) == 15


def test_reading_less_often_changes_no_number():
    often, seldom = Record(), Record()
    for record, read_every in ((often, 1), (seldom, 100)):
        together(diverging(epochs=300, batch_size=8, read_every=read_every), callbacks=[record])
    for member in (0, 2):
        assert np.abs(often.rows(member) - seldom.rows(member)).max() < 1e-9


def test_gradient_norms_of_layers_add_up_to_the_total():
    record = Record()
    lone(learner(mlp(4, 2), epochs=2), DATA, callbacks=[record])
    _, total, *layers = record.rows(0).T
    assert total == pytest.approx(np.sqrt(sum(layer**2 for layer in layers)), abs=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "path"),
    [(Sgd(0.1), [0.9, 0.81, 0.729]), (Momentum(0.1), [0.9, 0.72, 0.486]), (Nag(0.1), [0.9, 0.729, 0.51759])],
    ids=["sgd", "momentum", "nag"],
)
def test_the_trainer_takes_the_gradient_where_the_optimizer_wants_it(optimizer, path):
    weights = []
    for steps in (1, 2, 3):
        member, data = quadratic(optimizer, steps=steps)
        weights.append(float(lone(member, data).weights["out"]["W"][0, 0]))
    assert weights == pytest.approx(path, abs=1e-12)


def test_nesterov_reports_the_loss_and_the_gradient_at_the_look_ahead_point():
    member, data = quadratic(Nag(0.1), steps=4)
    record = Record()
    lone(member, data, callbacks=[record])
    ahead = np.array([1.0, 0.81, 0.5751, 0.327321])
    assert record.column(0, "grad_norm/total") == pytest.approx(ahead, abs=1e-12)
    assert record.column(0, "train/loss") == pytest.approx(ahead**2 / 2, abs=1e-12)
