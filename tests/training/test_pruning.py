"""Successive halving: which replicas end at a rung, and that the others are as without it."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from framework.config.composition import compose
from framework.config.options import Prune
from framework.core.callback import Callback
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.training.parallel import train_sliced
from framework.training.pruning import Rungs, check_pruning, ranked
from framework.training.trainer import train

WORDS = ["tracking=none", "dtype=float64", "device=cpu", "dataset=spirals", "dataset.n=60", "model.hidden=6"]
WORDS += ["trainer.epochs=6"]
RATES = [0.001 * 1.5**i for i in range(24)]
TIERS = [("array", None, "train"), ("array", 3, "slices"), ("array", 1, "slices"), ("compiled", 2, "slices")]


@pytest.fixture(scope="module")
def experiment():
    return prepare(compose(WORDS))


def learners(experiment, rates=RATES, **options):
    one = experiment.learner
    one = replace(one, options=replace(one.options, **options))
    return [replace(one, optimizer=replace(one.optimizer, lr=rate)) for rate in rates]


def trained(experiment, way, tier, threads, found, callbacks=()):
    function = train if way == "train" else train_sliced
    how = {"dtype": "float64", "tier": tier, "threads": threads, "callbacks": callbacks}
    return function(found, [experiment.data], [0] * len(found), **how)


class Losses(Callback):
    """The validation losses of every member, epoch by epoch."""

    def __init__(self):
        self.found = {}

    def on_metrics(self, member, step, values):
        if "val/loss" in values:
            self.found.setdefault(member, []).append(values["val/loss"])


@pytest.fixture(scope="module")
def whole(experiment):
    """The sweep without pruning: its results, and its losses."""
    seen = Losses()
    return trained(experiment, "train", "array", None, learners(experiment), [seen]), seen.found


@pytest.mark.parametrize(("tier", "threads", "way"), TIERS)
def test_kept_replicas_are_as_without_pruning(experiment, whole, tier, threads, way):
    results, losses = whole
    outcomes = trained(experiment, way, tier, threads, learners(experiment, prune=Prune(at=(2, 4), keep=0.4)))
    left = range(24)
    for epoch, kept in ((2, 9), (4, 3)):  # floor(0.4 * 24), floor(0.4 * 9)
        order = sorted(left, key=lambda member: losses[member][epoch - 1])
        for member in order[kept:]:
            assert (outcomes[member].status, outcomes[member].epoch) == ("pruned", epoch)
            rank = f"after epoch {epoch} has rank {order.index(member) + 1} of {len(order)}; the best {kept} were kept"
            assert outcomes[member].reason == f"val/loss {losses[member][epoch - 1]:.4g} {rank}"
            assert outcomes[member].metrics["val/loss"] == pytest.approx(losses[member][epoch - 1], rel=1e-9)
        left = order[:kept]
    exactly = trained(experiment, way, tier, threads, learners(experiment)) if tier == "compiled" else results
    for member in left:
        assert outcomes[member].status == "finished"
        assert outcomes[member].metrics == pytest.approx(exactly[member].metrics, rel=1e-9, abs=0)
        for node, tensors in exactly[member].weights.items():
            for name, a in tensors.items():
                assert np.allclose(outcomes[member].weights[node][name], a, rtol=1e-9, atol=1e-12)


def test_pruned_replicas_keep_their_best_weights(experiment):
    found = learners(experiment, [0.01, 3.0, 10.0], prune=Prune(at=(4,), keep=0.4), keep="best")
    outcomes = trained(experiment, "train", "array", None, found)
    assert [outcome.status for outcome in outcomes] == ["finished", "pruned", "pruned"]
    for outcome in outcomes[1:]:
        assert (outcome.kept, outcome.metrics["val/loss"]) == ("best", outcome.best)
        assert outcome.kept_epoch <= outcome.epoch == 4


def test_a_diverged_replica_is_the_worst_of_its_rung(experiment):
    found = learners(experiment, [1e300, 0.01, 0.02, 0.03], prune=Prune(at=(2,)), read_every=1)
    outcomes = trained(experiment, "train", "array", None, found)
    assert [outcome.status for outcome in outcomes].count("pruned") == 1
    assert outcomes[0].status == "diverged"
    assert [o.reason.partition("has ")[2] for o in outcomes if o.status == "pruned"] == ["rank 3 of 4; the best 2 were kept"]


def test_the_metric_says_whether_more_is_better(experiment):
    seen = SimpleNamespace(found={})
    accuracy = Callback()
    accuracy.on_metrics = lambda member, step, values: seen.found.setdefault(member, []).append(values)
    found = learners(experiment, RATES[::4], prune=Prune(metric="val/accuracy", at=(3,)))
    outcomes = trained(experiment, "train", "array", None, found, [accuracy])
    values = {member: lines[2]["val/accuracy"] for member, lines in seen.found.items()}
    kept = sorted(values, key=lambda member: -values[member])[:3]
    assert [o.member for o in outcomes if o.status == "finished"] == sorted(kept)


def test_the_training_loss_ranks_without_a_validation_split(experiment):
    data = replace(experiment.data, splits={"train": experiment.data.splits["train"]})
    found = learners(experiment, RATES[:4], prune=Prune(metric="train/loss", at=(1, 3)), train_metrics=False)
    for tier in ("array", "compiled"):
        outcomes = train(found, [data], [0] * 4, dtype="float64", tier=tier)
        assert [(o.status, o.epoch) for o in outcomes] == [("pruned", 1)] * 2 + [("pruned", 3), ("finished", 6)]


def test_a_continued_training_reports_its_later_rungs_only(experiment):
    found, states = learners(experiment, [0.01], prune=Prune(at=(2, 4)), checkpoint_every=1), []
    data = [experiment.data]
    whole = train(found, data, [0], dtype="float64", tier="array", save=lambda *state: states.append(state))
    middle = next(state for state in states if state[1]["epoch"] == 3)
    rungs = Rungs(Prune(at=(2, 4)), True)
    again = train(found, data, [0], dtype="float64", tier="array", resume=middle, rungs=rungs)
    assert list(rungs.values) == [4]
    assert again[0].metrics == whole[0].metrics


def test_a_slice_that_ends_early_does_not_hold_up_the_others(experiment):
    goal = replace(experiment.learner.options.early_stopping, goal=100.0)  # every replica has reached it at once
    found = learners(experiment, prune=Prune(at=(2, 4)), early_stopping=goal)
    outcomes = trained(experiment, "slices", "array", 2, found)
    assert {outcome.status for outcome in outcomes} == {"stopped_early"}


def test_an_error_in_a_slice_ends_those_that_wait(experiment):
    class Failing(Callback):
        def on_metrics(self, member, step, values):
            if member == 20:
                raise ValueError("a bad callback")

    with pytest.raises(ValueError, match="a bad callback"):
        trained(experiment, "slices", "array", 3, learners(experiment, prune=Prune(at=(2,))), [Failing()])


def test_settings_are_ranked_by_the_mean_of_their_jobs():
    entries = {"0": ("a", 1.0), "1": ("a", 5.0), "2": ("b", 2.0), "3": ("b", 2.5), "4": ("c", 9.0), "5": ("c", math.nan)}
    found = ranked(entries, 0.67, True)
    assert {job: place.rank for job, place in found.items()} == {"0": 2, "1": 2, "2": 1, "3": 1, "4": 3, "5": 3}
    assert {job for job, place in found.items() if place.goes_on} == {"0", "1", "2", "3"}
    assert (found["0"].mean, found["0"].of, found["0"].kept) == (3.0, 3, 2)
    text = "val/loss 1 (mean of its setting 3) after epoch 5 has rank 2 of 3; the best 2 were kept"
    assert found["0"].reason("val/loss", 5) == text


@pytest.mark.parametrize(("of", "keep", "kept"), [(64, 0.5, 32), (3, 0.5, 1), (1, 0.5, 1), (10, 0.3, 3), (9, 1 / 3, 3)])
def test_the_part_that_is_kept_is_rounded_down(of, keep, kept):
    found = ranked({str(i): (str(i), float(i)) for i in range(of)}, keep, True)
    assert sum(place.goes_on for place in found.values()) == kept


def test_of_equal_values_the_first_job_is_the_better_one():
    found = ranked({str(i): (str(i), 1.0) for i in range(4)}, 0.5, False)
    assert [place.goes_on for place in found.values()] == [True, True, False, False]


def test_one_that_ended_early_takes_a_place_but_none_that_was_pruned():
    rungs = Rungs(Prune(at=(1, 2)), True)
    rungs.report(1, {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0})
    assert [member for member, place in rungs.standings(1).items() if place.goes_on] == [0, 1]
    rungs.finish(2, {0: 1.0, 1: 0.5})
    assert {member: place.rank for member, place in rungs.standings(2).items()} == {0: 2, 1: 1}


@pytest.mark.parametrize(
    ("options", "every", "message"),
    [
        (Prune(at=(5, 2)), 1, r"in increasing order \(got \[5, 2\]\)"),
        (Prune(at=(0,)), 1, r"epochs from 1 on"),
        (Prune(at=(2, 10)), 1, r"trainer.prune.at: 10 is not before the last epoch, 10"),
        (Prune(at=(2, 3)), 2, r"no validation after epoch 3; trainer.validate_every=2"),
        (Prune("val/lss", (2,)), 1, r"trainer.prune.metric: 'val/lss' is not measured; did you mean 'val/loss'\?"),
    ],
)
def test_rungs_that_cannot_be_are_an_error(options, every, message):
    with pytest.raises(ValueError, match=message):
        check_pruning(options, ["val/loss"], 10, every)
    check_pruning(Prune(at=()), [], 1, 1)


@pytest.mark.parametrize("words", [["trainer.prune.at=[9]"], ["study=bias_variance", "trainer.prune.at=[2]"]])
def test_a_configuration_with_wrong_rungs_does_not_run(words):
    with pytest.raises(ConfigError, match=r"trainer.prune.at: "):
        prepare(compose([*WORDS, *words]))
