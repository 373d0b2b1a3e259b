"""Verbs of the shell and figures of a run, brought by plugins."""

from dataclasses import dataclass

import pytest

import framework
from framework import option
from framework.analysis.figures import FIGURES, MORE
from framework.analysis.sweep_figures import KINDS
from framework.cli.command_line import execute
from framework.cli.commands import VERBS
from framework.core.errors import RegistrationError
from framework.registry.discovery import discover
from framework.registry.names import TAKEN
from framework.registry.registry import Registry
from framework.testing import conformance

PLUGIN = '''
from dataclasses import dataclass
from framework import hookimpl, option

@dataclass(frozen=True)
class Live:
    """Shows its arguments."""

    times: int = option(1, least=1)

    def __call__(self, arguments):
        print(" ".join(arguments * self.times))
        return 3 if arguments else None

@dataclass(frozen=True)
class Curve:
    metric: str = "val/loss"

    def __call__(self, run):
        from matplotlib.figure import Figure
        fig = Figure()
        fig.subplots().plot(*run.series[self.metric].T)
        return fig

@hookimpl
def register_commands(register):
    register("live", Live)

@hookimpl
def register_figures(register):
    register("curve", Curve)
'''
SMALL = ("dataset=xor", "trainer.epochs=2", "tracking=none", "plugins=[live.py]")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live.py").write_text(PLUGIN)
    yield tmp_path
    discover().forget_file(tmp_path / "live.py")


def test_a_plugin_brings_a_verb(place, capsys):
    assert execute(["live", "last", "times=2", "plugins=[live.py]"]) == 3
    assert capsys.readouterr().out == "last last\n"
    assert execute(["live"]) == 0
    for arguments, message in {
        ("live", "times=0"): "stackprop: live.times: 0 must be at least 1\n",
        ("live", "tims=1"): "stackprop: live.tims: command 'live' has no such option; did you mean 'times'?",
        ("live", "times=[1"): "stackprop: times=[1: cannot be parsed; write times='...'\n",
        ("life",): "stackprop: unknown verb 'life'; did you mean 'live'?",
    }.items():
        capsys.readouterr()
        assert execute(list(arguments)) == 2
        assert capsys.readouterr().err.startswith(message)
    execute(["--help"])
    assert "\n    live       Shows its arguments.\n" in capsys.readouterr().out


def test_a_plugin_brings_a_figure(place, capsys):
    run = framework.run(*SMALL, "figures=[curve]", "figures.curve.metric=train/loss")
    assert "curve.png" in {path.name for path in run.figures}
    before = len(run.figures)
    run = framework.run(*SMALL, "figures=curve", "figures.curve.metric=val/lss")  # it fails, and the run does not
    assert run.status == "finished"
    assert len(run.figures) == before - 1


def test_names_of_ours_are_taken():
    assert set(TAKEN["command"]) == set(VERBS)
    assert set(TAKEN["figure"]) == {*FIGURES, *MORE, *KINDS}

    @dataclass(frozen=True)
    class Mine:
        n: int = option(1)

    for kind, names in TAKEN.items():
        with pytest.raises(RegistrationError, match="stackprop has one of that name; choose another name"):
            Registry().add(kind, names[0], Mine, "mine")


def checked(kind, **members):
    """check -> the error of the kit on a component with these members."""
    found = {}
    for check in conformance(kind, dataclass(frozen=True)(type("Mine", (), {"__doc__": "Mine.", **members}))()):
        try:
            check()
        except AssertionError as error:
            found[check.name] = str(error)
    return found


def test_the_kit_checks_figures_and_commands():
    assert checked("command", __call__=lambda self, arguments: 0) == {}
    assert "must take a list of arguments" in checked("command", __call__=lambda self: 0)["signature"]
    assert "docstring" in checked("command", __call__=lambda self, arguments: 0, __doc__=None)["signature"]
    assert checked("figure", __call__=lambda self, run: None) == {}
    assert "a run with metrics: a str, not a" in checked("figure", __call__=lambda self, run: "a")["draws"]
    missing = checked("figure", __call__=lambda self, run: run.series["val/loss"] and None)
    assert missing["draws"]

    def writes(self, run):
        (run.folder / "more.txt").write_text("")

    assert "it changed the folder of the run" in checked("figure", __call__=writes)["draws"]
