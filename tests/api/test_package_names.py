"""`stackprop` and `framework` are two names of one package."""

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import framework
import framework.testing.double

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import numpy as np
import stackprop
from stackprop import Callback, Head, Learner, Network, Params, TrainerOptions, discover, generator, load, run, sweep, train
from stackprop.sklearn import Classifier
from stackprop.testing import conformance

class Losses(Callback):
    def on_metrics(self, member: int, step: int, values: object) -> None:
        print(step, values)

def fit(lr: float) -> float:
    result = run("trainer.epochs=1", f"optimizer.lr={lr}", callbacks=[Losses()])
    steps, values = result.metrics["val/loss"]
    return float(values[steps > 0].min())

def again(x: np.ndarray) -> np.ndarray:
    model: stackprop.Model = load("last")
    return model.predict(x)

jobs: stackprop.SweepResult = sweep("optimizer.lr=0.1,0.01")
last: dict[str, float] = jobs[0].last
network = Network({"out": discover().get("layer", "dense")(3)}, {"x": (4,)})
learner = Learner(network, {"loss": Head(discover().get("loss", "mse")(), "out")}, discover().get("optimizer", "sgd")(),
                  discover().get("schedule", "constant")(), TrainerOptions(epochs=1))
jobs.nothing
"""


def test_stackprop_is_the_same_module():
    import stackprop

    assert stackprop is framework
    assert stackprop.__name__ == "framework"


@pytest.mark.parametrize("name", ["sklearn", "testing", "testing.double", "core.context"])
def test_its_submodules_are_the_same_modules(name):
    one, other = importlib.import_module(f"stackprop.{name}"), importlib.import_module(f"framework.{name}")
    assert one is other
    assert other.__spec__.name == f"framework.{name}"


def test_objects_of_it_can_be_pickled():
    from stackprop.sklearn import Classifier

    found = pickle.loads(pickle.dumps(Classifier(random_state=1)))
    assert type(found) is framework.sklearn.Classifier


def test_an_unknown_submodule_is_an_import_error():
    with pytest.raises(ModuleNotFoundError, match=r"stackprop\.nothing"):
        importlib.import_module("stackprop.nothing")
    with pytest.raises(ImportError, match="lode"):
        from stackprop import lode  # noqa: F401


def test_it_is_as_light_as_the_core():
    code = "import sys, stackprop; print([m for m in ('mlflow', 'hydra', 'cupy', 'pandas') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_python_runs_it_as_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "stackprop", "describe", "tanh"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "activation 'tanh'" in done.stdout


@pytest.mark.slow
def test_strict_type_checks_of_a_script_read_its_types(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    (error, _) = done.stdout.strip().splitlines()
    assert error.endswith('"SweepResult" has no attribute "nothing"  [attr-defined]')
