"""What cannot be compiled: `tier=auto` trains in the array tier and reports why once, `tier=compiled` starts nothing."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from networks import learner, mlp, regression
from untraceable import Curious

from framework.core.errors import TierError
from framework.testing.double import Double
from framework.training import trainer
from framework.training.compiled import build, cache
from framework.training.parallel import train_sliced
from framework.training.trainer import train

DATA = regression(40)
BROKEN = '#!/bin/sh\ncase "$*" in *-E*) exec {cc} "$@";; esac\necho "step.c:1:2: error: it is full" >&2\nexit 1\n'


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Every run is long enough, and nothing is known from other tests."""
    for worth in ("is_worth_compiling", "is_worth_cuda"):
        monkeypatch.setattr(trainer, worth, lambda learner, data, replicas: True)
    found = (build.compiler, build.machine, trainer._report)
    for function in found:
        function.cache_clear()
    yield
    for function in found:
        function.cache_clear()


def no_compiler(monkeypatch, folder):
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build, "find_spec", lambda name: None)


def failing(monkeypatch, folder):
    monkeypatch.setenv("CC", "/bin/false")


def broken(monkeypatch, folder):
    script = folder / "broken-cc"
    script.write_text(BROKEN.format(cc=" ".join(build.compiler())))
    build.compiler.cache_clear()
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))


def missing_format(monkeypatch, folder):
    script = folder / "not-a-program"
    script.write_bytes(b"\x00")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))


def no_folder(monkeypatch, folder):
    (folder / "file").write_text("")
    monkeypatch.setattr(cache, "folders", lambda: [folder / "file" / "compiled"])


def open_folder(monkeypatch, folder):
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o777)
    monkeypatch.setattr(cache, "folders", lambda: [folder / "shared"])


CAUSES = [
    (no_compiler, "there is no C compiler; install one"),
    (failing, "the C compiler '/bin/false' failed: exit status 1"),
    (broken, "broken-cc' failed: step.c:1:2: error: it is full"),
    (missing_format, "not-a-program' cannot be run: Exec format error"),
    (no_folder, "compiled: Not a directory); XDG_CACHE_HOME names another one"),
    (open_folder, "shared: others may write to it); XDG_CACHE_HOME names another one"),
]


def same(one, other):
    return all(
        (a.weights[n][t] == w).all()
        for a, b in zip(one, other, strict=True)
        for n in b.weights
        for t, w in b.weights[n].items()
    )


@pytest.mark.parametrize(("cause", "why"), CAUSES, ids=[cause.__name__ for cause, _ in CAUSES])
@pytest.mark.parametrize("way", [train, train_sliced])
def test_auto_falls_back_where_nothing_can_be_compiled(cause, why, way, monkeypatch, tmp_path, capsys):
    members = [learner(mlp(7, 2), epochs=3)] * 2
    expected = train(members, [DATA], [0, 1], tier="array")
    with monkeypatch.context() as patch:
        cause(patch, tmp_path)
        found = way(members, [DATA], [0, 1], tier="auto")
        way(members, [DATA], [0, 1], tier="auto")
        with pytest.raises(TierError, match=r"^tier: 'compiled' cannot be used here: ") as error:
            way(members, [DATA], [0, 1], tier="compiled")
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("stackprop: tier: the array tier is used, since ") for line in lines] == [True]
    assert why in lines[0]
    assert why in str(error.value)
    assert [outcome.tier for outcome in found] == ["array", "array"]
    assert same(found, expected)


def test_auto_falls_back_for_a_component_that_cannot_be_traced(capsys):
    (found,) = train([learner(mlp(7, 2, activation=Curious()), epochs=2)], [DATA], [0])
    (line,) = capsys.readouterr().err.splitlines()
    assert "since the step cannot be traced: model.layers.act0 (Curious): forward: untraceable.py, line" in line
    assert found.tier == "array"


def rejecting(self, code, options=()):
    raise RuntimeError("step.cu(3): error: it is full")


@pytest.mark.parametrize("why", ["untraceable.py, line", "the GPU's compiler failed: step.cu(3): error: it is full"])
def test_auto_falls_back_on_a_device(why, capsys, monkeypatch):
    monkeypatch.setattr(Double, "RawModule", rejecting)
    member = learner(mlp(7, 2, activation=Curious() if "untraceable" in why else None), epochs=2)
    found = [way([member], [DATA], [0], xp=Double(), dtype=np.float64)[0] for way in (train, train_sliced)]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("stackprop: tier: the array tier is used, since ")
    assert why in line
    assert [each.tier for each in found] == ["array", "array"]


def test_auto_compiles_and_says_how_long_it_took(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for way, lines in ((train, 1), (train_sliced, 0)):
        found = way([learner(mlp(7, 2), epochs=2)], [DATA], [0])
        err = capsys.readouterr().err.splitlines()
        assert [line.startswith("stackprop: tier: the training step was compiled in ") for line in err] == [True] * lines
        assert [outcome.tier for outcome in found] == ["compiled"]


CURIOUS = """
from dataclasses import dataclass
from framework import hookimpl

@dataclass(frozen=True)
class Curious:
    "It looks at a number."
    def forward(self, x, ctx):
        return (x if x.sum() > 0 else -x), x
    def backward(self, cache, dy, ctx):
        return dy

@hookimpl
def register_activations(register):
    register("{name}", Curious)
"""
QUICK = ("dataset=xor", "trainer.epochs=2", "tracking=none", "tier=compiled")


def plugin(name):
    """The override that names a file with the activation of that name."""
    Path(f"{name}.py").write_text(CURIOUS.format(name=name))
    return f"plugins=[{name}.py]"


def test_a_run_that_cannot_be_compiled_starts_nothing(ask):
    status, _, err = ask(plugin("curious"), *QUICK, "activation=curious")
    assert status != 0
    assert "stackprop: tier: 'compiled' cannot be used here: the step cannot be traced: " in err
    assert "traced: model.layers.act (Curious): forward: curious.py, line 9" in err
    assert os.listdir() == ["curious.py"]


def test_a_sweep_with_such_a_job_starts_nothing(ask):
    status, _, err = ask("-m", plugin("nosy"), *QUICK, "activation=tanh,nosy", "seed=0,1")
    assert status != 0
    named = [line for line in err.splitlines() if "activation=nosy" in line]
    assert [line.split(" (")[0] for line in named] == ["stackprop: job 2", "stackprop: job 3"]
    assert all("the step cannot be traced: model.layers.act (Curious): forward: nosy.py, line 9" in line for line in named)
    assert "no job was started (4 in the sweep)" in err
    assert not list(Path().glob("runs/*"))


def test_a_recorded_run_names_its_tier(ask):
    status, _, _ = ask("dataset=xor", "trainer.epochs=2", "tracking=none", "tier=compiled")
    assert status == 0
    (record,) = Path("runs").glob("*/run.json")
    assert json.loads(record.read_text())["tier"] == "compiled"
