"""Searches whose trials may end early, by a pruner of Optuna or by `trainer.prune`."""

import json

import pytest

from framework.config.options import Prune
from framework.sweeps.search import history as archive
from framework.sweeps.search.history import CompletedTrial
from framework.sweeps.search.optuna import OptunaSearcher
from framework.sweeps.search.pruners import TrialPruner, TrialRungs
from framework.sweeps.search.space import Number
from framework.tracking.run_dir import read_state

pytestmark = pytest.mark.usefixtures("unrendered")

SPACE = {"x": Number(0.0, 1.0)}
QUICK = ["dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=4", "tracking=none"]
OPTUNA = ["hydra/sweeper=optuna", "optimizer.lr=tag(log,interval(1e-4,1))", "hydra.sweeper.sampler=random"]


def completed(overrides, reported, pruned=False):
    return CompletedTrial(overrides, [0], "pruned" if pruned else "finished", False, reported[-1][1], reported)


def searching(name, repeats=1, warmup=0):
    """A search of which five trials have ended, with the values 0 to 4 at both epochs, and three trials that run."""
    pruner = TrialPruner(name, "val/loss", repeats, warmup)
    search = OptunaSearcher(SPACE, "random", 0, pruner)
    trials = search.ask(5)
    search.end([completed(trial, [(1, float(i)), (2, float(i))]) for i, trial in enumerate(trials)], 1)
    search.tell([0.0, 1.0, 2.0, 3.0, 4.0])
    search.ask(3)
    return search, pruner


def rungs_of(search, pruner, *jobs):
    """The rungs of jobs like 0-a: a trial and one of its jobs."""
    pruner.trials |= {job: search.trials[int(job[0])] for job in jobs}
    return TrialRungs(pruner, Prune("val/loss", (1, 2, 3)), jobs)


def test_the_median_pruner_ends_what_is_worse_than_half():
    search, pruner = searching("median")
    rungs = rungs_of(search, pruner, "0-a", "1-a", "2-a")
    rungs.report(1, {0: 1.5, 1: 2.5, 2: float("nan")})
    found = rungs.standings(1)
    assert [place.goes_on for place in found.values()] == [True, False, False]  # the median is 2
    assert found[1].reason("val/loss", 1) == "val/loss 2.5 after epoch 1: ended by the median pruner of the search"


def test_more_is_better_with_the_other_sign():
    search, pruner = searching("median")
    pruner.sign = -1  # so that Optuna, which minimizes, gets -1.5 and 2.5
    rungs = rungs_of(search, pruner, "0-a", "1-a")
    rungs.report(1, {0: 1.5, 1: -2.5})
    assert [place.goes_on for place in rungs.standings(1).values()] == [True, False]


def test_every_trial_trains_the_epochs_of_the_warmup():
    search, pruner = searching("median", warmup=2)
    rungs = rungs_of(search, pruner, "0-a")
    for epoch, goes_on in ((1, True), (2, False)):
        rungs.report(epoch, {0: 9.0})
        assert rungs.standings(epoch)[0].goes_on is goes_on


def test_a_trial_ends_by_the_mean_of_its_jobs_and_with_all_of_them():
    search, pruner = searching("median", repeats=2)
    rungs = rungs_of(search, pruner, "0-a", "0-b", "1-a")
    rungs.report(1, {0: 0.0, 1: 5.0, 2: 9.0})  # the other job of trial 1 trains in a later stack
    found = rungs.standings(1)
    assert [place.goes_on for place in found.values()] == [False, False, True]
    assert "(mean of its trial 2.5)" in found[0].reason("val/loss", 1)


@pytest.mark.parametrize("name", ["median", "successive_halving", "hyperband"])
def test_all_jobs_of_a_trial_end_together(name):
    search, pruner = searching(name, repeats=2)
    rungs, ended = rungs_of(search, pruner, "0-a", "0-b", "1-a", "1-b", "2-a", "2-b"), set()
    for epoch in range(1, 10):
        rungs.report(epoch, {m: float(m // 2) * 100 for m in range(6) if m not in ended})
        ended |= {m for m, place in rungs.standings(epoch).items() if not place.goes_on}
    assert ended
    assert {m ^ 1 for m in ended} == ended


@pytest.mark.parametrize("name", ["successive_halving", "hyperband"])
def test_other_pruners_compare_with_trials_at_the_same_epoch(name):
    search, pruner = searching(name)
    rungs, ended = rungs_of(search, pruner, "0-a", "1-a", "2-a"), set()
    for epoch in range(1, 10):
        rungs.report(epoch, {m: float(m) * 100 for m in range(3) if m not in ended})
        ended |= {m for m, place in rungs.standings(epoch).items() if not place.goes_on}
    assert ended  # hyperband has several brackets, whose trials are compared with one another
    assert 0 not in ended


def test_a_pruned_trial_is_marked_in_the_study():
    search, _ = searching("median")
    search.end([completed({}, [(1, 5.0)], pruned=True), completed({}, [(1, 0.5)]), completed({}, [(1, 0.6)])], 1)
    search.tell([5.0, 0.5, 0.6])
    states = [trial.state.name for trial in search.study.trials[5:]]
    assert states == ["PRUNED", "COMPLETE", "COMPLETE"]
    assert search.study.trials[5].value == 5.0  # that of its last epoch


def test_a_search_with_a_pruner_continues_exactly_where_it_ended(shell, tmp_path):
    words = [*QUICK, *OPTUNA, "hydra.sweeper.pruner=median", "hydra.sweeper.n_jobs=6", "seed=0,1"]
    status, _, err = shell(*words, "hydra.sweeper.n_trials=12")
    assert status == 0, err
    (sweep,) = tmp_path.glob("runs/sweep-*")
    iterations = archive.read(sweep)
    pruned = [trial for iteration in iterations for trial in iteration if trial.is_pruned]
    assert pruned
    assert all(not trial.is_pruned for trial in iterations[0])  # there was nothing to compare them with
    for trial in pruned:
        states = [read_state(sweep / str(number)) for number in trial.jobs]
        assert [state["status"] for state in states] == ["pruned", "pruned"]
        assert "ended by the median pruner of the search" in states[0]["reason"]
        assert trial.value == pytest.approx(trial.reported[-1][1])
    first = json.loads((sweep / archive.FILE).read_text())
    status, _, err = shell("sweep.resume=last", "hydra.sweeper.n_trials=18")
    assert status == 0, err
    again = json.loads((sweep / archive.FILE).read_text())
    assert again["iterations"][:2] == first["iterations"]
    assert len(again["iterations"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra.launcher.n_jobs=2"], "trials must train in this process (got median)"),
        (["hydra.sweeper.metric=train/loss"], "needs a metric of validations, val/... (got train/loss)"),
        (["trainer.prune.at=[1]"], "cannot be combined with trainer.prune.at"),
        (["hydra.sweeper.pruner=medain"], "did you mean 'median'"),
        (["hydra.sweeper.pruner=null", "hydra.sweeper.warmup=2"], "no effect without hydra.sweeper.pruner (got 2)"),
    ],
)
def test_a_pruner_that_cannot_work_is_refused(shell, tmp_path, words, message):
    status, _, err = shell(*QUICK, *OPTUNA, "hydra.sweeper.pruner=median", *words)
    assert (status, message in err, "Traceback" in err) == (2, True, False), err
    assert not list(tmp_path.glob("runs/sweep-*/0"))


def test_trials_of_other_searches_are_pruned_by_rungs(shell, tmp_path):
    words = ["hydra/sweeper=ant_colony", "hydra.sweeper.ants=4", "hydra.sweeper.k=3", "hydra.sweeper.n_trials=8"]
    status, out, err = shell(*QUICK, *words, "optimizer.lr=tag(log,interval(1e-4,1))", "trainer.prune.at=[1]")
    assert status == 0, err
    (sweep,) = tmp_path.glob("runs/sweep-*")
    trials = [trial for iteration in archive.read(sweep) for trial in iteration]
    assert [trial.is_pruned for trial in trials].count(True) >= 2
    best = min(trial.value for trial in trials if not trial.is_pruned)
    assert f"best of 8 trials: val/loss {best:.6g}" in out
