"""Code that somebody else names: nothing of it runs until the user says so."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_file import doubling

import framework
from framework.cli.commands import doctor, evaluate, generate, predict, resume
from framework.core import trust
from framework.core.errors import ConfigError
from framework.experiments.loading import load
from framework.experiments.sync import close_lost_runs, sync_to_mlflow
from framework.registry.discovery import discover, load_files
from framework.tracking.locks import lock_runs

pytestmark = pytest.mark.usefixtures("unrendered")


def marking(mark):
    """A plugin that writes the file `mark` when it is imported."""
    return doubling("twice", f'Path(r"{mark}").write_text("this code has run")')


SMALL = ("dataset=xor", "trainer.epochs=2", "tracking=none")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run with a plugin of a single file, the plugin, and what it writes when it runs."""
    place = tmp_path_factory.mktemp("stranger")
    file, mark = place / "twice.py", place / "mark"
    file.write_text(marking(mark))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKPROP_RUNS", str(place / "runs"))
        folder = framework.run(f"plugins=[{file}]", "activation=twice", *SMALL).folder
    return folder, file, mark


@pytest.fixture
def stranger(recorded, tmp_path, monkeypatch):
    """That run as it lies in the folder of runs of somebody who has never seen the plugin; and the mark."""
    runs = tmp_path / "runs"
    folder = Path(shutil.copytree(recorded[0], runs / "theirs"))
    monkeypatch.setenv("STACKPROP_RUNS", str(runs))
    forget(monkeypatch, tmp_path)
    discover().forget_file(recorded[1])
    recorded[2].unlink(missing_ok=True)
    yield folder, recorded[2]
    discover().forget_file(recorded[1])


def abandoned(runs, folder):
    """Mark a run as that of a process that has ended."""
    ours = lock_runs(runs, [folder])
    ours.lock.release()
    text = json.loads(ours.marker.read_text())
    ours.marker.write_text(json.dumps({**text, "process": {**text["process"], "started": 1}}))


def forget(monkeypatch, tmp_path):
    """Be another user."""
    monkeypatch.setattr(trust, "_HERE", set())
    monkeypatch.setenv("STACKPROP_STATE", str(tmp_path / "state"))


WAYS = {
    "evaluate": lambda folder: evaluate.main([str(folder)]),
    "predict": lambda folder: predict.main([str(folder), "x.csv"]),
    "generate": lambda folder: generate.main([str(folder), "--prompt", "a"]),
    "load": lambda folder: framework.load(str(folder)),
    "result": lambda folder: framework.result(str(folder)).model,
    "init_from": lambda folder: framework.run(*SMALL, f"model.init_from={folder}"),
    "rerun": lambda folder: framework.rerun(str(folder)),
    "resume": lambda folder: framework.resume(str(folder), "trainer.epochs=+1"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("original", ["there", "gone"])
def test_a_run_of_a_stranger_runs_no_code(way, original, stranger, recorded):
    folder, mark = stranger
    aside = recorded[1].rename(recorded[1].with_suffix(".aside")) if original == "gone" else None
    try:
        with pytest.raises(ConfigError) as told:
            WAYS[way](folder)
    finally:
        if aside:
            aside.rename(recorded[1])
    sha256 = json.loads((folder / "plugins.json").read_text())["files"][str(recorded[1])]["sha256"]
    code = folder / "plugins" / f"twice-{sha256[:8]}.py" if aside else recorded[1]
    assert f"{code}: a recorded run or a preset names this code, which you have not run here" in str(told.value)
    assert f"(SHA-256 {sha256})" in str(told.value)
    assert f"--trust or plugins=[{code}]" in str(told.value)
    assert not mark.exists()


def test_a_run_without_a_record_of_its_plugins_runs_no_code(stranger):
    folder, mark = stranger
    (folder / "plugins.json").unlink()
    with pytest.raises(ConfigError, match="which you have not run here"):
        load(folder)
    assert not mark.exists()


def test_a_record_that_claims_a_known_hash_runs_no_code(stranger, recorded, tmp_path):
    folder, mark = stranger
    known = tmp_path / "known.py"
    known.write_text(marking(tmp_path / "other"))
    load_files([known])
    about = json.loads((folder / "plugins.json").read_text())
    about["files"][str(recorded[1])]["sha256"] = discover().files[known]
    (folder / "plugins.json").write_text(json.dumps(about))
    try:
        with pytest.raises(ConfigError, match="which you have not run here"):
            load(folder)
    finally:
        discover().forget_file(known)
    assert not mark.exists()


def test_a_run_is_not_resumed_with_code_of_a_stranger(stranger):
    folder, mark = stranger
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "status": "killed"}))
    (folder / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(ConfigError, match="which you have not run here"):
        resume.main([str(folder)])
    assert not mark.exists()


def test_code_runs_where_the_user_says_so_and_then_again(stranger, capsys):
    folder, mark = stranger
    assert evaluate.main([str(folder), "--trust"]) == 0
    assert "val/loss" in capsys.readouterr().out
    assert mark.exists()
    trust._HERE.clear()  # another process of the same user
    load(folder)


def test_code_that_the_user_names_runs_and_is_known_from_then_on(stranger, recorded):
    folder, _ = stranger
    framework.run(f"plugins=[{recorded[1]}]", "activation=twice", *SMALL)
    trust._HERE.clear()
    load(folder)


def test_an_experiment_may_be_trusted_as_a_whole(stranger):
    folder, mark = stranger
    with trust.trusting(True):
        framework.run(*SMALL, f"model.init_from={folder}")
    assert mark.exists()


def test_a_preset_that_names_code_runs_none(stranger, recorded, tmp_path):
    preset = tmp_path / "mine" / "experiment" / "theirs.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# @package _global_\nplugins: [{recorded[1]}]\n")
    words = [f"hydra.searchpath=[file://{tmp_path}/mine]", "experiment=theirs", *SMALL]
    with pytest.raises(ConfigError, match=r"plugins: .*a recorded run or a preset names this code"):
        framework.run(*words)
    assert not stranger[1].exists()
    with trust.trusting(True):
        framework.run(*words)
    assert stranger[1].exists()


def test_a_configuration_is_shown_without_running_what_it_names(stranger, recorded, tmp_path):
    preset = tmp_path / "mine" / "experiment" / "theirs.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# @package _global_\nplugins: [{recorded[1]}]\nactivation: {{type: twice}}\n")
    command = [
        sys.executable,
        "-m",
        "framework.cli.command_line",
        "--config-dir",
        preset.parent.parent,
        "experiment=theirs",
        "--cfg",
        "job",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "type: twice" in done.stdout
    assert not stranger[1].exists()


def test_a_resumed_sweep_runs_no_code_of_a_stranger(stranger, recorded):
    sweep = stranger[0].parent / "sweep-theirs"
    (sweep / "0").mkdir(parents=True)
    (sweep / "0" / "run.json").write_text("{}")
    (sweep / "sweep.json").write_text(json.dumps({"command": ["-m", f"plugins=[{recorded[1]}]", *SMALL, "seed=1,2"]}))
    with pytest.raises(ConfigError, match="which you have not run here"):
        framework.sweep("sweep.resume=sweep-theirs")
    assert not stranger[1].exists()


# ---- what only reads


def test_doctor_is_content_with_runs_whose_plugin_is_gone(stranger, recorded, capsys):
    folder, mark = stranger
    for number in range(5):
        shutil.copytree(folder, folder.with_name(f"theirs{number}"))
        (folder.with_name(f"theirs{number}") / "config.yaml").write_text("plugins: [/no/where.py]\ntracking: {type: none}\n")
    assert sync_to_mlflow(folder.parent) == ([], [])
    assert doctor.main([]) == 0
    assert "store     has every run" in capsys.readouterr().out
    assert not mark.exists()


@pytest.mark.slow
def test_a_lost_run_whose_plugin_is_gone_is_ended_at_once(stranger):
    folder, mark = stranger
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "status": "running"}))
    (folder / "config.yaml").write_text("plugins: [/no/where.py]\ntracking: {type: mlflow, uri: 'http://127.0.0.1:9'}\n")
    abandoned(folder.parent, folder)  # its process is gone
    framework.run(*SMALL)
    assert json.loads((folder / "run.json").read_text())["status"] == "lost"
    assert close_lost_runs(folder.parent) == []
    assert not mark.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "not json", '{"folders": 3}', '{"folders": [3]}', '{"folders": ["/no/where"]}']
)
def test_a_marker_that_says_nothing_stops_nobody(text, tmp_path):
    (tmp_path / ".running").mkdir()
    (tmp_path / ".running" / "x.json").write_text(text)
    assert close_lost_runs(tmp_path) == []
    assert not list((tmp_path / ".running").glob("*.json"))


@pytest.mark.parametrize("text", ["", "[]", "3", "not json"])
def test_a_record_that_says_nothing_stops_nobody(text, tmp_path):
    folder = tmp_path / "torn"
    folder.mkdir()
    (folder / "run.json").write_text(text)
    abandoned(tmp_path, folder)
    assert close_lost_runs(tmp_path) == []


# ---- the list


def test_the_list_lies_where_the_user_keeps_state(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STACKPROP_STATE", "")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert trust.state_dir() == tmp_path / ".local" / "state" / "stackprop"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert trust.state_dir() == tmp_path / "state" / "stackprop"
    monkeypatch.setenv("STACKPROP_STATE", str(tmp_path / "own"))
    assert trust.state_dir() == tmp_path / "own"


@pytest.mark.parametrize("text", ["", "[]", "{", "3", '"abc"'])
def test_a_list_that_cannot_be_read_trusts_nothing(text, monkeypatch, tmp_path):
    forget(monkeypatch, tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "trusted.json").write_text(text)
    assert not trust.is_trusted("abc")
    trust.trust("abc", tmp_path / "a.py")
    trust._HERE.clear()
    assert trust.is_trusted("abc")


def test_where_nothing_can_be_written_the_process_remembers(monkeypatch, tmp_path):
    forget(monkeypatch, tmp_path)
    (tmp_path / "state").write_text("a file where the folder should be")
    trust.trust("abc", tmp_path / "a.py")
    assert trust.is_trusted("abc")


def test_the_list_keeps_what_several_processes_add(monkeypatch, tmp_path):
    forget(monkeypatch, tmp_path)
    code = "import sys\nfrom pathlib import Path\nfrom framework.core.trust import trust\n"
    code += "for i in range(20): trust(sys.argv[1] + str(i), Path('a.py'))"
    started = [subprocess.Popen([sys.executable, "-c", code, name], env={**os.environ}) for name in "abc"]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert len(json.loads((tmp_path / "state" / "trusted.json").read_text())) == 60


def test_a_recorded_command_runs_no_commands_and_sends_nowhere(ask, tmp_path):
    (tmp_path / "runs" / "s" / "0").mkdir(parents=True)
    for word, told in {
        "+hydra.launcher.parameters.slurm_setup=[sh evil.sh]": "which may hold commands; --trust runs it",
        "hydra.launcher.address=ray://evil.example:1": "which may hold commands",
        "tracking.uri=http://evil.example": "a store to which you have not sent runs before (http://evil.example)",
    }.items():
        command = ["-m", "dataset=xor", "trainer.epochs=1", "tracking=none", "seed=0,1", word]
        (tmp_path / "runs" / "s" / "sweep.json").write_text(json.dumps({"command": command}))
        status, _, said = ask("-m", "sweep.resume=s")
        assert (status, told in said) == (2, True), said
    harmless = [*command[:-1], "hydra.launcher.max_stack=1"]
    (tmp_path / "runs" / "s" / "sweep.json").write_text(json.dumps({"command": harmless}))
    assert ask("-m", "sweep.resume=s")[0] == 0
