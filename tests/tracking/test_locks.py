"""A run is taken as lost only with proof: a free lock is none where a disk has no locks, or locks of one machine only."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from framework.core.errors import StillRunning
from framework.core.writing import write_json
from framework.experiments.sync import close_lost_runs, close_unlocked
from framework.tracking import owner
from framework.tracking.folders import walk
from framework.tracking.locks import lock_runs
from framework.tracking.owner import SILENCE, start_of, this_process
from framework.tracking.run_dir import read_state

# A process that has a run, on a disk whose locks always succeed.
RUNS_ONE = """
import fcntl, sys, time
from pathlib import Path
fcntl.flock = lambda *_: None
from framework.tracking.locks import lock_runs
held = lock_runs(Path(sys.argv[1]), [Path(sys.argv[1]) / "a"])
print("running", flush=True)
time.sleep(60)
"""


@pytest.fixture
def lying(monkeypatch):
    """Locks of this process always succeed, whoever has them."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)


@pytest.fixture
def runs(tmp_path):
    """A folder of runs with a run `a` that goes on, as far as its record says."""
    running(tmp_path, "a")
    return tmp_path


def running(runs, name, **more):
    (runs / name).mkdir()
    (runs / name / "config.yaml").write_text("tracking: {type: none}\n")
    write_json(runs / name / "run.json", {"status": "running", "started": time.time(), **more})
    return runs / name


@pytest.fixture
def process(runs):
    """Another process that has the run `a`."""
    child = subprocess.Popen([sys.executable, "-c", RUNS_ONE, str(runs)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "running\n"
    yield child
    child.kill()
    child.communicate()


def status(runs, name="a"):
    return read_state(runs / name)["status"]


def marked(runs, **changes):
    """The marker of the run `a`, changed as if another process had written it."""
    ours = lock_runs(runs, [runs / "a"])
    ours.lock.release()
    text = json.loads(ours.marker.read_text())
    ours.marker.write_text(json.dumps({**text, "process": {**text["process"], **changes}}))
    return ours.marker


def silent(marker, seconds):
    os.utime(marker, (time.time() - seconds,) * 2)


def test_a_live_run_is_not_lost_where_locks_lie(runs, process, lying):
    assert close_lost_runs(runs) == []
    assert status(runs) == "running"
    with pytest.raises(StillRunning, match=rf"a: still running in process {process.pid} on .*"):
        lock_runs(runs, [runs / "a"])


def test_a_killed_run_is_lost_at_once_where_locks_lie(runs, process, lying):
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert close_lost_runs(runs) == [(runs / "a").resolve()]
    assert status(runs) == "lost"
    assert not list((runs / ".running").glob("*"))


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not tell a zombie")
def test_a_process_that_nobody_has_waited_for_is_dead(runs, process, lying):
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert len(close_lost_runs(runs)) == 1


def test_a_process_number_that_was_given_again_is_another(runs):
    marked(runs, pid=os.getppid(), started=1)
    assert len(close_lost_runs(runs)) == 1


def test_a_run_of_another_machine_is_lost_after_silence(runs):
    marker = marked(runs, machine="another", host="node7")
    silent(marker, SILENCE / 2)
    assert close_lost_runs(runs) == []
    with pytest.raises(StillRunning, match="on node7, 60 s ago alive; a process that was killed counts as such after 120 s"):
        lock_runs(runs, [runs / "a"])
    silent(marker, SILENCE + 1)
    assert len(close_lost_runs(runs)) == 1


def test_a_task_that_a_cluster_has_ended_is_lost_at_once(runs):
    marked(runs, machine="another")
    assert close_lost_runs(runs, dead=[runs / "b"]) == []
    assert len(close_lost_runs(runs, dead=[runs / "a"])) == 1


def test_a_run_that_this_process_left_is_lost(runs):
    ours = lock_runs(runs, [runs / "a"])
    assert close_lost_runs(runs) == []
    ours.release()
    assert not ours.marker.exists()
    marked(runs, started=1)
    assert len(close_lost_runs(runs)) == 1


def test_a_marker_of_an_older_version_means_its_lock(runs):
    marker = marked(runs)
    text = json.loads(marker.read_text())
    marker.write_text(json.dumps({"folders": text["folders"]}))
    assert len(close_lost_runs(runs)) == 1


def test_a_disk_without_locks_has_heartbeats(runs, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    ours = lock_runs(runs, [runs / "a"])
    assert close_lost_runs(runs) == []
    ours.release()
    assert not ours.marker.exists()


def test_a_marker_is_touched_while_its_process_lives(runs, monkeypatch):
    monkeypatch.setattr(owner, "BEAT", 0.01)
    heart = owner.Heart()
    marker = runs / "marker"
    marker.touch()
    silent(marker, 100)
    heart.add(marker)
    deadline = time.monotonic() + 60
    while time.time() - marker.stat().st_mtime > 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    heart.ended.set()
    assert time.time() - marker.stat().st_mtime < 50


def test_a_run_without_a_marker_is_lost_if_its_process_is(runs):
    parent = os.getppid()
    running(runs, "other", process={**this_process(), "pid": parent, "started": start_of(parent)})
    running(runs, "gone", process={**this_process(), "started": 1})
    running(runs, "far", process={**this_process(), "machine": "another"})
    assert close_unlocked(runs, walk(runs).records) == [runs / "a", runs / "gone"]
    for name in ("far", "other"):
        assert status(runs, name) == "running"
    for file in (runs / "far").iterdir():
        silent(file, SILENCE + 1)
    assert close_unlocked(runs, walk(runs).records) == [runs / "far"]
