"""When training ends early, and with which weights."""

from dataclasses import replace

import numpy as np
import pytest
from networks import Record, backpropagate, distance, learner, lone, mlp, regression

from framework.config.options import EarlyStopping
from framework.core.direction import lower_is_better
from framework.inference.evaluation import HeadMetric
from framework.training.early_stopping import BestTracker
from framework.training.learner import directions
from framework.training.trainer import train
from framework_metrics.accuracy import Accuracy
from framework_metrics.loss import LossMetric
from framework_optimizers.adam import Adam
from framework_optimizers.sgd import Sgd


def overfitting(**options):
    """Few examples and many units: validation gets worse after a while."""
    return learner(mlp(40, 2), Adam(0.03), epochs=200, batch_size="all", **options)


SCARCE, PLENTY = regression(n=10, val=40), regression(n=40, val=30)


def test_early_stopping_goes_back_to_the_best_weights():
    record = Record()
    member = overfitting(early_stopping=EarlyStopping(patience=4))
    outcome = lone(member, SCARCE, callbacks=[record])
    val = [values["val/loss"] for _, _, values in record.values]
    best = int(np.argmin(val)) + 1
    assert outcome.status == "stopped_early"
    assert outcome.reason == "val/loss has not improved in 4 validations"
    assert (outcome.best_epoch, outcome.best, outcome.epoch) == (best, min(val), best + 4)
    loss, *_ = backpropagate(member.network, member.heads, outcome.weights, SCARCE.splits["val"])
    assert loss == pytest.approx(outcome.best, abs=1e-12)


def evaluated(outcome, member, data=SCARCE):
    """The loss of an outcome's weights on the validation split."""
    return backpropagate(member.network, member.heads, outcome.weights, data.splits["val"])[0]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"early_stopping": EarlyStopping(patience=4)}, "best"),
        ({"early_stopping": EarlyStopping(patience=150)}, "best"),  # training ends before patience does
        ({"keep": "best"}, "best"),
        ({"keep": "last", "early_stopping": EarlyStopping(patience=4)}, "last"),
        ({}, "last"),
    ],
)
def test_reported_values_are_those_of_the_kept_weights(options, kept):
    member, record = overfitting(**options), Record()
    outcome = lone(member, SCARCE, callbacks=[record])
    val = [values["val/loss"] for _, _, values in record.values]
    epoch = int(np.argmin(val)) + 1 if kept == "best" else len(val)
    assert (outcome.kept, outcome.kept_epoch, outcome.kept_step) == (kept, epoch, epoch)
    assert outcome.metrics["val/loss"] == val[epoch - 1] == pytest.approx(evaluated(outcome, member), abs=1e-12)
    assert len(val) == outcome.epoch > 5  # the curve is whole


def test_the_kept_epoch_is_named():
    stopped = lone(overfitting(early_stopping=EarlyStopping(patience=4)), SCARCE)
    assert stopped.kept_text == f"best epoch {stopped.epoch - 4} of {stopped.epoch}, restored"
    assert lone(overfitting(), SCARCE).kept_text == ""


def test_best_weights_need_a_validation_split():
    with pytest.raises(ValueError, match=r"trainer\.keep: the data set has no validation split"):
        lone(learner(mlp(4, 2), keep="best"), regression(n=8))


def test_a_diverged_training_reports_no_value_of_earlier_weights():
    gone = lone(learner(mlp(4, 2), Sgd(1e3), epochs=60), SCARCE)
    assert gone.status == "diverged"
    assert np.isnan(gone.metrics["val/loss"])


def test_patience_counts_validations():
    outcome = lone(overfitting(early_stopping=EarlyStopping(patience=2), validate_every=3), SCARCE)
    assert outcome.status == "stopped_early"
    assert outcome.best_epoch % 3 == 0
    assert outcome.epoch == outcome.best_epoch + 6


def test_a_run_that_ends_before_its_patience_goes_back_to_the_best_weights_too():
    member = overfitting(early_stopping=EarlyStopping(patience=1000))
    outcome = lone(member, SCARCE)
    loss, *_ = backpropagate(member.network, member.heads, outcome.weights, SCARCE.splits["val"])
    assert outcome.status == "finished"
    assert outcome.best_epoch < 200
    assert loss == pytest.approx(outcome.best, abs=1e-12)


def test_without_patience_the_last_weights_are_kept_and_the_best_value_reported():
    record = Record()
    member = overfitting()
    outcome = lone(member, SCARCE, callbacks=[record])
    val = [values["val/loss"] for _, _, values in record.values]
    assert (outcome.status, outcome.epoch, len(val)) == ("finished", 200, 200)
    assert outcome.best == min(val) < val[-1]
    loss, *_ = backpropagate(member.network, member.heads, outcome.weights, SCARCE.splits["val"])
    assert loss == pytest.approx(val[-1], abs=1e-12)


def test_training_goes_without_validation():
    data, record = regression(), Record()
    outcome = lone(learner(mlp(4, 2), epochs=2), data, callbacks=[record])
    assert outcome.status == "finished"
    assert not [name for _, _, values in record.values for name in values if name.startswith("val")]


def test_early_stopping_without_validation_is_refused():
    with pytest.raises(ValueError, match=r"trainer\.early_stopping\.patience: the data set has no validation split"):
        lone(learner(mlp(4, 2), early_stopping=EarlyStopping(patience=1)), regression())


def test_watching_what_is_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"monitor: 'val/accuracy' is not measured"):
        lone(learner(mlp(4, 2), early_stopping=EarlyStopping(patience=1, monitor="val/accuracy")), PLENTY)


def test_the_test_split_is_measured_once_at_the_end_with_the_weights_that_are_kept():
    data, record = regression(n=10, val=40), Record()
    data = replace(data, splits={**data.splits, "test": data.splits["val"]})
    member = replace(
        overfitting(early_stopping=EarlyStopping(patience=4)), measures={"again": HeadMetric(LossMetric(), "loss")}
    )
    outcome = lone(member, data, callbacks=[record])
    assert [sorted(values) for _, _, values in record.values if "test/loss" in values] == [["test/again", "test/loss"]]
    assert outcome.metrics["test/loss"] == pytest.approx(outcome.best, abs=1e-12)
    assert outcome.metrics["test/again"] == pytest.approx(outcome.best, abs=1e-12)


def watched(values, **options):
    """Best after these validations of several replicas."""
    best = BestTracker(EarlyStopping(**options), len(values[0]))
    for epoch, row in enumerate(values, 1):
        best.update(np.array(row), epoch)
    return best


def test_every_replica_has_its_own_best():
    best = watched([[5.0, 1.0], [4.0, 2.0], [6.0, 3.0]], patience=2)
    assert np.array_equal(best.value, [4, 1])
    assert np.array_equal(best.epoch, [2, 1])
    assert np.array_equal(best.exhausted(), [False, True])


def test_a_loss_should_decrease_and_a_metric_as_it_declares():
    for is_lower, best in ((True, 0.5), (False, 2.0)):
        found = BestTracker(EarlyStopping(), 1, is_lower)
        for epoch, value in enumerate([1.0, 2.0, 0.5], 1):
            found.update(np.array([value]), epoch)
        assert found.value[0] == best
    metrics = {"accuracy": HeadMetric(Accuracy(), "loss"), "mse": HeadMetric(LossMetric(), "loss")}
    known = directions(replace(learner(mlp(4, 2)), measures=metrics))
    for monitor, is_lower in (("val/loss", True), ("val/accuracy", False), ("val/mse", True)):
        assert lower_is_better(monitor, known) is is_lower


def test_small_changes_are_no_improvement():
    best = watched([[1.0], [0.95], [0.85], [0.8]], min_delta=0.1, patience=2)
    assert (best.value[0], best.epoch[0], best.stale[0]) == (0.85, 3, 1)


def test_equal_values_are_no_improvement():
    assert watched([[1.0], [1.0], [1.0]], patience=2).exhausted()[0]


def test_numbers_that_are_not_finite_never_improve():
    best = watched([[np.nan, 3.0], [2.0, np.nan], [np.nan, np.inf], [1.0, 4.0]], patience=3)
    assert np.array_equal(best.value, [1, 3])
    assert np.array_equal(best.exhausted(), [False, True])


def test_before_the_first_validation_nothing_is_best():
    best = BestTracker(EarlyStopping(patience=1), 2)
    assert np.isnan(best.value).all()
    assert not best.epoch.any()
    assert not best.exhausted().any()


def test_without_patience_nobody_is_ever_exhausted():
    assert not watched([[1.0]] * 50).exhausted().any()


def test_the_best_of_those_that_stay():
    best = watched([[5.0, 1.0, 3.0]], patience=1)
    best.keep_replicas(np.array([True, False, True]))
    assert np.array_equal(best.value, [5, 3])


@pytest.mark.parametrize("tier", ["array", "compiled"])
@pytest.mark.parametrize(("monitor", "data"), [("val/loss", PLENTY), ("train/loss", regression(n=40))])
def test_training_ends_once_the_goal_is_reached(monitor, data, tier):
    options = {"epochs": 60, "batch_size": 8}
    values = {"val/loss": [], "train/loss": []}
    record = Record()
    full = lone(learner(mlp(4, 2), Adam(0.03), **options), data, tier=tier, callbacks=[record])
    values["val/loss"] = [found.get("val/loss") for _, _, found in record.values]
    steps = record.rows(0)[:, 0]
    values["train/loss"] = steps.reshape(-1, full.step // 60).mean(1).tolist()
    goal = values[monitor][20]
    first = int(np.argmax(np.array(values[monitor]) <= goal)) + 1
    stopping = EarlyStopping(monitor=monitor, goal=goal)
    outcome = lone(learner(mlp(4, 2), Adam(0.03), early_stopping=stopping, **options), data, tier=tier)
    assert (outcome.status, outcome.reason) == ("stopped_early", f"{monitor} has reached {goal:g}")
    assert (outcome.epoch, outcome.kept) == (first, "last")


def test_each_replica_stops_at_its_own_epoch():
    stopping = EarlyStopping(monitor="train/loss", goal=0.3)
    stack = [learner(mlp(4, 2), Adam(lr), early_stopping=stopping, epochs=60, batch_size=8) for lr in (0.1, 0.01, 1e-6)]
    outcomes = train(stack, [PLENTY], [0, 1, 2], dtype=np.float64)
    assert outcomes[0].epoch < outcomes[1].epoch < outcomes[2].epoch
    assert [outcome.status for outcome in outcomes] == ["stopped_early", "stopped_early", "finished"]
    alone = lone(stack[1], PLENTY, 1)
    assert (alone.epoch, distance(alone, outcomes[1]) < 1e-9) == (outcomes[1].epoch, True)
