"""A closed pipe costs what would have been printed, and nothing else."""

import os
import subprocess
import sys

import pytest

from framework.cli.command_line import main
from framework.core.pipes import BrokenPipeTolerant
from framework.tracking.run_dir import read_state


@pytest.fixture
def closed():
    """A stream whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        yield stream


def test_what_nobody_reads_is_dropped(closed):
    stream = BrokenPipeTolerant(closed)
    print("x" * 100_000, file=stream)
    print("more", file=stream, flush=True)
    closed.close()  # where what it kept would be written


def test_a_sweep_whose_output_nobody_reads_is_recorded_to_its_end(closed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setenv("STACKPROP_RUNS", "runs")
    with pytest.raises(SystemExit) as end:
        main(["-m", "dataset=sine", "dataset.n=20", "trainer.epochs=1", "tracking=none", "model.hidden=4", "seed=0,1"])
    assert end.value.code == 0
    (sweep,) = tmp_path.glob("runs/sweep-*")
    assert [read_state(sweep / str(job))["status"] for job in range(2)] == ["finished"] * 2
    assert (sweep / "table.md").exists()


def test_a_closed_stream_does_not_give_its_number_to_a_file(tmp_path):
    lines = "import os; from framework.core.pipes import open_closed; open_closed(); print(1, flush=True); os.stat(0)"
    opened = f"assert os.open({str(tmp_path / 'store')!r}, os.O_CREAT) > 2"
    command = f'exec "{sys.executable}" -c "{lines}; {opened}" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
