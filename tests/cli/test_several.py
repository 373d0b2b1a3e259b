"""Commands that take several runs: their results side by side."""

import subprocess
import sys
from pathlib import Path

import pytest

from framework.tracking.naming import distinct

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ["dataset=wine", "trainer.epochs=1", "model.hidden=3", "tracking=none", "threads=1"]


def test_several_runs_are_measured_and_compared(ask, tmp_path):
    assert ask("-m", *QUICK, "optimizer.lr=0.1,0.2", "name=rates", "hydra.sweep.dir=runs/s")[0] == 0
    lines = ask("evaluate", "rates/0", "rates/1")[1].splitlines()
    assert [line for line in lines if line.endswith(":")] == ["runs/s/0:", "runs/s/1:"]
    assert sum(line.startswith("val/loss ") for line in lines) == 2
    assert "unknown run 'nothing'" in ask("evaluate", "rates/0", "nothing")[2]
    status, _, err = ask("compare", "rates/1", "rates/0", "to=here")
    assert status == 0, err
    assert (tmp_path / "here" / "comparison.png").exists()
    table = (tmp_path / "here" / "table.md").read_text()
    assert table.splitlines()[0].startswith("| lr | seeds | val/loss ")
    assert {line.split()[1] for line in table.splitlines()[2:]} == {"0.1", "0.2"}
    assert ask("compare", "rates")[0] == 0
    assert "rates/0: this is one run; with what? stackprop compare rates/0 RUN" in ask("compare", "rates/0")[2]
    assert "unknown sweep 'rate' in runs; did you mean 'rates'" in ask("compare", "rate")[2]


def test_runs_of_one_name_are_distinct_by_folder():
    assert distinct(["wide", "deep", "wide"], [Path("a/1"), Path("a/2"), Path("a/3")]) == ["wide (1)", "deep", "wide (3)"]


def test_the_verbs_on_records_start_fast():
    verbs = ", ".join(f"framework.cli.commands.{verb}" for verb in ("list", "tag", "delete", "diff"))
    code = f"import sys, {verbs}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"mlflow", "hydra", "matplotlib", "cupy", "sklearn"}
    assert not heavy & set(found)
