"""The state of a run whose process was killed, before `stackprop doctor` or another run has ended it."""

import json
import os
import subprocess
import sys

import pytest

from framework.analysis.comparison import read_job
from framework.analysis.listing.difference import row_of
from framework.analysis.report.run_page import facts
from framework.api.results import RunResult
from framework.tracking.locks import current_state
from framework.tracking.owner import this_process


@pytest.fixture
def recorded(tmp_path):
    """Writes the record of a running run, of this process with changes."""

    def write(**changes):
        state = {"status": "running", "tags": {}, "command": "stackprop", "process": {**this_process(), **changes}}
        (tmp_path / "run.json").write_text(json.dumps(state))
        (tmp_path / "config.yaml").write_text("seed: 0\n")
        (tmp_path / "metrics.jsonl").write_text('{"step": 1, "train/loss": 1.0}\n')
        return tmp_path

    return write


@pytest.fixture
def killed(recorded):
    """The folder of a run whose process has ended without a record of it."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return recorded(pid=process.pid)


def test_a_killed_run_is_lost_in_every_view(killed):
    before = (killed / "run.json").read_bytes()
    assert current_state(killed)["reason"] == "its process was killed"
    views = [read_job(killed).status, row_of(killed).status, facts(killed)["status"], RunResult(killed).status]
    assert views == ["lost"] * 4
    assert (killed / "run.json").read_bytes() == before


def test_a_run_of_a_living_process_or_another_machine_is_running(recorded):
    assert current_state(recorded())["status"] == "running"
    assert current_state(recorded(machine="elsewhere", pid=1 << 22))["status"] == "running"
    assert current_state(recorded(started=1, pid=os.getpid()))["status"] == "lost"  # the number was given again
