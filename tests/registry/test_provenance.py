"""Where the components of a run came from, and what a run reports when they have changed."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import framework
from framework.analysis.report.run_page import about
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments import provenance
from framework.experiments.loading import load
from framework.registry.discovery import discover, load_files
from framework.registry.registry import Source
from framework.tracking import origins
from framework.tracking.run_dir import RunLocation
from framework.tracking.run_record import tags_of

pytestmark = pytest.mark.usefixtures("unrendered")

TIMES = """
from dataclasses import dataclass
from framework import hookimpl

@dataclass(frozen=True)
class Times:
    '''y = {factor} x.'''
    def forward(self, x, ctx):
        return {factor} * x, None
    def backward(self, cache, dy, ctx):
        return {factor} * dy

@hookimpl
def register_activations(register):
    register("{name}", Times)
"""
SMALL = ("dataset=xor", "trainer.epochs=2", "tracking=none")
X = np.eye(2)


def write(path, factor=2, name="times"):
    path.write_text(TIMES.format(factor=factor, name=name))
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder of a run with a plugin of a single file, the file, and what the network says."""
    place = tmp_path_factory.mktemp("recorded")
    file = write(place / "times.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKPROP_RUNS", str(place / "runs"))
        folder = framework.run(f"plugins=[{file}]", "activation=times", *SMALL).folder
    return folder, file, load(folder).predict(X)


@pytest.fixture
def run(recorded, tmp_path, monkeypatch):
    """A copy of that run, its plugin as it was, and what the network says."""
    folder, file, y = recorded
    monkeypatch.setattr(provenance, "_SAID", set())
    write(file)
    yield Path(shutil.copytree(folder, tmp_path / "run")), file, y
    discover().forget_file(file)
    write(file)


def test_a_run_says_where_its_components_came_from(run):
    folder, file, _ = run
    record = json.loads((folder / "plugins.json").read_text())
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["components"]["layer/dense"] == {"distribution": "stackprop", "version": framework.__version__}
    assert record["components"]["activation/times"] == {"file": str(file), "sha256": sha256}
    assert {"dataset/xor", "optimizer/adam", "schedule/constant", "layer/activation"} <= record["components"].keys()
    assert record["files"] == {str(file): {"sha256": sha256, "kept": f"times-{sha256[:8]}.py"}}
    assert (folder / "plugins" / f"times-{sha256[:8]}.py").read_text() == file.read_text()
    place = RunLocation(folder, folder.parent, "run")
    assert tags_of(place, {"key": "k"})["stackprop.plugin.activation/times"] == f"times.py (SHA-256 {sha256[:8]})"
    assert ("Plugins", f"times.py (SHA-256 {sha256[:8]})") in about(folder, {})


def test_a_run_without_plugins_keeps_none(tmp_path):
    provenance.save_sources(compose([*SMALL]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plugins.json"]
    assert origins.tags(tmp_path) == {}
    assert "Plugins" not in dict(about(tmp_path, {}))


def test_a_plugin_of_before_that_a_run_uses_is_recorded_too(run, tmp_path):
    file = run[1]
    load_files([file])
    provenance.save_sources(compose(["activation=times", *SMALL]), tmp_path)  # it does not name the file
    assert json.loads((tmp_path / "plugins.json").read_text())["files"].keys() == {str(file)}


def test_the_copy_is_of_what_was_loaded(run, tmp_path):
    file = run[1]
    load_files([file])
    settings, text = compose(["activation=times", *SMALL]), file.read_bytes()
    file.unlink()  # in the middle of a long sweep
    provenance.save_sources(settings, tmp_path)
    assert [copy.read_bytes() for copy in (tmp_path / "plugins").iterdir()] == [text]


@pytest.mark.parametrize("happened", ["nothing", "edited", "gone"])
def test_a_run_says_the_same_whatever_happened_to_its_plugin(happened, run, capsys):
    folder, file, y = run
    if happened == "edited":
        write(file, factor=-3)
    elif happened == "gone":
        file.unlink()
    assert np.array_equal(load(folder).predict(X), y)
    load(folder)  # it is said once
    why = {"edited": "has changed since this run", "gone": "does not exist any more"}.get(happened)
    line = f"stackprop: {folder}: {file} {why}; the run's copy is used\n"
    assert capsys.readouterr().err == (line if why else "")


def test_what_a_run_loads_does_not_stay(run):
    folder, file, _ = run
    write(file, factor=-3)
    load_files([file])
    now = discover().get("activation", "times")
    load(folder)
    assert discover().get("activation", "times") is now
    assert now().forward(1, None)[0] == -3


def test_runs_of_two_plugins_of_one_name_stand_side_by_side(run, tmp_path, monkeypatch):
    folder, _, y = run
    other = write(tmp_path / "other.py", factor=-3)
    discover().forget_file(run[1])
    monkeypatch.setenv("STACKPROP_RUNS", str(tmp_path / "runs"))
    try:
        second = framework.run(f"plugins=[{other}]", "activation=times", *SMALL)
        assert np.array_equal(load(folder).predict(X), y)
        assert np.array_equal(load(second.folder).predict(X), second.model.predict(X))
    finally:
        discover().forget_file(other)


def test_a_plugin_that_changed_and_was_not_kept_is_used_with_a_warning(run, capsys):
    folder, file, y = run
    shutil.rmtree(folder / "plugins")
    write(file, factor=-3)
    load_files([file])  # the user has run it
    assert not np.array_equal(load(folder).predict(X), y)
    assert "has changed since this run, and the run has no copy; the current file is used" in capsys.readouterr().err


def test_a_copy_that_was_changed_is_not_used(run):
    folder, file, _ = run
    (copy,) = (folder / "plugins").iterdir()
    write(copy, factor=-3)
    file.unlink()
    with pytest.raises(ConfigError, match=r"times.py: this file does not exist"):
        load(folder)


def test_a_file_that_was_edited_is_read_again(run):
    file = run[1]
    load_files([file])
    assert discover().get("activation", "times")().forward(1, None)[0] == 2
    write(file, factor=5)
    load_files([file])
    assert discover().get("activation", "times")().forward(1, None)[0] == 5


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"distribution": "stackprop", "version": "0.0.9"}, "was from stackprop 0.0.9; now it is from stackprop {now}"),
        ({"distribution": "stackprop-x", "version": "2"}, "was from stackprop-x 2; now it is from stackprop {now}"),
        ({"distribution": "stackprop", "version": "{now}"}, None),
    ],
)
def test_another_version_is_reported(about, why, run, capsys):
    folder = run[0]
    now = framework.__version__
    record = json.loads((folder / "plugins.json").read_text())
    record["components"]["layer/dense"] = {key: value.format(now=now) for key, value in about.items()}
    (folder / "plugins.json").write_text(json.dumps(record))
    load(folder)
    assert capsys.readouterr().err == (f"stackprop: {folder}: layer/dense {why.format(now=now)}\n" if why else "")


def test_a_package_under_development_that_changed_is_reported(run, tmp_path, monkeypatch, capsys):
    folder = run[0]
    module = write(tmp_path / "stackprop_times.py", name="packed")
    monkeypatch.syspath_prepend(tmp_path)
    registry = discover().copy()
    registry.sources["stackprop_times"] = Source("stackprop-times", "1.0")
    registry.add("activation", "packed", __import__("stackprop_times").Times, "stackprop_times")
    entry = registry.entries["activation"]["packed"]
    about = provenance.origin(entry, registry)
    assert (about["distribution"], about["version"], len(about["sha256"])) == ("stackprop-times", "1.0", 64)
    provenance._compare(folder, {"activation/packed": about}, registry)
    assert capsys.readouterr().err == ""
    write(module, factor=-3, name="packed")
    provenance._compare(folder, {"activation/packed": about}, registry)
    line = "activation/packed is from stackprop-times 1.0, which has changed since this run"
    assert capsys.readouterr().err == f"stackprop: {folder}: {line}\n"
    provenance._compare(folder, {"activation/packed": about}, discover())
    line = "activation/packed was from stackprop-times 1.0, which does not provide it here"
    assert capsys.readouterr().err == f"stackprop: {folder}: {line}\n"
    del sys.modules["stackprop_times"]


TORN = ["", "[]", "3", '{"components": 3, "files": [1]}', '{"components": {"a": 1}, "files": {"b": 2}}']


@pytest.mark.parametrize("text", TORN)
def test_a_record_that_cannot_be_read_says_nothing(text, tmp_path):
    (tmp_path / "plugins.json").write_text(text)
    assert origins.read(tmp_path) == {"components": {}, "files": {}}
    assert origins.tags(tmp_path) == {}
