"""Installed plugins in every command: versions, load errors, plugins that are disabled or slow to import."""

import functools
import json
import sys
import time
from pathlib import Path

import pytest
from plugin_file import doubling

import framework
from framework import ConfigError
from framework.cli.command_line import execute
from framework.config.composition import compose
from framework.experiments import provenance
from framework.registry import discovery, installed
from framework.tracking.run_dir import tree_of_run

pytestmark = pytest.mark.usefixtures("unrendered")

BENT = doubling("bent")
SMALL = ("dataset=xor", "trainer.epochs=2", "tracking=none")
TORN = "plugin 'bent' of stackprop-bent could not be loaded: ModuleNotFoundError: No module named 'a_missing_module'"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the distribution stackprop-bent 1.2, first on the path; `site.again()` discovers it again."""
    about = tmp_path / "site" / "stackprop_bent-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stackprop-bent\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[stackprop]\nbent = stackprop_bent\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(installed, "_DISABLED", set())
    monkeypatch.setattr(provenance, "_SAID", set())

    def write(text):
        (tmp_path / "site" / "stackprop_bent.py").write_text(text)
        sys.modules.pop("stackprop_bent", None)
        installed.third_party.cache_clear()
        fresh = functools.cache(discovery.without.__wrapped__)
        monkeypatch.setattr(discovery, "without", fresh)
        monkeypatch.setattr(provenance, "without", fresh)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(BENT)
    yield write
    sys.modules.pop("stackprop_bent", None)
    installed.third_party.cache_clear()


@pytest.mark.slow
def test_every_command_that_misses_a_component_says_why(site, tmp_path, capsys):
    run = framework.run("activation=bent", *SMALL, "trainer.checkpoint_every=1").folder
    site("import a_missing_module\n")
    state = json.loads((run / "run.json").read_text())
    (tmp_path / "x.csv").write_text("x1,x2\n0,1\n")
    commands = [["activation=bent", *SMALL], ["model.layers.act.function=bent", *SMALL], ["model=of_it", *SMALL]]
    commands += [["check", "bent"]]
    commands += [["evaluate", str(run)], ["predict", str(run), "x.csv"], ["resume", str(run)]]
    (run / "run.json").write_text(json.dumps(state | {"status": "killed"}))  # it can be resumed
    for words in commands:
        capsys.readouterr()
        assert execute(words) == 2, words
        assert f"stackprop: {TORN}\n" in capsys.readouterr().err, words
    with pytest.raises(ConfigError, match=TORN):
        framework.load(str(run))


def test_a_rejected_component_is_named_with_its_reason(site, capsys):
    site(BENT.replace("@dataclass(frozen=True)", ""))
    assert execute(["activation=bent", *SMALL]) == 2
    message = capsys.readouterr().err
    assert "activation 'bent' of 'stackprop_bent': <class 'stackprop_bent.Twice'> is not a frozen dataclass" in message


def test_versions_of_plugins_are_shown_and_recorded(site, capsys):
    run = framework.run(*SMALL).folder  # it uses none of them
    assert json.loads((run / "plugins.json").read_text())["distributions"]["stackprop-bent"] == "1.2"
    with pytest.raises(SystemExit):
        execute(["--version"])
    assert "\nstackprop-bent 1.2\n" in capsys.readouterr().out
    execute(["plugins"])
    assert f"plugin        {'bent':24} {'stackprop_bent':26} stackprop-bent 1.2\n" in capsys.readouterr().out
    site("import a_missing_module\n")
    execute(["plugins"])
    assert "stackprop-bent 1.2 (not loaded)\n" in capsys.readouterr().out


def test_a_disabled_plugin_is_left_out(site, capsys):
    site("raise SystemExit('not me')\n")  # what a plugin does when it is imported does not happen
    run = framework.run("disable_plugins=[bent]", *SMALL).folder
    assert "stackprop_bent" not in sys.modules
    assert tree_of_run(run)["disable_plugins"] == ["bent"]
    framework.load(str(run))
    assert "stackprop_bent" not in sys.modules
    assert execute(["plugins", "disable_plugins=stackprop-bent"]) == 0
    assert "stackprop-bent 1.2 (disabled)\n" in capsys.readouterr().out
    assert execute(["disable_plugins=[bent]", "activation=bent"]) == 2
    assert "stackprop: plugin 'bent' of stackprop-bent is disabled by disable_plugins\n" in capsys.readouterr().err
    site(BENT)
    assert type(compose(["activation=bent"]).nodes["act"].layer.function).__name__ == "Twice"  # the next one loads it again


def test_a_plugin_that_is_not_installed_cannot_be_disabled(site, capsys):
    for words, message in {
        "disable_plugins=[bend]": "disable_plugins: unknown plugin 'bend'; did you mean 'bent'? (there are: bent, ",
        "disable_plugins=[layers]": "disable_plugins: unknown plugin 'layers'",
        "plugins.disable=[bent]": "plugins.disable: 'disable' is not an index, but the value is a list; disable_plugins",
    }.items():
        assert execute([words, *SMALL]) == 2
        assert f"stackprop: {message}" in capsys.readouterr().err


def test_a_plugin_that_is_slow_to_import_is_named(site, monkeypatch, caplog):
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(discovery, "time", type("Clock", (), {"perf_counter": lambda: next(clock), "time": time.time}))
    monkeypatch.setattr(discovery.log, "propagate", True)
    discovery.discover()
    lines = {line for line in caplog.messages if "to import" in line and "stackprop-bent" in line}
    assert lines == {"plugin 'bent' of stackprop-bent took 3.0 s to import; disable_plugins=[bent] leaves it out"}
    assert not any("'layers' of stackprop " in line for line in caplog.messages)


ANTS = ("hydra/sweeper=ant_colony", "optimizer.lr=interval(0.1,0.2)", "hydra.sweeper.k=2", "hydra.sweeper.n_trials=3")


@pytest.mark.parametrize("swept", [("seed=0,1,2",), ANTS], ids=["grid", "search"])
def test_a_sweep_that_goes_on_with_other_code_says_so(site, swept, ask):
    ask("-m", *SMALL, "activation=bent", *swept)
    (folder,) = (path.parent for path in Path("runs").glob("*/sweep.json"))
    assert "other code" not in ask("-m", "sweep.resume=last")[2]
    site(BENT.replace("2 *", "3 *"))
    line = "3 of its finished jobs used other code, and are not repeated: activation/bent is from stackprop-bent 1.2"
    assert f"stackprop: {folder}: {line}, which has changed since then\n" in ask("-m", "sweep.resume=last")[2]
