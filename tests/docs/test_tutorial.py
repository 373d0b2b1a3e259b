"""The tutorial's commands run one after another in one folder, as a reader types them."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import matplotlib
import pytest

import framework
from framework.cli import command_line as cli
from framework.cli.commands import VERBS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "start" / "tutorial.md").read_text()
QUICK = ["trainer.steps=2", "tracking=none"]
OF_THE_SHELL = ("make ", ". ", "mkdir ")


def blocks():
    """The files to save as (name, text), and the commands as (command, lines that it prints), in their order."""
    found = re.finditer(r"Save it as `([\w.]+)`[^`]*```python\n(.*?)```|```console\n(.*?)```", PAGE, re.S)
    for name, text, console in (match.groups() for match in found):
        if name:
            yield name, text
        for part in re.split(r"^\$ ", console or "", flags=re.M)[1:]:
            command, *printed = part.strip().splitlines()
            yield command, printed


def stackprop(words, monkeypatch):
    """The exit status of the command, run in this process."""
    monkeypatch.setattr(sys, "argv", ["stackprop"])
    try:
        cli.main(words if words and words[0] in VERBS else [*words, *QUICK])
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture
def quick_from_python(monkeypatch):
    whole = framework.sweep
    monkeypatch.setattr(framework, "sweep", lambda *words: whole(*words, *QUICK))
    matplotlib.use("Agg")


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path, monkeypatch, capsys, quick_from_python):
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for first, second in blocks():
        if isinstance(second, str):
            Path(first).write_text(second)
        elif first.startswith("python "):
            runpy.run_path(first.split()[1])
        elif not first.startswith(OF_THE_SHELL):
            capsys.readouterr()
            words = shlex.split(first)[1:]
            status = stackprop(words, monkeypatch)
            told = capsys.readouterr()
            complaints = [line for line in second if line.startswith("stackprop: ")]
            assert status == (2 if complaints else 0), (first, told.err)
            assert not complaints or told.err.splitlines() == complaints
            if words and words[0] in VERBS:
                assert {line.strip() for line in second if line != "..."} <= {line.strip() for line in told.out.splitlines()}
            ran += 1
    assert ran >= 10
    assert (tmp_path / "gradients.png").exists()
