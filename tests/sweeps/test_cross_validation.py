"""`folds=5`: every setting trains five times in one stack, and is judged by what it did not see."""

import csv

import numpy as np
import pytest

import framework
from framework.core.errors import ConfigError

pytestmark = pytest.mark.usefixtures("unrendered")

WINE = ("dataset=wine", "dataset.scale=standard", "trainer.epochs=4", "tracking=none")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_folds_of_a_setting_train_in_one_stack(runs, capsys):
    swept = framework.sweep("folds=5", *WINE, verbose=True)
    printed = capsys.readouterr().out
    assert "5 jobs in 1 stack\n" in printed
    assert "over 5 folds" in printed
    rows = rows_of(swept.folder / "out_of_fold.csv")
    assert sorted(int(row["row"]) for row in rows) == list(range(142))  # 178 rows, 36 of them for the test
    accuracy = np.mean([row["target"] == row["class"] for row in rows])
    assert accuracy > 0.9


def test_a_fold_stacked_is_the_fold_alone(runs):
    swept = framework.sweep("folds=3", *WINE)
    alone = framework.run("folds=3", "fold=2", *WINE)
    held = [run.folder / "held_out.csv" for run in (swept[2], alone)]
    assert held[0].read_text() == held[1].read_text()
    assert swept[2].last["val/loss"] == alone.last["val/loss"]


def test_settings_are_averaged_over_folds_and_seeds(runs):
    swept = framework.sweep("folds=2", "seed=0,1", "optimizer.lr=0.1,0.01", "dataset.seed=0,1", *WINE)
    table = (swept.folder / "table.md").read_text().splitlines()
    assert [line.split("|")[1:3] for line in table[2:]] == [[" 0.01 ", " 8 "], [" 0.1 ", " 8 "]]
    assert table[0].split("|")[2] == " runs "
    rows = rows_of(swept.folder / "out_of_fold.csv")
    assert list(rows[0])[:4] == ["seed", "fold", "dataset.seed", "row"]


def test_a_regression_is_predicted_in_the_unit_of_its_target(runs):
    swept = framework.sweep("folds=2", "dataset=sine", "dataset.n=20", "trainer.epochs=2", "tracking=none", "metrics=[mae]")
    assert "| val/loss | val/mae |" in (swept.folder / "table.md").read_text()
    rows = rows_of(swept.folder / "out_of_fold.csv")
    assert list(rows[0]) == ["fold", "row", "target", "y"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["folds=3", "fold=5"], "fold: 5 does not exist; with folds=3 allowed: 0 ... 2"),
        (["fold=1"], "fold: 1 needs the number of folds: folds=5"),
        (["folds=1", "fold=0"], "folds: 1 must be at least 2"),
        (["folds=3"], r"fold=range\(3\): several values need `sweep`"),
        (["folds=2,3"], r"folds: one number, which is not swept \(got 2,3\)"),
    ],
)
def test_folds_that_do_not_exist_are_named(runs, words, message):
    with pytest.raises(ConfigError, match=message):
        framework.run(*words, *WINE)


def test_a_search_gives_a_trial_the_mean_over_its_folds(runs):
    search = ["hydra/sweeper=ant_colony", "hydra.sweeper.n_trials=5", "hydra.sweeper.k=3", "hydra.sweeper.ants=2"]
    swept = framework.sweep(*search, "folds=2", "optimizer.lr=interval(0.01,0.1)", *WINE)
    assert len(swept) == 10
    assert [job.overrides["fold"] for job in swept][:2] == ["0", "1"]
