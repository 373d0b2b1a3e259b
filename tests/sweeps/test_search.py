"""Searches from the shell: what may be asked, what is kept, how a search goes on."""

import json
import shutil
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework.sweeps.search import history as archive
from framework.sweeps.search.overrides import parted
from framework.sweeps.search.runner import Objective
from framework.sweeps.search.space import Choice, Number

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=sine", "dataset.n=20", "trainer.epochs=1", "tracking=none", "model.hidden=4"]
ANTS = ["hydra/sweeper=ant_colony", "hydra.sweeper.ants=4", "hydra.sweeper.k=3"]


def read(*words):
    return parted(OverridesParser.create().parse_overrides(list(words)))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=x,y", Choice(("x", "y"))),
        ("a=choice(3,4,3)", Choice(("3", "4"))),
        ("a=interval(0.1,2)", Number(0.1, 2.0)),
        ("a=int(interval(1,8))", Number(1, 8, step=1)),
        ("a=tag(log,interval(1e-4,1))", Number(1e-4, 1.0, log=True)),
        ("a=tag(log,int(interval(1,64)))", Number(1, 64, log=True, step=1)),
        ("a=range(4,64)", Number(4, 64, step=1)),
        ("a=range(0,10,3)", Number(0, 9, step=3)),
        ("a=range(0,1,0.25)", Number(0.0, 1.0, step=0.25)),
        ("a=shuffle(range(1,4))", Choice(("1", "2", "3"))),
    ],
)
def test_overrides_are_read_as_hydras_optuna_sweeper_reads_them(word, expected):
    fixed, repeats, space = read("b=1", word, "~c", "seed=2")
    assert (fixed, repeats) == (["b=1", "~c", "seed=2"], [[]])
    found = space["a"]
    assert sorted(found.words) == list(expected.words) if "shuffle" in word else found == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a=interval(2,1)"], "a: 2.0 to 1.0 contains no numbers"),
        (["a=tag(log,interval(0,1))"], "a: log needs numbers above 0"),
        (["a=tag(log,range(0.3,5.3,1))"], "a: log needs numbers above 0, and with a step, integers in steps of 1"),
        (["a=tag(lgo,interval(0.1,1))"], "a: unknown tag 'lgo'; did you mean 'log'"),
        (["a=tag(log,choice(1,2))"], "a: log needs an interval or a range"),
        (["a=range(5,1,-1)"], "a: 5 to 1 contains no numbers"),
    ],
)
def test_what_cannot_be_searched_is_said(words, expected):
    with pytest.raises(ConfigError) as error:
        read(*words)
    assert expected in str(error.value)


def test_the_later_of_two_values_of_a_key_holds():
    assert read("a=1,2", "b=interval(0.0,1.0)", "a=3,4").space["a"] == Choice(("3", "4"))
    assert read("a=1,2", "b=1,2", "a=3") == (["a=3"], [[]], {"b": Choice(("1", "2"))})
    assert read("a=1", "b=1,2", "a=3,4") == ([], [[]], {"b": Choice(("1", "2")), "a": Choice(("3", "4"))})


def test_a_search_follows_the_direction_that_a_metric_declares():
    words = ["metrics={accuracy:{type:accuracy},nll:{type:loss,loss:softmax_cross_entropy}}", "tracking=none"]
    experiment = prepare(compose(words))
    assert [Objective(metric=f"val/{m}").sign(experiment) for m in ("loss", "accuracy", "nll")] == [1, -1, 1]
    assert Objective(direction="maximize").sign(experiment) == -1


def sweep_of(place):
    (found,) = place.glob("runs/sweep-*")
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["optimizer.lr=interval(-1,1)"], "optimizer.lr: -1.0 must be above 0"),
        (["optimizer=sgd,adm"], "optimizer=adm: optimizer: unknown choice 'adm'; did you mean 'adam'"),
        (["activation=range(1,3)"], "activation: unknown choice '1'"),
        (["optimizer.lr=interval(1)"], "optimizer.lr: interval(1) is not an interval; give its two ends"),
        (["optimizer.lr=tag(log,interval(a,1))"], "optimizer.lr: interval(a,1) is not an interval"),
        (["optimizer.lr=0.1"], "nothing to search"),
        (["optimizer=sgd,adam", "seed=1,2,1"], "seed: 1 given twice"),
        (["optimizer=sgd,adam", "hydra.sweeper.k=1"], "hydra.sweeper.k: 1 must be at least 2"),
        (["optimizer=sgd,adam", "hydra.sweeper.antz=1"], "did you mean 'ants'"),
        (["optimizer=sgd,adam", "hydra.sweeper.n_trials=3"], "n_trials=3 is too small"),
        (["optimizer=sgd,adam", "hydra.sweeper.metric=val/acc"], "hydra.sweeper.metric: 'val/acc' is not measured"),
        (["optimizer=sgd,adam", "dataset.n_val=0"], "'val/loss' is not measured"),
        (["optimizer=sgd,adam", "hydra/sweeper=ant_colony_lstm"], "optimizer: ant_colony_lstm only searches connections"),
        (["optimizer=sgd,adam", "study=bias_variance", "hydra.sweeper.metric=grad_norm/out"], "hydra.sweeper.direction"),
        (["hydra/sweeper=ant_colony_lstm"], "no node has a cell of type masked_lstm"),
    ],
)
def test_a_wrong_request_begins_nothing(shell, tmp_path, words, expected):
    own = [] if any("sweeper=" in word for word in words) else ANTS
    status, _, told = shell(*QUICK, *own, *words)
    assert status == 2
    assert expected in told
    assert "Traceback" not in told
    assert not list(tmp_path.glob("runs/*"))


def test_without_the_extra_optuna_is_asked_for(shell, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, told = shell(*QUICK, "hydra/sweeper=optuna", "optimizer=sgd,adam")
    assert status == 2
    assert "optuna is not installed; pip install 'stackprop[optuna]'" in told
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.slow
def test_a_search_goes_on_from_its_archive_and_repeats_nothing_that_ended(shell, tmp_path):
    words = ["optimizer.lr=tag(log,interval(1e-3,0.1))", "optimizer=sgd,adam", *QUICK, *ANTS, "hydra.sweeper.n_trials=10"]
    status, out, _ = shell(*words)
    assert status == 0
    assert "4 of 10 trials  best val/loss" in out
    assert "best of 10 trials: val/loss" in out
    sweep = sweep_of(tmp_path)
    whole = archive.read(sweep)
    assert [len(iteration) for iteration in whole] == [4, 4, 2]
    values = [trial.value for iteration in whole for trial in iteration]
    for number, value in enumerate(values):
        assert json.loads((sweep / str(number) / "run.json").read_text())["metrics"]["val/loss"] == value

    # Killed in the second iteration: two of its jobs had ended, one had not, one had not begun.
    archive.write(sweep, whole[:1])
    before = {number: (sweep / str(number) / "run.json").stat().st_mtime_ns for number in range(6)}
    for number in range(6, 10):
        shutil.rmtree(sweep / str(number))
    status, out, _ = shell("sweep.resume=last")
    assert status == 0
    assert "4 of 10 trials had finished; 6 to go" in out
    assert "2 of 4 jobs had finished; 2 to go" in out
    assert archive.read(sweep) == whole
    assert {number: (sweep / str(number) / "run.json").stat().st_mtime_ns for number in range(6)} == before

    # Longer.
    status, out, _ = shell("sweep.resume=last", "hydra.sweeper.n_trials=12")
    assert status == 0
    assert "10 of 12 trials had finished; 2 to go" in out
    assert archive.read(sweep)[:3] == whole

    # Of another search.
    told = json.loads((sweep / archive.FILE).read_text())
    told["iterations"][0][0]["overrides"]["optimizer.lr"] = "0.5"
    (sweep / archive.FILE).write_text(json.dumps(told))
    status, _, told = shell("sweep.resume=last")
    assert status == 2
    assert "holds trials that this search would not make" in told


def test_trials_that_fail_or_cannot_run_are_the_worst_and_the_search_goes_on(shell, tmp_path):
    space = ["dataset.features=4,2", "dataset.matter=1,3", "optimizer.lr=0.01,1e30"]
    words = ["model=masked_lstm", "dataset=lagged_inputs", "dataset.n=8", "dataset.n_val=8", "optimizer=sgd", *QUICK[3:]]
    words += ["trainer.steps=5"]
    status, out, told = shell(*words, *space, *ANTS, "hydra.sweeper.n_trials=16")
    assert status == 1
    assert "failed: job " in told
    assert "invalid configuration; scored as the worst: dataset.features=2 dataset.matter=3" in told
    trials = [trial for iteration in archive.read(sweep_of(tmp_path)) for trial in iteration]
    assert len(trials) == 16
    for trial in trials:
        asked = trial.overrides
        if asked["dataset.features"] == "2" and asked["dataset.matter"] == "3":
            assert (trial.jobs, trial.value, trial.failed) == ([], None, False)
        else:
            assert (trial.value is None) == trial.failed == (asked["optimizer.lr"] == "1e+30")
    assert len(list(sweep_of(tmp_path).glob("*/run.json"))) == len({job for trial in trials for job in trial.jobs})
    assert f"{len({tuple(trial.jobs) for trial in trials if trial.failed})} of 16 trials failed" in told
    best = min(trial.value for trial in trials if trial.value is not None)
    assert f"best of 16 trials: val/loss {best:.6g}" in out


def test_diverged_trials_that_are_recorded_count_as_the_worst_too(shell, tmp_path):
    words = ["optimizer=sgd", "optimizer.lr=0.01,1e30", "trainer.on_divergence=record", *QUICK, *ANTS]
    status, _, _ = shell(*words, "hydra.sweeper.n_trials=4")
    assert status == 0
    trials = archive.read(sweep_of(tmp_path))[0]
    assert {trial.value is None for trial in trials if trial.overrides["optimizer.lr"] == "1e+30"} == {True}
    assert not any(trial.failed for trial in trials)


def test_a_trial_is_run_with_every_seed_and_their_mean_counts(shell, tmp_path):
    assert read("a=1,2", "seed=range(3)") == ([], [["seed=0"], ["seed=1"], ["seed=2"]], {"a": Choice(("1", "2"))})
    status, out, _ = shell("optimizer.lr=interval(0.01,0.1)", "seed=0,1", *QUICK, *ANTS, "hydra.sweeper.n_trials=4")
    assert status == 0
    assert "8 jobs in 1 stack" in out
    assert "seeds" in out
    trials = archive.read(sweep_of(tmp_path))[0]
    assert [trial.jobs for trial in trials] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    for trial in trials:
        states = [json.loads((sweep_of(tmp_path) / str(job) / "run.json").read_text()) for job in trial.jobs]
        assert trial.value == pytest.approx(sum(state["metrics"]["val/loss"] for state in states) / 2)
    assert "mean of jobs" in out


def test_what_a_study_does_not_find_is_told_after_the_first_iteration(shell, tmp_path):
    words = ["study=bias_variance", "study.members=3", "optimizer.lr=interval(0.01,0.1)", *QUICK, *ANTS]
    status, _, told = shell(*words, "hydra.sweeper.metric=bias_variance/ep", "hydra.sweeper.direction=minimize")
    assert status == 2
    assert "no trial recorded 'bias_variance/ep'; did you mean 'bias_variance/epe'" in told
    assert len(archive.read(sweep_of(tmp_path))) == 1


def test_optuna_searches_in_stacks(shell, tmp_path):
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    lr = "optimizer.lr=tag(log,interval(1e-3,0.1))"
    status, out, _ = shell("hydra/sweeper=optuna", lr, *QUICK, "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3")
    assert status == 0
    assert out.count("3 jobs in 1 stack") == 2
    assert "best of 6 trials" in out
    assert (sweep_of(tmp_path) / "optimization_results.yaml").exists()


def test_N5_ants_prune_an_lstm_and_every_cell_is_a_run_of_its_own(shell, tmp_path):
    words = ["model=masked_lstm", "dataset=lagged_inputs", "dataset.n=10", "dataset.n_val=10", "dataset.length=4"]
    ants = ["hydra/sweeper=ant_colony_lstm", "hydra.sweeper.n_trials=6", "hydra.sweeper.cells=3"]
    status, out, _ = shell(*words, *ants, *QUICK[2:])
    assert status == 0
    assert out.count("3 jobs in 1 stack") == 2
    assert "pheromone of the inputs: " in out
    for trial in [trial for iteration in archive.read(sweep_of(tmp_path)) for trial in iteration]:
        config = (sweep_of(tmp_path) / str(trial.jobs[0]) / "config.yaml").read_text()
        assert trial.overrides["model.layers.rnn.cell.connections"] in config
