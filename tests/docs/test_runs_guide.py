"""The guide on living with runs: its commands and its Python, one after the other in one folder."""

import re
import shlex
from pathlib import Path

import pytest

import framework

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "runs.md").read_text()
QUICK = ["trainer.steps=2", "tracking=none", "threads=1"]


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
def test_the_commands_of_the_guide_work_in_their_order(ask):
    asked, python = [], re.search(r"```python\n(.*?)```", GUIDE, re.S)[1]
    for line in re.findall(r"^\$ stackprop ?(.*)$", GUIDE, re.M):
        words = shlex.split(line)
        if "--dry-run" in words:  # all are there
            names = {}
            exec(python, names)
            assert (len(names["jobs"]), names["wide"].name, framework.result("wide").tags["paper"]) == (4, "wide", "fig4")
        is_run = words[0] == "-m" or "=" in words[0]
        status, out, err = ask(*words, *(QUICK if is_run else []))
        assert status == 0, (line, err)
        asked.append((words, out))
    assert "no run in runs has status=failed" in asked[-2][1]
    assert "5 runs deleted" in asked[-1][1]
    assert framework.runs() == []
