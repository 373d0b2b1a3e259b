"""Callbacks of a user: from Python, from a plugin, over a run, a sweep and a study."""

import pytest

import framework
from framework import Callback, ConfigError, RunFailed
from framework.nn.network import Network

pytestmark = pytest.mark.usefixtures("unrendered")

QUICK = ("model.hidden=4", "dataset=xor", "trainer.epochs=2", "tracking=none")


class Diary(Callback):
    """Writes down what happens."""

    def __init__(self):
        self.lines = []

    def on_start(self, runs):
        self.lines.append(("start", *(run.name for run in runs)))
        self.runs = runs

    def on_metrics(self, member, step, values):
        self.lines.append(("metrics", member, *values))

    def on_end(self, result):
        self.lines.append(("end", result.member, result.status))

    def on_finish(self):
        self.lines.append(("finish",))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_callback_of_a_run_hears_all_of_it():
    diary = Diary()
    result = framework.run(*QUICK, callbacks=[diary])
    assert diary.lines[0] == ("start", "hidden=4 xor epochs=2")
    assert diary.lines[-1] == ("finish",)
    assert ("end", 0, "finished") in diary.lines
    assert diary.runs[0].folder == result.folder
    assert diary.runs[0].config["model"]["hidden"] == 4
    assert diary.runs[0].steps == 2 * 1


def test_a_callback_of_a_sweep_hears_every_job_of_a_stack():
    diary = Diary()
    framework.sweep(*QUICK, "seed=0,1,2", callbacks=[diary])
    assert diary.lines[0] == ("start", *(f"seed={s}" for s in range(3)))
    assert [line for line in diary.lines if line[0] == "end"] == [("end", m, "finished") for m in range(3)]


def test_a_callback_of_a_study_hears_its_first_network():
    diary = Diary()
    framework.run(*QUICK, "study=lr_range", "study.steps=20", callbacks=[diary])
    assert (diary.lines[0][0], diary.lines[-1]) == ("start", ("finish",))
    assert len(diary.runs) == 1


def test_callbacks_are_finished_where_a_run_fails():
    class Fails(Diary):
        def on_metrics(self, member, step, values):
            raise ZeroDivisionError("oh")

    diary = Fails()
    with pytest.raises(RunFailed, match="ZeroDivisionError: oh"):
        framework.run(*QUICK, callbacks=[diary])
    assert diary.lines[-1] == ("finish",)


def test_objects_are_not_sent_to_other_processes():
    with pytest.raises(ConfigError, match=r"callbacks: objects cannot be sent to other processes; .* register_callbacks"):
        framework.sweep(*QUICK, "seed=0,1", "hydra.launcher.n_jobs=2", callbacks=[Diary()])


PLUGIN = '''
from dataclasses import dataclass, field
from framework import Callback, hookimpl, option

@dataclass(frozen=True)
class Log(Callback):
    """Appends the validation losses of a run to a file."""

    path: str = option("losses.txt", help="file to append to")
    lines: list = field(default_factory=list, init=False, repr=False)

    def on_metrics(self, member, step, values):
        if "val/loss" in values:
            self.lines.append(f"{member} {step}")

    def on_finish(self):
        with open(self.path, "a") as file:
            file.write("\\n".join(self.lines) + "\\n")

@hookimpl
def register_callbacks(register):
    register("log", Log)
'''


def test_a_plugin_brings_a_callback(folder):
    (folder / "log.py").write_text(PLUGIN)
    framework.run(*QUICK, "plugins=[log.py]", "callbacks=log", "callbacks.log.path=mine.txt")
    assert (folder / "mine.txt").read_text().splitlines() == ["0 1", "0 2"]


def test_callbacks_of_plugins_train_in_other_processes_too(folder):
    (folder / "others.py").write_text(PLUGIN.replace('"log"', '"others"'))
    wanted = ("plugins=[others.py]", "callbacks=[others]", f"callbacks.others.path={folder}/mine.txt")
    framework.sweep(*QUICK, *wanted, "model.hidden=4,5", "hydra.launcher.n_jobs=2")
    assert sorted((folder / "mine.txt").read_text().splitlines()) == ["0 1", "0 1", "0 2", "0 2"]


def test_a_run_draws_and_prepares_its_network_once(monkeypatch):
    from framework.experiments import experiment

    drawn, prepared, draw, load = [], [], Network._draw, experiment.load_data
    monkeypatch.setattr(Network, "_draw", lambda self, key: (drawn.append(key), draw(self, key))[1])
    monkeypatch.setattr(experiment, "load_data", lambda settings: (prepared.append(1), load(settings))[1])
    framework.run(*QUICK[:-1], "seed=3")
    assert drawn == [3]
    assert prepared == [1]
