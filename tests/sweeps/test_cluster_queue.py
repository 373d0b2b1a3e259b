"""A cluster's queue: limits, refusals, tasks that a later launch waits for, and tasks that are started again."""

import json
import os
import shutil
import signal

import pytest
from clusters import Here, collect
from shell import QUICK, stackprop

from framework.core.errors import ConfigError, RunFailed
from framework.experiments.runner import RecordingCallback
from framework.sweeps import manifest
from framework.sweeps.executors import cluster
from framework.sweeps.executors.cluster import NotNowError, RefusedError, run_task
from framework.sweeps.executors.cluster_run import ClusterRun
from framework.sweeps.executors.submitted import Submitted, keep_tasks, not_started, numbers_of, read_tasks
from framework.sweeps.executors.task import task_of
from framework.sweeps.grouping import stacks
from framework.sweeps.launcher import tasks_of_before
from framework.sweeps.progress import Progress
from framework.sweeps.session import start_session
from framework.tracking.run_dir import read_state


class Queue(Here):
    """A cluster whose tasks train when they are looked at; its queue has room for some of them."""

    def __init__(self, room=9, refusing=(), error=None):
        super().__init__()
        self.room, self.refusing, self.numbers, self.left = room, refusing, [], {}
        self.error = error or RefusedError("a wrong account")

    def submit(self, task, number):
        if len(self.tasks) in self.refusing:
            self.refusing = [each for each in self.refusing if each != len(self.tasks)]
            raise self.error
        if len(self.left) >= self.room:
            raise NotNowError("no room")
        self.tasks.append(task)
        self.numbers.append(number)
        self.left[str(len(self.tasks))] = task
        return str(len(self.tasks))

    def ends(self, handle):
        return run_task(self.left.pop(handle), 0)

    def id_of(self, handle):
        return handle

    def find(self, ids):
        return {each: each for each in ids if each in self.left}


def test_a_full_queue_holds_stacks_back_and_loses_none(jobs, capsys):
    queue = Queue(room=1)
    values = collect(queue, stacks(jobs, 1))
    assert len(values) == len(jobs) == len(queue.tasks)
    assert [number for number, value in values.items() if isinstance(value, RunFailed)] == [2]  # it diverges
    assert capsys.readouterr().err.count("stackprop: no room; 5 stacks wait for it") == 1


def test_a_refusal_of_the_first_task_ends_the_sweep(jobs):
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.parameters: a wrong account; no job was started"):
        collect(Queue(refusing=[0]), stacks(jobs, 2))


@pytest.mark.parametrize("error", [RefusedError("a wrong account"), OSError(28, "No space left on device")])
def test_an_error_of_a_later_task_costs_its_jobs_only(jobs, error):
    values = collect(Queue(refusing=[1], error=error), stacks(jobs[:2], 1))
    assert isinstance(values[0], float)
    assert str(values[1]) in ("a wrong account", "No space left on device")


def test_the_lowest_free_number_goes_to_the_next_task(jobs):
    queue = Queue()
    run = ClusterRun(queue, stacks(jobs[:2], 1) + stacks(jobs[3:4], 1), 2, Progress(jobs))
    run.submit()
    run.look(run.running[0])
    run.submit()
    assert queue.numbers == [0, 1, 0]


def handed_over(jobs, queue):
    run = ClusterRun(queue, stacks(jobs, 2), None, Progress(jobs))
    return run.hand_over()


def test_a_sweep_is_submitted_without_waiting(jobs, tmp_path):
    queue, sweep = Queue(), tmp_path / "sweep-1"
    assert handed_over(jobs[:2], queue) == {}
    assert list(read_tasks(sweep).values()) == [Submitted("1", (0, 1))]
    assert list(not_started([sweep])) == [f"{sweep}: 2 submitted jobs have not started (cluster task 1)"]
    assert list(queue.left) == ["1"]


def test_without_room_for_all_stacks_the_others_are_reported(jobs):
    values = handed_over(jobs, Queue(room=1))
    assert {number: str(value) for number, value in values.items()} == dict.fromkeys(range(2, 6), "not submitted: no room")


def test_a_later_launch_waits_for_the_queue_and_submits_nothing_twice(jobs, tmp_path):
    queue, sweep = Queue(), tmp_path / "sweep-1"
    handed_over(jobs[:2], queue)
    with start_session(["-m"], {}):
        earlier = tasks_of_before(sweep, jobs[:2], queue)
        jobs[0].place.folder.mkdir(exist_ok=True)
        (jobs[0].place.folder / "run.json").write_text('{"status": "running"}')
        manifest.write_manifest(sweep, jobs[:2], numbers_of(earlier))  # job 0 is not refused: it is one of them
        (jobs[0].place.folder / "run.json").unlink()
        known = [(handle, [jobs[number] for number in task.jobs]) for task, handle in earlier.items()]
        values = ClusterRun(queue, [], None, Progress(jobs[:2]), known).collect()
    assert len(queue.tasks) == 1
    assert all(isinstance(value, float) for value in values.values())
    assert not (sweep / "tasks.json").exists()


def test_what_the_queue_has_lost_is_forgotten(jobs, tmp_path):
    queue, sweep = Queue(), tmp_path / "sweep-1"
    handed_over(jobs[:2], queue)
    (task,) = queue.left.values()
    queue.left = {}
    with start_session(["-m"], {}):
        assert tasks_of_before(sweep, jobs[:2], queue) == {}
        manifest.write_manifest(sweep, jobs[:2])
    assert run_task(task, 0)[0].reason == "the sweep was launched again before this job started"


def test_a_file_of_tasks_that_is_not_valid_names_none(tmp_path):
    (tmp_path / "tasks.json").write_text('{"a": 1, "b": {"id": 2, "jobs": []}, "c": {"id": "3", "jobs": ["x"]}}')
    assert read_tasks(tmp_path) == {}
    keep_tasks(tmp_path, ())


@pytest.fixture
def interrupted(monkeypatch):
    """Sends a signal to this process after the second validation of a task."""
    seen = []

    def on_metrics(self, member, step, values, before=RecordingCallback.on_metrics):
        before(self, member, step, values)
        seen.append(step)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGUSR2)

    monkeypatch.setattr(RecordingCallback, "on_metrics", on_metrics)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    asked = []
    monkeypatch.setattr(cluster, "requeue", lambda job: asked.append(job) or "")
    before = signal.signal(signal.SIGUSR2, signal.SIG_DFL)  # a command that was stopped in this process has left it ignored
    yield asked
    signal.signal(signal.SIGUSR2, before)


def recorded(job):
    return (job.place.folder / "metrics.jsonl").read_bytes(), read_state(job.place.folder)["metrics"]


@pytest.mark.parametrize("jobs", [["trainer.epochs=6"]], indirect=True)
def test_a_task_that_is_started_again_continues_to_the_same_bits(jobs, interrupted, monkeypatch):
    group = jobs[:2]
    task = task_of(group, "token")
    with pytest.raises(SystemExit):
        run_task(task, 0)
    assert interrupted == ["7"]
    assert {read_state(job.place.folder)["status"] for job in group} == {"killed"}
    assert all((job.place.folder / "checkpoint.npz").exists() for job in group)
    ends = run_task(task, 0)
    continued = [recorded(job) for job in group]
    assert [end.metrics["val/loss"] for end in ends] == [state["val/loss"] for _, state in continued]
    assert not any((job.place.folder / "checkpoint.npz").exists() for job in group)
    assert run_task(task, 0)[0].metrics == ends[0].metrics  # a third start repeats nothing
    assert recorded(group[0]) == continued[0]
    monkeypatch.delenv("SUBMITIT_EXECUTOR")
    collect(Here(), [group])  # sets the files aside, and trains from the start
    assert [recorded(job) for job in group] == continued


@pytest.mark.parametrize("jobs", [["trainer.epochs=6"]], indirect=True)
def test_a_task_without_a_checkpoint_is_not_started_again(jobs, interrupted, monkeypatch):
    monkeypatch.setattr(cluster, "saved_steps", lambda _: 0)
    (end,) = run_task(task_of(jobs[:1], "token"), 0)
    assert end.reason == "stopped by SIGUSR2: its time ended before the first checkpoint, so it is not started again"


@pytest.mark.parametrize("jobs", [["trainer.epochs=6"]], indirect=True)
def test_a_later_launch_continues_from_the_checkpoints(jobs, interrupted, monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "requeue", lambda _: "Requested operation is presently disabled")
    (end,) = run_task(task_of(jobs[:1], "token"), 0)
    assert end.reason == "stopped by SIGUSR2, and not started again (Requested operation is presently disabled)"
    value = collect(Here(), [jobs[:1]])[0]
    assert isinstance(value, float)
    assert json.loads((jobs[0].place.folder / "run.json").read_text())["resumed"]
    assert not (tmp_path / "sweep-1" / "attempts").exists()


@pytest.mark.slow
def test_resume_of_a_sweep_runs_its_missing_jobs(tmp_path):
    assert stackprop(tmp_path, "-m", *QUICK, "tracking=none", "seed=0,1", "hydra.sweep.dir=runs/s").returncode == 0
    shutil.rmtree(tmp_path / "runs" / "s" / "1")
    done = stackprop(tmp_path, "resume", "last")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 jobs had finished; 1 to go" in done.stdout
    assert (tmp_path / "runs" / "s" / "1" / "model.npz").exists()


@pytest.mark.slow
def test_a_sweep_that_waits_in_a_queue_is_the_last_one(tmp_path):
    assert stackprop(tmp_path, *QUICK, "tracking=none").returncode == 0
    sweep = tmp_path / "runs" / "waiting"
    sweep.mkdir()
    (sweep / "sweep.json").write_text(
        '{"command": [], "launched": 9e9, "jobs": {"0": {"folder": "0"}, "1": {"folder": "1"}}}'
    )
    (sweep / "tasks.json").write_text('{"token": {"id": "7", "jobs": [0, 1]}}')
    assert stackprop(tmp_path, "watch", "last", "--once").stdout.startswith("waiting: 0 done  2 left")
    line = "runs/waiting: 2 submitted jobs have not started (cluster task 7)"
    assert line in stackprop(tmp_path, "list").stdout
    assert f"waiting   {line}" in stackprop(tmp_path, "doctor").stdout
