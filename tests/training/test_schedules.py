"""Schedules that read validations, and schedules of other options than the learning rate."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from configs import assembled, messages
from networks import Record, distance, learner, lone, mlp, regression
from stack_law import assert_law

from framework import discover
from framework.core.errors import ConfigError, did_you_mean
from framework.testing import conformance
from framework.testing.double import Double
from framework.training.trainer import train
from framework_optimizers.momentum import Momentum
from framework_optimizers.sgd import Sgd
from framework_regularizers.l2 import L2
from framework_schedules.exponential import Exponential
from framework_schedules.linear import Linear
from framework_schedules.reduce_on_plateau import ReduceOnPlateau
from framework_schedules.warmup import Warmup

DATA = regression(n=40, val=20)


def factors(schedule, values, lower=True):
    """The factor after each validation of one replica."""
    state, found = schedule.init((1,)), []
    for value in values:
        schedule.validated(state, {"val/loss": np.array([value])}, {"val/loss": lower})
        found.append(float(schedule(0, 1, state)[0]))
    return found


def test_the_rate_falls_after_validations_without_improvement():
    made = ReduceOnPlateau(patience=2)
    assert factors(made, [5, 4, 4, 4, 3, 3, 3]) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    assert factors(made, [1, 2, 2, 2], lower=False) == pytest.approx([1, 1, 1, 0.1])
    assert factors(replace(made, least=0.05), [1] * 7) == pytest.approx([1, 1, 0.1, 0.1, 0.05, 0.05, 0.05])
    assert factors(made, [1, np.nan, 0.99995]) == pytest.approx([1, 1, 0.1])


def test_a_linear_factor_ends_at_the_last_step():
    assert [Linear(0.5, 1)(step, 5) for step in range(5)] == pytest.approx([0.5, 0.625, 0.75, 0.875, 1])
    assert Linear()(0, 1) == 1


def plateau(factor=0.3, patience=1, **more):
    options = {"epochs": 6, "batch_size": 8, **more}
    made = learner(mlp(4, 2), Momentum(0.5), regularizers=(L2(1e-3),), **options)
    return replace(made, schedule=ReduceOnPlateau(factor, patience, min_delta=0.01))


def by_hand(values, patience=1, factor=0.3, min_delta=0.01):
    """The factor in each epoch, from the validation losses of the epochs before."""
    now, best, stale, found = 1.0, np.inf, 0, []
    for value in values:
        found.append(now)
        stale = 0 if best - value > min_delta else stale + 1
        best = value if stale == 0 else best
        if stale >= patience:
            now, stale = now * factor, 0
    return found


def test_training_takes_the_reduced_rate():
    """Epochs with the factors found by hand, trained one after the other, end at the same weights."""
    seen = Record()
    outcome = lone(plateau(), DATA, callbacks=[seen])
    values = [found["val/loss"] for _, step, found in seen.values if "val/loss" in found]
    wanted = by_hand(values)
    assert wanted[-1] < 1

    class ByHand:
        def __call__(self, step, total):
            return wanted[step // 5]

    assert distance(outcome, lone(replace(plateau(), schedule=ByHand()), DATA)) == 0


SCHEDULES = {
    "optimizer.alpha": Linear(0.5, 1),
    "regularizer.strength": Exponential(0.1),
    "trainer.clip_norm": Linear(1, 0.5),
}


def driven(alpha=0.9, start=0.5, **options):
    made = learner(mlp(4, 2, keep=0.8), Momentum(0.1, alpha), regularizers=(L2(1e-2),), clip_norm=0.5, **options)
    schedules = {**SCHEDULES, "optimizer.alpha": Linear(start, 1), "model.layers.drop0.keep": Linear(1, 1.2)}
    return replace(made, schedules=schedules)


def test_a_scheduled_momentum_is_the_formula():
    data = regression(n=8)
    made = learner(mlp(2), Momentum(0.1, 0.8), batch_size="all", steps=4)
    outcome = lone(replace(made, schedules={"optimizer.alpha": Linear(0.5, 1)}), data)
    x, t = (data.splits["train"][name] for name in ("x", "y"))
    start = lone(replace(made, optimizer=Sgd(1e-300)), data).weights["out"]
    W, b, M, Mb = start["W"].copy(), start["b"].copy(), 0, 0
    for alpha in 0.8 * np.linspace(0.5, 1, 4):
        dy = 2 * (x @ W + b - t) / t.size
        M, Mb = alpha * M - 0.1 * x.T @ dy, alpha * Mb - 0.1 * dy.sum(0)
        W, b = W + M, b + Mb
    assert outcome.weights["out"]["W"] == pytest.approx(W, abs=1e-12)
    assert outcome.weights["out"]["b"] == pytest.approx(b, abs=1e-12)


def test_a_stack_with_schedules_trains_as_its_members_alone():
    members = [driven(alpha, start, steps=30, batch_size=8) for alpha, start in ((0.9, 0.5), (0.5, 0.5), (0.9, 1.0))]
    assert_law(members, DATA, keys=[0, 0, 3])
    different = [plateau(factor, patience) for factor, patience in ((0.3, 1), (0.1, 2), (0.3, 2))]
    assert_law(different, DATA, keys=[0, 0, 3])


def test_replicas_that_stop_leave_the_others_their_schedules():
    members = [replace(driven(epochs=6, batch_size=8), optimizer=Momentum(lr, 0.9)) for lr in (1e200, 0.1, 0.05)]
    members = [replace(member, schedule=plateau().schedule) for member in members]
    outcomes = assert_law(members, DATA, keys=[0, 1, 2])
    assert [outcome.status for outcome in outcomes] == ["diverged", "finished", "finished"]


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_a_resumed_training_with_schedules_is_the_same(tier):
    made = [
        replace(driven(epochs=6, batch_size=8, checkpoint_every=7), schedule=ReduceOnPlateau(patience=1, min_delta=9))
    ] * 2
    snapshots = {}

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain)

    whole = train(made, [DATA], [1, 2], save=save, tier=tier)
    assert snapshots[21][0]["schedule.optimizer.lr.factor"].min() < 1
    again = train(made, [DATA], [1, 2], resume=snapshots[21], tier=tier)
    assert [distance(a, b) for a, b in zip(whole, again, strict=True)] == [0, 0]


@pytest.mark.usefixtures("compiled_quickly")
def test_both_tiers_take_scheduled_options():
    made = [replace(driven(alpha, epochs=4, batch_size=8), schedule=Warmup(3, plateau().schedule)) for alpha in (0.9, 0.5)]
    array, compiled = (train(made, [DATA], [0, 1], dtype=np.float64, tier=tier) for tier in ("array", "compiled"))
    for a, b in zip(array, compiled, strict=True):
        assert distance(a, b) < 1e-12
        assert a.metrics == pytest.approx(b.metrics, abs=1e-12)


def test_validation_reads_the_option_as_it_was_set():
    made = learner(mlp(4, 2), steps=5, batch_size=8)
    heads = {"loss": replace(made.heads["loss"], weight=2.0)}
    halved = replace(made, heads=heads, schedules={"heads.loss.weight": Linear(0.5, 0.5)})
    one, other = lone(made, DATA), lone(halved, DATA)
    assert distance(one, other) < 1e-12
    assert other.metrics["val/loss"] == pytest.approx(2 * one.metrics["val/loss"])


# ---- configured ----


def test_schedules_are_nested_or_have_dotted_names():
    for spelled in ("{optimizer: {beta1: {type: linear, start: 0.5}}}", "{optimizer.beta1: {type: linear, start: 0.5}}"):
        assert assembled(f"{{schedules: {spelled}}}").schedules == {"optimizer.beta1": Linear(0.5, 0.0)}
    several = "{regularizer: {a: {type: l2}, b: {type: l1}}, schedules: {regularizer: {b: {strength: linear}}}}"
    assert assembled(several).schedules == {"regularizer.1.strength": Linear()}


@pytest.mark.parametrize(
    ("schedules", "expected"),
    [
        ("{optimizer: {lr: linear}}", r"schedules\.optimizer\.lr: the group schedule drives the learning rate; set sched"),
        (
            "{optimizer: {beta: linear}}",
            r"schedules\.optimizer\.beta: not an option that may .*; did you mean .optimizer\.beta",
        ),
        ("{model.layers.hidden.units: linear}", r"schedules\.model\.layers\.hidden\.units: not an option that may change"),
        ("{trainer: {clip_norm: linear}}", r"schedules\.trainer\.clip_norm: the option must be a number \(got None\); set"),
        ("{optimizer.beta1: {type: linear, start: 2}}", r"beta1: the option is 1\.8 at step 0, and must be below 1"),
        ("{optimizer.beta1: {type: reduce_on_plateau, monitor: val/f}}", r"beta1\.monitor: 'val/f' is not measured; did"),
    ],
)
def test_what_cannot_be_scheduled_is_told_before_training(schedules, expected):
    with pytest.raises(ConfigError, match=expected):
        assembled(f"{{schedules: {schedules}}}")


def test_the_monitor_of_the_rate_must_be_measured():
    for schedule in (
        "{type: reduce_on_plateau, monitor: val/x}",
        "{type: warmup, then: {type: reduce_on_plateau, monitor: x}}",
    ):
        with pytest.raises(ConfigError, match=r"schedule\.monitor: '.*x' is not measured"):
            assembled(f"{{schedule: {schedule}}}")
    assert messages("{schedules: {optimizer: {beta1: lineer}}}") == [
        f"schedules.optimizer.beta1.type: unknown schedule 'lineer'{did_you_mean('lineer', discover().names('schedule'))}"
    ]


def test_schedules_run_on_a_device():
    made = [
        replace(driven(alpha, epochs=4, batch_size=8), schedule=plateau(0.3, p).schedule)
        for alpha, p in ((0.9, 1), (0.5, 2))
    ]
    on_host, there = (train(made, [DATA], [0, 1], dtype=np.float64, xp=xp) for xp in (np, Double()))
    assert max(distance(a, b) for a, b in zip(on_host, there, strict=True)) < 1e-12


@dataclass(frozen=True)
class Older:
    """A schedule with an option of the name of a method that schedules may have."""

    init: float = 0.5
    validated: bool = False

    def __call__(self, step, total):
        return self.init


def test_an_option_of_an_older_schedule_is_not_taken_for_a_method():
    made = learner(mlp(2), Sgd(0.2), steps=3)
    assert distance(lone(replace(made, schedule=Older()), DATA), lone(replace(made, optimizer=Sgd(0.1)), DATA)) < 1e-12


@dataclass(frozen=True)
class OneForAll(ReduceOnPlateau):
    """Falls for all replicas when one of them has not improved."""

    def validated(self, state, metrics, lower_is_better):
        super().validated(state, metrics, lower_is_better)
        state["factor"][...] = state["factor"].min()


@dataclass(frozen=True)
class Forgets(ReduceOnPlateau):
    """Replaces its state by a number."""

    def validated(self, state, metrics, lower_is_better):
        state["factor"] = np.float64(state["factor"].min() * 0.5)


@pytest.mark.parametrize("wrong", [OneForAll(patience=1), Forgets()])
def test_the_kit_catches_replicas_that_share_a_state(wrong):
    check = next(check for check in conformance("schedule", wrong) if check.name == "stack_law")
    with pytest.raises(AssertionError):
        check()
