"""Stacks that train elsewhere: as tasks of a cluster, and job by job under the launchers of others."""

import copy
import importlib.util
import json
import os
import shutil
import signal
import socket
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from clusters import Here, collect
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from plugin_file import doubling
from shell import QUICK, forked, newest, stackprop, until

from framework.cli import command_line as cli
from framework.config.presets import BoundedSource
from framework.core.arrays import trained_elsewhere
from framework.core.errors import ConfigError, RunFailed
from framework.sweeps import manifest
from framework.sweeps.composer import JobComposer
from framework.sweeps.executors import cluster, cluster_run
from framework.sweeps.executors.cluster import check_installed, run_task, task_options
from framework.sweeps.executors.cluster_run import ClusterRun, tail
from framework.sweeps.executors.ray_engine import Ray, reason_of
from framework.sweeps.executors.task import task_of
from framework.sweeps.grouping import stacks
from framework.sweeps.jobs import compose_jobs
from framework.sweeps.launcher import LaunchOptions
from framework.sweeps.progress import Progress
from framework.sweeps.session import start_session
from framework.tracking.run_dir import read_state

WORDS = [*QUICK, "tracking=none"]


def test_a_task_is_a_stack_and_every_job_a_run(jobs, capsys):
    here, groups = Here(), stacks(jobs, 2)
    values = collect(here, groups, 1)
    assert [len(task.members) for task in here.tasks] == [2, 2, 2]
    assert here.closed
    assert {number for number, value in values.items() if isinstance(value, RunFailed)} == {2}
    assert capsys.readouterr().err.count("failed: job 2 ") == 1
    assert values[0] == read_state(jobs[0].place.folder)["metrics"]["val/loss"]
    assert [read_state(job.place.folder)["status"] for job in jobs] == ["finished"] * 2 + ["diverged"] + ["finished"] * 3


def test_a_task_that_is_lost_costs_its_jobs_and_not_the_sweep(jobs, capsys):
    values = collect(Here(losing=[0]), stacks(jobs, 2))
    assert {number for number, value in values.items() if "power cut" in str(value)} == {0, 1}
    assert capsys.readouterr().err.count("its task was ended (a power cut)") == 2
    assert isinstance(values[4], float)


class Away(Here):
    """A cluster whose machine has another disk: it sees a copy of the sweep's record, and writes its runs there."""

    def __init__(self, disk):
        super().__init__()
        self.disk = disk

    def submit(self, task, number):
        there = self.disk / task.members[0][-1].folder.parent.name
        there.mkdir(parents=True, exist_ok=True)
        shutil.copy(task.members[0][-1].folder.parent / "sweep.json", there)
        moved = [
            (*trees, replace(place, folder=there / place.folder.name, runs=self.disk)) for *trees, place in task.members
        ]
        return super().submit(replace(task, members=tuple(moved)), number)


def test_a_result_counts_only_with_its_record_on_this_disk(jobs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster_run, "SEEN", 0.01)
    values = collect(Away(tmp_path / "other"), stacks(jobs[:2], 1))
    assert all(isinstance(value, RunFailed) for value in values.values())
    path, here = jobs[0].place.folder / "run.json", socket.gethostname()
    assert f"its record is not on {here} ({path}); put the folder of runs on a disk that every machine sees" in str(
        values[0]
    )
    assert "then run: stackprop -m sweep.resume=sweep-1" in capsys.readouterr().err


def test_a_record_that_a_network_disk_shows_late_is_waited_for(jobs, tmp_path):
    run = ClusterRun(Away(tmp_path / "other"), [jobs[:1]], None, Progress(jobs[:1]))
    run.submit()
    run.look(run.running[0])
    assert run.running
    shutil.copytree(tmp_path / "other" / "sweep-1" / "0", jobs[0].place.folder, dirs_exist_ok=True)
    assert isinstance(run.collect()[0], float)


def test_a_machine_that_does_not_see_the_sweep_trains_nothing(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SEEN", 0.01)
    place = replace(jobs[0].place, folder=tmp_path / "sweep-9" / "0")
    (end,) = run_task(replace(task_of(jobs[:1]), members=(({}, {}, place),)), 0)
    assert end.reason.startswith(f"{end.host} does not see the folder of the sweep, {tmp_path / 'sweep-9'}; put the folder")
    assert not (tmp_path / "sweep-9").exists()


def test_a_task_that_waited_until_the_sweep_was_launched_again_does_nothing(jobs, tmp_path):
    here = Here()
    collect(here, [jobs[:1]])
    before = (jobs[0].place.folder / "run.json").read_bytes()
    with start_session(["-m"], {}):
        manifest.write_manifest(tmp_path / "sweep-1", jobs)
    (end,) = run_task(here.tasks[0], 0)
    assert end.reason == "the sweep was launched again before this job started"
    assert (jobs[0].place.folder / "run.json").read_bytes() == before


def test_what_another_process_is_still_at_is_not_begun_again(jobs, tmp_path):
    jobs[3].place.folder.mkdir()
    (jobs[3].place.folder / "run.json").write_text('{"status": "running"}')
    with pytest.raises(ConfigError, match=r"job 3 of sweep-1 is still running in another process"):
        manifest.write_manifest(tmp_path / "sweep-1", jobs)


def test_the_lines_of_a_run_tell_how_far_it_is(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert tail(path) == []
    path.write_text('{"step": 1, "a": 2}\n{"step": 2, "a"')
    assert tail(path) == [{"step": 1, "a": 2}]
    path.write_text("".join(f'{{"step": {i}, "train/loss": 0.25}}\n' for i in range(1000)))
    assert [line["step"] for line in tail(path)] == list(range(1000 - len(tail(path)), 1000))
    assert 50 < len(tail(path)) < 200


def test_every_machine_and_every_gpu_gets_a_stack(jobs):
    def widest(how, xp=np):
        of = [SimpleNamespace(experiment=SimpleNamespace(xp=xp))] * 30
        return how.max_replicas(of)

    assert widest(LaunchOptions(n_jobs=4, cluster=Here)) == 8
    assert widest(LaunchOptions(max_stack=5, n_jobs=4, cluster=Here)) == 5
    assert widest(LaunchOptions(n_jobs=None, cluster=Here)) is None
    assert widest(LaunchOptions(n_jobs=4)) is None  # threads share one stack here
    assert widest(LaunchOptions(n_jobs=4), xp="cupy") == 8


@pytest.mark.parametrize("how", [LaunchOptions(max_stack=0), LaunchOptions(n_jobs="x"), LaunchOptions(n_jobs=-1)])
def test_a_number_of_the_launcher_that_is_none_is_told(how):
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.\w+: .* is not an integer of at least 1"):
        how.check()


def test_jobs_of_different_devices_share_no_stack(loader, tmp_path, monkeypatch):
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path))
    composer = JobComposer(*loader)
    composer.sweep = str(tmp_path / "sweep-1")
    with trained_elsewhere():
        found = compose_jobs(composer, [[*WORDS, f"device={name}"] for name in ("gpu", "cpu", "auto")], 0)
    assert [len(group) for group in stacks(found)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"wait": "x"}, "'x' is neither true nor false"), ({"wait": False}, "false needs SLURM")],
)
def test_not_waiting_needs_tasks_that_outlive_the_command(options, message):
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.wait: .*{message}"):
        LaunchOptions(n_jobs=None, cluster=Here, **options).check()


def test_the_reason_of_a_task_of_ray_is_that_of_its_exception():
    error = RuntimeError("a long story")
    assert reason_of(error) == "RuntimeError: a long story"
    error.cause = ValueError("the disk of node 7 is full\nmore")
    assert reason_of(error) == "ValueError: the disk of node 7 is full"


def test_what_a_cluster_of_ray_lacks_is_reported_once():
    ray = Ray.__new__(Ray)
    nodes = [{"Alive": True, "Resources": {"CPU": 4.0}}, {"Alive": False, "Resources": {"GPU": 8.0}}]
    ray.ray, ray.needs, ray.looked = SimpleNamespace(nodes=lambda: nodes), {"num_cpus": 2, "num_gpus": 1}, False
    assert ray.news() == ["stackprop: waiting for 1 GPU; the largest machine of the cluster has 0"]
    assert ray.news() == []
    nodes[1]["Alive"], ray.needs, ray.looked = True, {}, False
    assert "Ray hides the cluster's 8 GPUs from the tasks" in ray.news()[0]


def test_an_extra_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no_engine is not installed; pip install 'stackprop\[no_engine\]'"):
        check_installed("no_engine")
    assert task_options({"timeout_min": 60, "mem_gb": None}) == {"timeout_min": 60}


def test_a_launcher_of_others_runs_nothing_twice(loader, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path))

    def launched(*words):
        """What Hydra's own launchers do for a job."""
        cfg = loader[0].load_sweep_config(loader[1], [*WORDS, *words, "hydra/launcher=basic"])
        cfg.hydra.runtime.output_dir = str(tmp_path / "sweep-1" / "0")
        cfg.hydra.job.num, cfg.hydra.mode = 0, RunMode.MULTIRUN
        HydraConfig.instance().set_config(cfg)
        (tmp_path / "sweep-1" / "0" / ".hydra").mkdir(parents=True, exist_ok=True)
        return cli.task(cfg)

    value = launched()
    written = (tmp_path / "sweep-1" / "0" / "run.json").read_bytes()
    assert launched() == value
    assert (tmp_path / "sweep-1" / "0" / "run.json").read_bytes() == written
    launched("trainer.epochs=1")  # as if it had failed before: its configuration is another
    aside = read_state(tmp_path / "sweep-1" / "attempts" / "0-1")
    assert aside == json.loads(written) | {"tags": aside["tags"]}
    assert aside["tags"]["sweep"] == "sweep-1-attempt"
    assert sorted(p.name for p in (tmp_path / "sweep-1" / "0").iterdir())[0] == ".hydra"


def killed_in_the_middle(place, launcher, **environment):
    """A sweep of three stacks, two at once, with one of their processes killed."""
    words = ["-m", *QUICK[:-1], "model.hidden=4,5,6", "trainer.epochs=600", "seed=0,1", *launcher]
    process = forked(place, *words, UNRENDERED="1", **environment)

    def at_work():
        states = [json.loads(path.read_text()) for path in place.glob("runs/sweep-*/*/run.json")]
        return {state["process"]["pid"] for state in states if state["status"] == "running"}

    until(at_work, process, 180)
    os.kill(min(at_work()), signal.SIGKILL)
    done = process.end()
    assert done.returncode == 1, done.stderr
    return done.stderr, [json.loads(path.read_text())["status"] for path in place.glob("runs/sweep-*/*/run.json")]


ENGINES = {
    "submitit": (["hydra/launcher=submitit", "hydra.launcher.engine=local", "hydra.launcher.n_jobs=3"], {}),
    "ray": (["hydra/launcher=ray", "hydra.launcher.n_jobs=3"], {"RAY_AUTH_MODE": "disabled"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_task_costs_its_jobs_and_resume_repeats_them(engine, tmp_path):
    pytest.importorskip(engine, reason=f"the extra {engine} is not installed")
    launcher, environment = ENGINES[engine]
    err, ends = killed_in_the_middle(tmp_path, launcher, **environment)
    assert [": its task " in line for line in err.splitlines() if line.startswith("failed: job ")] == [True, True], err
    assert ends.count("finished") == 4, err
    assert set(ends) == {"finished", "lost"}
    done = stackprop(tmp_path, "-m", "sweep.resume=last", **environment)
    assert done.returncode == 0, done.stderr
    assert "4 of 6 jobs had finished; 2 to go" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert len(list(newest(tmp_path, "runs/sweep-*").glob("*/model.npz"))) == 6


def test_a_copy_of_hydras_state_has_hydras_own_sources(jobs):
    types = SourcesRegistry.instance().types
    assert types["file"] is BoundedSource
    assert copy.deepcopy(types)["file"].__name__ == "FileConfigSource"  # a process of joblib registers it again


@pytest.mark.slow
def test_joblib_trains_job_by_job_in_processes(tmp_path):
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        pytest.skip("the extra joblib is not installed")
    (tmp_path / "mine.py").write_text(doubling("twice"))
    words = ["plugins=[mine.py]", "activation=twice", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = stackprop(tmp_path, "-m", *WORDS, "seed=0,1,2", *words)
    assert done.returncode == 0, done.stderr
    states = [json.loads(path.read_text()) for path in tmp_path.glob("runs/sweep-*/*/run.json")]
    assert [state["status"] for state in states] == ["finished"] * 3
    assert len({state["process"]["pid"] for state in states}) > 1
