"""A sweep from the shell: composed fast, stacked, resumed, summed up."""

import io
import json
import multiprocessing
import os
import re
import signal
import sys
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hydra.types import RunMode
from omegaconf import OmegaConf
from shell import QUICK, forked, newest, stackprop, until

from framework.config.composition import load_plugins_of, settings_of, settings_of_trees, task_part
from framework.core.errors import ConfigError
from framework.core.yaml_text import yaml_text
from framework.sweeps.composer import JobComposer
from framework.sweeps.executors import processes as workers
from framework.sweeps.grouping import stacks
from framework.sweeps.jobs import compose_jobs, job_of
from framework.sweeps.manifest import resumed, write_manifest
from framework.sweeps.progress import Progress
from framework.tracking.config_hash import config_hash
from framework.tracking.metrics_file import read_lines
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking
from framework.tracking.run_dir import read_state

JOBS = [
    ["optimizer.lr=0.1", "seed=1"],
    ["optimizer=sgd", "optimizer.lr=0.3"],
    ["optimizer=momentum", "seed=2"],
    ["optimizer={lr:0.3}"],
    ["model=rnn", "dataset=weather"],
    ["model=deep", "model.depth=3"],
    ["experiment=ridge", "regularizer.strength=0.1"],
    ["~model.layers.act"],
    ["model.layers.act=null"],
    ["model.layers.drop={type:dropout,keep:0.5,after:act}"],
    ["+model.layers.norm={type:batch_norm,after:hidden}"],
    ["regularizer=l2", "regularizer.strength=0.1"],
    ["probes=[dead,saturated]", "probes.dead.nodes=[act]"],
    ["augmentation=translate"],
    ["trainer.bptt.chunk=3", "model=gru", "dataset=weather"],
    ["tracking=none", "dtype=float64"],
    ["metrics=[accuracy]"],
    ["trainer.early_stopping.patience=3"],
    ["hydra.job.name=mine", "seed=4"],
]


def test_values_put_on_a_copy_give_what_a_full_composition_gives(loader):
    composer = JobComposer(*loader)
    for number, words in enumerate(JOBS):
        fast = composer.job(words, number)
        full = loader[0].load_sweep_config(loader[1], words)
        assert fast.task == OmegaConf.to_container(task_part(full), resolve=False), words
        assert fast.hydra["overrides"] == OmegaConf.to_container(full.hydra.overrides), words
        assert settings_of_trees(fast.resolved, fast.task) == settings_of(full)
    assert len(composer.bases) < len(JOBS)


COMMANDS = [  # what is the same for all jobs of a sweep
    "dataset=iris trainer.epochs=2 model.hidden=3 optimizer=sgd",
    "experiment=ridge dataset.n=20 regularizer.strength=0.5 hydra.launcher.max_stack=3",
    "dataset=iris model=deep model.depth=3 regularizer=null metrics=[accuracy,f1] name=mine",
    "model.layers.act=null trainer={epochs:2} augmentation=[]",
    "dataset=iris +model.layers.norm={type:batch_norm,after:hidden}",
    "dataset=iris ~model.layers.act tags.why=x",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_all_jobs_share_is_as_in_a_full_composition(command, loader):
    fixed = command.split()
    master = loader[0].load_configuration("config", [*fixed, "seed=1,2"], RunMode.MULTIRUN)
    for number, words in enumerate([[*fixed, "seed=1"], [*fixed, "optimizer=adam", "seed=2"]]):
        full = loader[0].load_sweep_config(master, words)
        fast = JobComposer(loader[0], master).job(words, number)
        assert fast.task == OmegaConf.to_container(task_part(full), resolve=False)
        whole = OmegaConf.to_container(full.hydra, resolve=False, enum_to_str=True)
        own = ("job", "runtime", "overrides", "sweeper")  # each its own, and what is swept, which no job needs
        assert {**fast.hydra, **dict.fromkeys(own)} == {**whole, **dict.fromkeys(own)}
        assert fast.hydra["overrides"] == whole["overrides"]
        assert settings_of_trees(fast.resolved, fast.task) == settings_of(full)


def test_a_job_does_not_see_the_values_of_the_one_before(loader):
    composer = JobComposer(*loader)
    composer.job(["optimizer.lr=5"], 0)
    rates = [composer.job([f"seed={i}"], i).task["optimizer"]["lr"] for i in range(1, 5)]
    assert set(rates) == {rates[0]} != {5}


ALIKE = [  # jobs that set the same keys, given by the values of each
    ("optimizer.lr=0.1 seed=1", "optimizer.lr=0.2 seed=1", "optimizer.lr=0.3 seed=2", "optimizer.lr=1 seed=2"),
    ("model.hidden=3", "model.hidden=4", "model.hidden=5"),
    (
        "model=lstm dataset=hello model.hidden=3",
        "model=lstm dataset=hello model.hidden=4",
        "model=lstm dataset=hello model.hidden=9",
    ),
    ("trainer.early_stopping.patience=null", "trainer.early_stopping.patience=2", "trainer.early_stopping.patience=3"),
    ("activation=tanh dtype=float64", "activation=tanh dtype=float32", "activation=tanh dtype=float64"),
]


@pytest.mark.parametrize("jobs", ALIKE, ids=lambda jobs: jobs[0])
def test_jobs_alike_are_made_without_hydra(loader, jobs, monkeypatch):
    composer = JobComposer(*loader)
    for number, words in enumerate(jobs[:2]):
        composer.job(words.split(), number)
    monkeypatch.setattr(composer, "_composed", None)
    for number, words in enumerate(jobs[2:], 2):
        fast, full = composer.job(words.split(), number), loader[0].load_sweep_config(loader[1], words.split())
        assert fast.task == OmegaConf.to_container(task_part(full), resolve=False)
        assert fast.resolved == OmegaConf.to_container(task_part(full), resolve=True)
        assert fast.hydra["overrides"] == OmegaConf.to_container(full.hydra.overrides)
        assert (fast.hydra["job"]["num"], fast.folder) == (number, fast.hydra["runtime"]["output_dir"])


@pytest.mark.parametrize("words", ["optimizer.lr=${seed}", "~model.layers.act", "optimizer={lr:0.3}"])
def test_a_job_that_changes_more_than_values_is_composed(loader, words):
    composer = JobComposer(*loader)
    for number in range(3):
        composer.job([words, "seed=1"], number)
    assert composer.makers
    assert not any(maker and maker.checked for maker in composer.makers.values())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("optimizer.lr=-1", "optimizer.lr: -1.0 must be above 0"),
        ("model.hiden=3", "did you mean 'hidden'"),
        ("+model.hiden=3", "model.hiden: not used by any layer; did you mean 'hidden'"),
        ("optimizer=adm", "optimizer: unknown choice 'adm'; did you mean 'adam'"),
        ("+model.layers.x={_target_:os.system}", "not allowed"),
        ("dataset=csv", "dataset.path: missing"),
    ],
)
def test_a_bad_job_is_named_before_any_has_begun(loader, words, expected):
    with pytest.raises(ConfigError) as error:
        compose_jobs(JobComposer(*loader), [["seed=1"], [words]], 0)
    assert f"job 1 ({words}): " in str(error.value)
    assert expected in str(error.value)
    assert "no job was started (2 in the sweep)" in str(error.value)


OPTIMIZER = """
from dataclasses import dataclass
from framework import hookimpl, option

@dataclass(frozen=True)
class Drag:
    lr: float = option(0.1, above=0, stackable=True, help="learning rate")
    drag: float = option(0.5, stackable=True, help="of the last step")
    kind: int = option(1, help="not stackable")

    def init(self, w):
        return {}

    def update(self, w, g, state, lr, ctx):
        w -= lr * (1 - ctx.per(self.drag, w)) * g

@hookimpl
def register_optimizers(register):
    register("drag", Drag)
"""


def test_an_option_of_others_stacks_by_its_own_declaration(loader, tmp_path, monkeypatch):
    (tmp_path / "drag.py").write_text(OPTIMIZER)
    words = [*QUICK, "tracking=none", f"plugins=[{tmp_path}/drag.py]", "optimizer=drag"]
    load_plugins_of(words)
    swept = ["optimizer.drag=0.1", "optimizer.kind=2", "optimizer.drag=0.3", "seed=1"]
    jobs = compose_jobs(JobComposer(*loader), [[*words, word] for word in swept], 0)
    assert [[job.number for job in group] for group in stacks(jobs)] == [[0, 2, 3], [1]]
    assert [len(group) for group in stacks(jobs, 2)] == [2, 1, 1]
    monkeypatch.setattr("framework.training.memory.free_memory", lambda xp: 1)
    assert [len(group) for group in stacks(jobs)] == [1, 1, 1, 1]


def test_progress_tells_jobs_done_the_best_so_far_and_the_time_left(loader, monkeypatch, capsys):
    jobs = compose_jobs(JobComposer(*loader), [[*QUICK, "tracking=none", f"seed={s}"] for s in range(3)], 0)
    monkeypatch.setattr("framework.sweeps.progress.PATIENCE", 0.0)
    progress = Progress(jobs, done=2)
    watch = progress.callback(jobs)
    watch.on_metrics(1, 3, {"val/loss": 0.5})
    watch.on_metrics(0, 3, {"val/loss": 0.7})
    watch.on_steps(1, 1, (), np.zeros((3, 0)))
    progress.finished(jobs[:1])
    shown = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"2/5 jobs  \d+ s, \d+ s left  best val/loss 0\.5 \(.*seed=1\)", shown[0])
    assert "3/5 jobs" in (shown[-1] if len(shown) > 1 else progress._jobs())


def test_progress_is_a_bar_on_a_terminal(loader, monkeypatch):
    jobs = compose_jobs(JobComposer(*loader), [[*QUICK, "tracking=none", f"seed={s}"] for s in range(2)], 0)
    monkeypatch.setattr("sys.stderr", Terminal())
    progress = Progress(jobs)
    progress.callback(jobs).on_metrics(0, 3, {"val/loss": 0.25})
    progress.finished(jobs)
    progress.say("failed: job 1")
    text = "".join(str(cell) for cell in progress.bar.get_renderable().renderables[0].columns[-1]._cells)
    progress.close()
    assert "best val/loss 0.25" in text
    assert "failed: job 1" in sys.stderr.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def runs_of(place, sweep):
    store = MlflowStore(Tracking(), place / "runs")
    found = store.client.search_runs([store.experiment_id], f"tags.sweep = '{sweep.name}'")
    return store, [r for r in found if r.data.tags.get("kind") != "sweep"], [r for r in found if "kind" in r.data.tags]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def swept(place):
    """Four seeds at three learning rates, one of them too large for the network."""
    words = ["seed=range(4)", "optimizer=sgd", "optimizer.lr=0.1,1,1e30", "activation=linear", "loss=softmax_cross_entropy"]
    done = stackprop(place, "-m", *QUICK, *words)
    return done, newest(place, "runs/sweep-*")


@pytest.mark.slow
def test_jobs_that_fail_do_not_stop_the_others_and_the_end_tells_of_them(swept):
    done, sweep = swept
    assert done.returncode == 1
    assert done.stderr.count("failed: job ") == 4
    states = {int(path.parent.name): json.loads(path.read_text())["state"] for path in sweep.glob("*/run.json")}
    assert {number for number, state in states.items() if state == "FAILED"} == {2, 5, 8, 11}
    assert len(states) == 12


def test_the_table_is_sorted_and_names_the_folders(swept):
    lines = [line for line in swept[0].stdout.splitlines() if line.endswith(("0, 3, 6, 9", "1, 4, 7, 10", "2, 5, 8, 11"))]
    assert [line.split()[0] for line in lines] == ["1", "0.1", "1e+30"]
    assert "±" in lines[0]
    assert "diverged" in lines[2]


def test_each_job_has_a_folder_as_hydra_leaves_it(swept):
    folder = swept[1] / "5"
    assert sorted(p.name for p in (folder / ".hydra").iterdir()) == ["config.yaml", "hydra.yaml", "overrides.yaml"]
    overrides = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text())
    assert overrides == [*QUICK, "seed=1", *yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text())[5:]]
    assert yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())["optimizer"]["lr"] == 1e30
    assert yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text())["hydra"]["job"]["num"] == 5


def test_each_job_is_a_run_of_its_own_and_the_sweep_has_one_that_sums_up(place, swept):
    store, jobs, summary = runs_of(place, swept[1])
    assert (len(jobs), len(summary)) == (12, 1)
    assert sorted(run.info.status for run in jobs) == ["FAILED"] * 4 + ["FINISHED"] * 8
    for run in jobs:
        lines = read_lines(swept[1] / run.data.tags["stackprop.folder"].rsplit("/", 1)[1] / "metrics.jsonl")
        assert run.data.params["seed"] in "0123"
        points = store.client.get_metric_history(run.info.run_id, "train/loss")
        assert len(points) == sum("train/loss" in line and "grad_norm/total" in line for line in lines)
    finished = [read_state(swept[1] / str(n))["metrics"]["val/loss"] for n in (1, 4, 7, 10)]
    assert summary[0].data.metrics["mean/val/loss"] == pytest.approx(sum(finished) / 4)  # the best row's
    assert {"mean/val/loss", "std/val/loss", "mean/val/accuracy"} <= summary[0].data.metrics.keys()
    note = summary[0].data.tags["mlflow.note.content"]
    assert note.startswith("**12 jobs: 8 finished, 4 diverged. Best: ")
    assert note.index("    stackprop -m ") < note.index("| lr |") < note.index("![comparison](get-artifact?")
    assert {f.path for f in store.client.list_artifacts(summary[0].info.run_id)} >= {"comparison.png", "table.md"}


def test_the_best_job_alone_has_figures_and_a_model_in_the_store(place, swept):
    store, jobs, summary = runs_of(place, swept[1])
    with_figures = {run.info.run_id for run in jobs if store.client.list_artifacts(run.info.run_id, "figures")}
    assert with_figures == {summary[0].data.tags["sweep.best"]}


@pytest.mark.slow
def test_what_has_finished_is_not_run_again(place, swept):
    before = {path.parent.name: path.stat().st_mtime_ns for path in swept[1].glob("*/run.json")}
    done = stackprop(place, "-m", f"sweep.resume={swept[1].name}")
    assert done.returncode == 1  # the four fail again
    assert "8 of 12 jobs had finished; 4 to go" in done.stdout
    after = {path.parent.name: path.stat().st_mtime_ns for path in swept[1].glob("*/run.json")}
    assert {name for name in after if after[name] != before[name]} == {"2", "5", "8", "11"}
    assert len(list((swept[1] / "attempts").iterdir())) == 4
    _, jobs, summary = runs_of(place, swept[1])
    assert (len(jobs), len(summary)) == (12, 1)


def test_another_command_is_a_new_sweep(place, swept, monkeypatch):
    monkeypatch.chdir(place)
    assert resumed(["-m", "sweep.resume=last"])[-1].startswith("hydra.sweep.dir=")
    with pytest.raises(ConfigError, match=r"started with a different command \(seed=9 differs\)"):
        resumed(["-m", "sweep.resume=last", *json.loads((swept[1] / "sweep.json").read_text())["command"], "seed=9"])
    with pytest.raises(ConfigError, match="unknown sweep 'sweep-0'"):
        resumed(["-m", "sweep.resume=sweep-0"])
    assert resumed(["-m", "seed=1,2"]) is None
    elsewhere = resumed(["-m", "sweep.resume=last", "hydra.launcher.n_jobs=2"])
    assert elsewhere[-2:] == ["hydra.launcher.n_jobs=2", f"hydra.sweep.dir={swept[1].relative_to(place)}"]


def test_a_changed_preset_is_told(place, swept, tmp_path):
    told = json.loads((swept[1] / "sweep.json").read_text())
    told["jobs"]["3"]["hash"] = "another"
    (tmp_path / "runs" / "sweep-1").mkdir(parents=True)
    (tmp_path / "runs" / "sweep-1" / "0").mkdir()
    (tmp_path / "runs" / "sweep-1" / "0" / "run.json").write_text("{}")
    (tmp_path / "runs" / "sweep-1" / "sweep.json").write_text(json.dumps(told))
    done = stackprop(tmp_path, "-m", "sweep.resume=last")
    assert done.returncode == 2
    assert "the configuration of job 3 has changed since sweep-1 started" in done.stderr


def test_the_first_key_that_has_changed_is_named(jobs):
    folder, sweep = jobs[1].place.folder, jobs[1].place.folder.parent
    folder.mkdir()
    before = {**jobs[1].experiment.settings.tree, "seed": 7}
    (folder / "config.yaml").write_text(yaml_text(before))
    content = json.loads((sweep / "sweep.json").read_text())
    content["jobs"]["1"]["hash"] = config_hash(before)
    (sweep / "sweep.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"job 1 has changed since sweep-1 started \(seed was 7, is now 1\); sweep again"):
        write_manifest(sweep, jobs)


@pytest.mark.slow
def test_a_killed_sweep_loses_nothing_that_finished_and_runs_nothing_twice(tmp_path):
    words = ["-m", *QUICK[:-1], "model.hidden=4,5,6", "trainer.epochs=300", "seed=0,1"]
    process = forked(tmp_path, *words, UNRENDERED="1")

    def finished():
        return [p for p in tmp_path.glob("runs/sweep-*/*/run.json") if json.loads(p.read_text())["status"] == "finished"]

    def measured(path):  # what the store had not got yet is sent, and `run.json` says so
        state = {
            key: value for key, value in json.loads(path.read_text()).items() if key not in ("tracked", "mlflow_run_id")
        }
        return state, path.with_name("metrics.jsonl").read_bytes(), path.with_name("model.npz").read_bytes()

    until(lambda: len(finished()) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.end()
    sweep = newest(tmp_path, "runs/sweep-*")
    before = {path: measured(path) for path in finished()}
    done = stackprop(tmp_path, "-m", "sweep.resume=last")
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} of 6 jobs had finished; {6 - len(before)} to go" in done.stdout
    assert len(finished()) == 6
    assert all(measured(path) == content for path, content in before.items())
    _, jobs, summary = runs_of(tmp_path, sweep)
    assert (len(jobs), len(summary)) == (6, 1)
    assert {run.info.status for run in jobs} == {"FINISHED"}


def test_a_worker_that_died_before_it_got_its_jobs_costs_them_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "task_of", lambda group: "task")
    worker = object.__new__(workers.Worker)
    worker.pipe, theirs = multiprocessing.Pipe()
    theirs.close()
    worker.process = SimpleNamespace(join=lambda: None, exitcode=-9)
    worker.start([SimpleNamespace(place=SimpleNamespace(runs=tmp_path))], SimpleNamespace(callback=lambda group: None))
    (end,) = workers._receive(worker)
    assert end.reason == "its process was ended (SIGKILL)"


@pytest.mark.slow
def test_a_killed_worker_costs_its_jobs_and_not_the_sweep(tmp_path):
    words = ["-m", *QUICK[:-1], "model.hidden=4,5,6", "trainer.epochs=1500", "seed=0,1", "hydra.launcher.n_jobs=2"]
    process = forked(tmp_path, *words, UNRENDERED="1")

    def at_work():
        states = [json.loads(p.read_text()) for p in tmp_path.glob("runs/sweep-*/*/run.json")]
        return {state["process"]["pid"] for state in states if state["status"] == "running"}

    until(lambda: len(at_work()) == 2, process)
    os.kill(min(at_work()), signal.SIGKILL)
    done = process.end()
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("its process was ended (SIGKILL)") >= 2
    ends = [json.loads(p.read_text())["status"] for p in tmp_path.glob("runs/sweep-*/*/run.json")]
    assert ends.count("finished") == 4, done.stdout
    assert set(ends) == {"finished", "lost"}  # the other of the two may not even have begun its record


ONE_KEY_EACH = [
    "seed=0,1",
    "optimizer=adam,sgd",
    "optimizer.lr=0.1,0.2",
    "optimizer.groups=[{match:'*.b',lr:0.1}],[{match:'*.b',lr:0.2}],[]",
    "schedule=constant,exponential",
    "regularizer=null,l2",
    "initializer.gain=1,2",
    "model.hidden=4,5",
    "model.layers.hidden.frozen=false,true",
    "activation=relu,tanh",
    "loss=auto,softmax_cross_entropy",
    "metrics=auto,[f1],{f1:{type:f1,average:macro}}",
    "probes=[],[dead]",
    "dataset.val=true,false",
    "dataset.seed=0,1",
    "dataset.scale=none,standard",
    "trainer.epochs=1,2",
    "trainer.clip_norm=null,1",
    "dtype=float32,float64",
    "folds=2 fold=0,1",
]


@pytest.mark.parametrize("swept", ONE_KEY_EACH)
def test_jobs_that_share_parts_are_as_composed_alone(swept, loader):
    """Parts of a configuration that several jobs have alike are parsed once: no job may get a part of another one."""
    *fixed, last = swept.split(" ")
    key, _, values = last.partition("=")
    words = [[*fixed, f"{key}={value}"] for value in re.split(r",(?![^\[{]*[\]}])", values)]
    words = [["dataset=xor", *each] for each in [*words, *words]]
    composer = JobComposer(*loader)
    shared = [job_of(composer, each, number).experiment for number, each in enumerate(words)]
    alone = [job_of(JobComposer(*loader), each, number).experiment for number, each in enumerate(words)]
    for one, other in zip(shared, alone, strict=True):
        for each in fields(one.learner):
            assert getattr(one.learner, each.name) == getattr(other.learner, each.name), each.name
        assert one.settings == other.settings
        assert (one.steps, one.validations, one.epoch) == (other.steps, other.validations, other.epoch)
        assert (one.scale.to_json(), one.data.fields) == (other.scale.to_json(), other.data.fields)
        assert all(np.array_equal(a, other.data.splits[s][f]) for s, v in one.data.splits.items() for f, a in v.items())
    assert shared[0].settings.tree != shared[1].settings.tree
