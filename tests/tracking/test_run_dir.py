"""How runs and sweeps are named and found, and that no two of them share a folder."""

import json

import numpy as np
import pytest

from framework.core.errors import ConfigError
from framework.tracking.metrics_file import read_lines
from framework.tracking.run_dir import all_sweeps, find_run, find_sweep, read_state, runs_dir, store_dir

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=wine", "dataset.scale=standard", "trainer.epochs=3", "model.hidden=3", "tracking=none", "threads=1"]


def value(folder):
    return read_state(folder)["metrics"]["val/loss"]


def test_last_is_found_outside_the_folder_of_runs(ask, tmp_path):
    ask(*QUICK)
    ask(*QUICK, "seed=1", "hydra.run.dir=mine")
    assert find_run("last", runs_dir()).resolve() == tmp_path / "mine"
    ask("-m", *QUICK, "seed=2,3", "hydra.sweep.dir=grid")
    assert find_sweep("last").resolve() == tmp_path / "grid"
    assert find_run("last", runs_dir()).parent.resolve() == tmp_path / "grid"
    assert store_dir(tmp_path / "mine") == tmp_path / "runs"


def test_runs_outside_are_found_after_the_project_is_moved(ask, tmp_path, monkeypatch):
    (tmp_path / "before").mkdir()
    monkeypatch.chdir(tmp_path / "before")
    ask(*QUICK, "hydra.run.dir=mine")
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path / "after")
    assert find_run("last", runs_dir()).resolve() == tmp_path / "after" / "mine"


def test_looking_at_an_older_sweep_does_not_make_it_the_last(ask):
    for name in ("one", "two"):
        ask("-m", *QUICK, "seed=0,1", f"hydra.sweep.dir=runs/{name}")
    ask("compare", "one")
    assert find_sweep("last").name == "two"
    assert [folder.name for folder in all_sweeps(runs_dir())] == ["one", "two"]


def test_best_is_the_best_seed_of_the_best_mean(ask, tmp_path):
    _, out, _ = ask("-m", *QUICK, "optimizer.lr=0.001,0.1", "seed=0,1,2", "hydra.sweep.dir=runs/s")
    values = np.array([value(tmp_path / "runs" / "s" / str(i)) for i in range(6)])
    assert values[3:].mean() < values[:3].mean()
    best = 3 + int(values[3:].argmin())
    assert find_run("best", runs_dir()).name == find_run("s/best", runs_dir()).name == str(best)
    assert f"best: optimizer.lr=0.1: val/loss {values[3:].mean():.4g} ± {values[3:].std():.2g} over 3 seeds" in out
    _, out, _ = ask("evaluate", "best")
    assert f"val/loss {values[best]:.6g}" in out


def test_what_a_search_looks_for_decides_which_job_is_best(ask, tmp_path):
    goal = ["hydra/sweeper=ant_colony", "hydra.sweeper.k=2", "hydra.sweeper.ants=3", "hydra.sweeper.n_trials=3"]
    goal += ["hydra.sweeper.metric=val/loss", "hydra.sweeper.direction=maximize"]  # the worst, on purpose
    ask("-m", *QUICK, *goal, "optimizer.lr=tag(log,interval(1e-4,0.1))", "hydra.sweep.dir=runs/s")
    found = [value(path.parent) for path in sorted(tmp_path.glob("runs/s/*/run.json"))]
    assert value(find_run("best", runs_dir())) == max(found)


def test_without_a_finished_sweep_there_is_no_best(ask):
    assert ask("evaluate", "best")[0] == 2
    ask(*QUICK)
    with pytest.raises(ConfigError, match="there is no sweep yet"):
        find_run("best", runs_dir())


def test_a_folder_is_not_used_for_two_runs(ask, tmp_path):
    assert ask(*QUICK, "hydra.run.dir=mine")[0] == 0
    before = (tmp_path / "mine" / "metrics.jsonl").read_bytes()
    status, _, err = ask(*QUICK, "seed=1", "hydra.run.dir=mine")
    assert (status, "hydra.run.dir: 'mine' already holds a run (finished)" in err) == (2, True)
    assert (tmp_path / "mine" / "metrics.jsonl").read_bytes() == before


def test_folders_of_jobs_are_named_by_their_own_values(ask, tmp_path):
    ask("-m", *QUICK, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=s", "hydra.sweep.subdir=lr${optimizer.lr}")
    assert {name: read_state(tmp_path / "s" / name)["status"] for name in ("lr0.1", "lr0.2")} == {
        "lr0.1": "finished",
        "lr0.2": "finished",
    }
    assert len([line for line in read_lines(tmp_path / "s" / "lr0.1" / "metrics.jsonl") if line["step"] == 1]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lr=0.1,0.2", "hydra.sweep.subdir=same"], "jobs 0 and 1 would both be written to 'same'"),
        (["optimizer.lr=0.1,0.2", "hydra.sweep.subdir=a/${hydra.job.num}"], "got 'a/0'"),
        (["seed=1,1"], "are identical, since a value is given twice"),
        (["optimizer.lr=0.1,1e-1"], "are identical, since a value is given twice"),
    ],
)
def test_jobs_that_would_mix_are_refused_before_any_starts(ask, tmp_path, words, message):
    status, _, err = ask("-m", *QUICK, "hydra.sweep.dir=s", *words)
    assert status == 2
    assert message in err
    assert not (tmp_path / "s").exists()


def test_compare_writes_beside_the_table_of_the_sweep(ask, tmp_path):
    ask("-m", *QUICK, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=s")
    own = {name: (tmp_path / "s" / name).read_bytes() for name in ("table.md", "comparison.png", "sweep.json")}
    ask("compare", "s", "y=grad_norm/hidden")
    ask("compare", "s", "y=val/accuracy", "to=here/new")
    assert {name: (tmp_path / "s" / name).read_bytes() for name in own} == own
    for folder in (tmp_path / "s" / "comparisons" / "y=grad_norm_hidden", tmp_path / "here" / "new"):
        assert sorted(path.name for path in folder.iterdir()) == ["comparison.png", "table.md"]
    assert "grad_norm/hidden" in (tmp_path / "s" / "comparisons" / "y=grad_norm_hidden" / "table.md").read_text()


def test_the_record_says_which_metrics_are_better_low(ask, tmp_path):
    nll = "metrics={nll:{type:loss,loss:softmax_cross_entropy},accuracy:{type:accuracy}}"
    ask("-m", *QUICK, nll, "optimizer.lr=1e-4,0.1", "hydra.sweep.dir=s", "figure.y=val/nll")
    assert json.loads((tmp_path / "s" / "0" / "run.json").read_text())["lower_is_better"]["val/nll"] is True
    assert find_run("s/best", runs_dir()).name == "1"
    assert (tmp_path / "s" / "table.md").read_text().splitlines()[2].startswith("| 0.1 |")


def test_a_damaged_record_is_reported(ask, tmp_path):
    ask(*QUICK, "hydra.run.dir=mine")
    with open(tmp_path / "mine" / "metrics.jsonl", "a") as file:
        file.write("garbage\n")
    status, _, err = ask("report", "mine")
    lines = len((tmp_path / "mine" / "metrics.jsonl").read_text().splitlines())
    assert (status, f"metrics.jsonl: line {lines} is not valid" in err) == (2, True)
    (tmp_path / "mine" / "run.json").write_text("[]")
    assert "run.json cannot be read" in ask("evaluate", "mine")[2]


def test_a_sweep_is_not_taken_for_a_run(ask):
    ask("-m", *QUICK, "seed=0,1", "hydra.sweep.dir=runs/s")
    assert "s: this is a sweep; use s/best for its best job" in ask("evaluate", "s")[2]
    with pytest.raises(ConfigError, match="not a name of a run"):
        find_run(3, runs_dir())
