"""Runs and sweeps from Python: what they give, what they record, what they leave as it was."""

import json
import logging
import multiprocessing.spawn
import os
import signal
import sys
import threading

import numpy as np
import pytest

import framework
from framework import result, run, sweep
from framework.core.errors import ConfigError, DataError, RunFailed
from framework.core.process import without_main
from framework.experiments.progress import ProgressBar
from framework.tracking.run_dir import read_state

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=3", "tracking=none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The working directory of these tests."""
    place, before = tmp_path_factory.mktemp("notebook"), os.getcwd()
    os.chdir(place)
    yield place
    os.chdir(before)


@pytest.fixture(scope="module")
def ran(place):
    return run(*QUICK, "seed=1")


@pytest.fixture(scope="module")
def swept(place):
    return sweep(*QUICK, "optimizer.lr=0.01,0.1", "seed=range(2)")


def test_a_run_gives_its_metrics_as_arrays(ran):
    steps, values = ran.metrics["val/loss"]
    assert steps.tolist() == [3, 6, 9]
    assert values[-1] == pytest.approx(ran.last["val/loss"])
    assert len(ran.metrics["grad_norm/hidden"].values) == 9
    assert "test/accuracy" in ran.last
    with pytest.raises(KeyError, match="did you mean 'val/loss'"):
        ran.metrics["val/los"]


def test_a_run_is_its_trained_network(ran):
    x = np.zeros((3, 2))
    assert ran(x).shape == (3, 2)
    assert (ran(x) == ran.model.predict(x)).all()
    assert (ran(x) == framework.load(str(ran.folder)).predict(x)).all()
    assert ran.networks == [ran.model]


def test_a_run_is_a_table_of_pandas(ran):
    table = ran.to_pandas()
    assert table.index.name == "step"
    assert table.index.tolist() == list(range(1, 10))
    assert table["val/loss"].dropna().tolist() == ran.metrics["val/loss"].values.tolist()
    assert table["grad_norm/hidden"].notna().all()
    assert table["epoch"].iloc[-1] == 3


def test_a_sweep_is_a_table_of_pandas(swept):
    table = swept.to_pandas()
    assert len(table) == 4
    assert table["optimizer.lr"].tolist() == [0.01, 0.01, 0.1, 0.1]
    assert table["val/loss"].tolist() == [job.last["val/loss"] for job in swept]


def test_without_pandas_the_error_says_so(swept, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="pandas is not installed"):
        swept.to_pandas()


def test_a_run_shows_itself(ran, capsys):
    assert "seed=1, finished: val/loss" in repr(ran)
    page = ran._repr_html_()
    assert page.count("<img") == len(ran.figures) > 0
    assert "<td>val/loss</td>" in page
    assert capsys.readouterr().out == ""


def test_the_record_is_that_of_the_shell(ran, place):
    assert ran.folder.parent == place / "runs"
    assert ran.folder.is_absolute()
    state = read_state(ran.folder)
    assert state["command"] == f"stackprop {' '.join(QUICK)} seed=1"
    assert (state["status"], ran.status) == ("finished", "finished")
    assert {".hydra", "config.yaml", "metrics.jsonl", "model.npz"} <= {path.name for path in ran.folder.iterdir()}
    assert result("last").folder.parent in (ran.folder.parent, *place.glob("runs/sweep-*"))
    assert result(ran.folder.name).last == ran.last
    with pytest.raises(ConfigError, match="unknown run or sweep 'nobody'"):
        result("nobody")


def test_runs_lie_where_the_environment_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path / "elsewhere"))
    found = run(*QUICK, verbose=True)
    assert found.folder.parent == tmp_path / "elsewhere"
    assert "val/accuracy" in capsys.readouterr().out


def test_a_sweep_gives_the_result_of_every_job(swept):
    assert [dict(job.overrides) for job in swept][1] == {"optimizer.lr": "0.01", "seed": "1"}
    assert [(row["optimizer.lr"], row["seed"]) for row in swept.table] == [(0.01, 0), (0.01, 1), (0.1, 0), (0.1, 1)]
    assert swept.table[3]["val/loss"] == swept[3].last["val/loss"]
    assert swept[0](np.zeros((1, 2))).shape == (1, 2)
    assert [path.name for path in swept.figures] == ["comparison.png"]
    assert "| lr | seeds |" in repr(swept)
    assert "<td>lr</td>" in swept._repr_html_()
    assert len(result(swept.folder.name)) == 4


def test_a_sweep_is_recorded_as_one_of_the_shell_and_can_be_resumed(swept, place):
    told = json.loads((swept.folder / "sweep.json").read_text())
    assert told["command"] == ["-m", *QUICK, "optimizer.lr=0.01,0.1", "seed=range(2)"]
    lost, kept = swept[2].folder, swept[3].folder
    before = read_state(kept)["started"]
    (lost / "run.json").write_text(json.dumps({**read_state(lost), "status": "killed"}))
    again = sweep("sweep.resume=last")
    assert again.folder == swept.folder
    assert [job.status for job in again] == ["finished"] * 4
    assert read_state(kept)["started"] == before


def test_a_job_that_fails_does_not_stop_the_others(place, capsys):
    words = ["dataset=sine", "dataset.n=20", "optimizer=sgd", "optimizer.lr=1e6,0.01", "trainer.epochs=2", "tracking=none"]
    assert [job.status for job in sweep(*words)] == ["diverged", "finished"]
    assert "failed: job 0" in capsys.readouterr().err


def test_swept_models_have_options_that_the_default_model_lacks(place):
    words = ["dataset=adding", "dataset.length=3", "trainer.steps=1", "tracking=none", "model.output=last"]
    assert len(sweep("model=rnn,gru", *words)) == 2
    with pytest.raises(ConfigError, match=r"model=mlp.*model\.output: not used by any layer"):
        sweep("model=rnn,mlp", *words)


def test_jobs_run_one_after_another_where_that_is_asked_for(place):
    words = [*QUICK, "seed=1,2", "hydra/launcher=basic"]
    jobs = sweep(*words)
    began = [read_state(job.folder)["started"] for job in jobs]
    again = sweep(*words, f"sweep.resume={jobs.folder.name}")
    assert [read_state(job.folder)["started"] for job in again] == began
    assert [read_state(job.folder)["tags"]["sweep.overrides"].split(",")[-1] for job in jobs] == ["seed=1", "seed=2"]


def test_a_study_gives_its_findings(place):
    found = run(
        "study=bias_variance", "study.members=3", "dataset=sine", "dataset.n=30", "trainer.epochs=2", "tracking=none"
    )
    assert "3 networks" in found.findings.summary
    assert "bias_variance/bias2" in found.metrics
    assert len(found.networks) == len(found.findings.outcomes) == 3
    assert found.networks[0](np.zeros((2, 1))).shape == (2, 1)
    assert f"<pre>{found.findings.summary[:5]}" in found._repr_html_()
    read = result(str(found.folder)).findings
    assert read.summary == found.findings.summary
    assert (read.arrays["predictions"] == found.findings.arrays["predictions"]).all()
    with pytest.raises(ConfigError, match="a study has no single network"):
        found.model


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lrr=0.1", "seed=x"], "optimizer.lrr: .* did you mean 'lr'.*\nseed: 'x' is not an integer"),
        (["model=mpl"], "model: unknown choice 'mpl'; did you mean 'mlp'"),
        (["modle=mlp"], "did you mean 'model'"),
        (["optimizer.lr=0.1,0.2"], "optimizer.lr=0.1,0.2: several values need `sweep`"),
        (["experiment=forget_bias"], "experiment=forget_bias: this is a sweep; use `sweep`"),
        (["optimizer=null"], "optimizer: unknown choice 'null'"),
        ([3], r"an override must be a string \(got 3\)"),
        ([["seed=1"]], r"an override must be a string \(got \['seed=1'\]\)"),
        (["plugins=[nothing.py]"], "plugins: .*nothing.py"),
        (["model.hidden=0"], "model.layers.hidden.units: 0 must be at least 1"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_shell_and_nothing_is_left(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(*words)
    assert not list(tmp_path.glob("runs/*"))


def test_one_bad_job_and_none_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"job 0 .*must be above 0\nno job was started \(2 in the sweep\)"):
        sweep("optimizer.lr=-1,0.1")
    assert not list(tmp_path.glob("runs/*"))


def test_a_file_that_cannot_be_used_is_told_so(place):
    with pytest.raises(DataError, match=r"nothing\.csv"):
        run("dataset=csv", "dataset.path=nothing.csv", "dataset.target=y")


def test_a_run_that_diverges_fails_and_says_where_it_is_written(place):
    with pytest.raises(RunFailed, match="diverged") as failed:
        run("dataset=sine", "optimizer=sgd", "optimizer.lr=1e6", "tracking=none")
    folder = failed.value.__notes__[0].removeprefix("written to ")
    assert result(folder).status == "diverged"


def test_a_run_that_is_interrupted_is_recorded_as_killed_and_leaves_nothing_behind(place, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "on_metrics", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(*QUICK)
    assert result("last").status == "killed"
    monkeypatch.undo()
    assert run(*QUICK).status == "finished"


def test_the_process_is_as_it_was(place, tmp_path, monkeypatch):
    def state():
        signals = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
        return os.getcwd(), dict(os.environ), signals, list(logging.root.handlers)

    monkeypatch.chdir(tmp_path)
    before = state()
    run(*QUICK)
    sweep(*QUICK, "seed=1,2")
    assert state() == before


def test_runs_on_other_threads_wait_for_each_other(place):
    found = []
    threads = [threading.Thread(target=lambda seed=seed: found.append(run(*QUICK, f"seed={seed}"))) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.overrides["seed"] for one in found} == {"1", "2"}
    assert [one.status for one in found] == ["finished", "finished"]


def test_a_process_of_its_own_does_not_begin_the_script_again():
    main = multiprocessing.spawn.sys.modules["__main__"]
    with without_main():
        assert not {"init_main_from_path", "init_main_from_name"} & set(multiprocessing.spawn.get_preparation_data("child"))
    assert multiprocessing.spawn.sys.modules["__main__"] is main
