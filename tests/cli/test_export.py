"""`stackprop export`: what a run has recorded and learned, for other programs."""

import csv
import runpy

import numpy as np
import pyarrow.parquet
import pytest
from shell import stackprop
from untrained import untrained

from framework.analysis.metrics_table import metrics_table
from framework.core.errors import ConfigError
from framework.inference.export.torch import to_torch

WORDS = ("dataset=iris", "trainer.epochs=3", "tracking=none", "model.hidden=5", "figures=null")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run and a sweep of two jobs."""
    place = tmp_path_factory.mktemp("exports")
    assert stackprop(place, *WORDS, "hydra.run.dir=runs/one").returncode == 0
    assert stackprop(place, *WORDS, "-m", "seed=1,2", "hydra.sweep.dir=runs/two").returncode == 0
    return place


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_are_a_row_per_step_and_a_column_per_metric(place):
    done = stackprop(place, "export", "one", "to=m.csv")
    assert done.returncode == 0, done.stderr
    found = rows(place / "m.csv")
    assert [int(row["step"]) for row in found] == list(range(1, len(found) + 1))
    assert float(found[-1]["epoch"]) == 3
    assert found[0]["val/loss"] == ""
    assert float(found[-1]["val/loss"]) == float(metrics_table({"one": place / "runs/one"}, "wide")[0]["val/loss"][-1])


def test_the_jobs_of_a_sweep_are_one_table(place):
    assert stackprop(place, "export", "two", "to=m.parquet").returncode == 0
    table = pyarrow.parquet.read_table(place / "m.parquet").to_pydict()
    assert set(table["run"]) == {"two/0", "two/1"}
    assert len(table["run"]) == len(table["train/loss"])


def test_a_long_table_holds_every_value(place):
    assert stackprop(place, "export", "one", "--long", "to=long.csv").returncode == 0
    wide, _ = metrics_table({"one": place / "runs/one"}, "wide")
    long = rows(place / "long.csv")
    assert len(long) == sum(np.isfinite(a).sum() for name, a in wide.items() if name not in ("run", "step", "epoch"))


def test_a_network_is_written_as_onnx_and_as_a_module(place):
    runtime = pytest.importorskip("onnxruntime")
    assert stackprop(place, "export", "one", "to=net.onnx").stdout.startswith("reads x (N, 4)\ngives prediction (N, 3)\n")
    session = runtime.InferenceSession(place / "net.onnx")
    x = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)
    (y,) = session.run(None, {"x": x})
    np.savez(place / "new.npz", x=x)
    said = stackprop(place, "predict", "one", "new.npz")
    assert [float(row["p(setosa)"]) for row in csv.DictReader(said.stdout.splitlines())] == pytest.approx(y[:, 0], abs=1e-5)
    done = stackprop(place, "export", "two", "to=net.py")
    assert "the best job of two" in done.stdout
    compile((place / "net.py").read_text(), "net.py", "exec")
    with np.load(place / "net.npz") as state:
        assert {name: a.shape for name, a in state.items()} == {
            "hidden.weight": (5, 4), "hidden.bias": (5,), "out.weight": (3, 5), "out.bias": (3,),
            "x_shift": (4,), "x_width": (4,),
        }  # fmt: skip


MODULES = [
    ("dataset=digits", "model=cnn"),
    ("dataset=digits", "model.layers.bn={type:batch_norm,after:hidden}", "activation=gelu"),
    ("dataset=digits", "model=cnn_global", "model.layers.drop={type:dropout,after:act}"),
    ("dataset=diabetes", "activation=leaky_relu"),
    ("dataset=hello", "model=lstm2"),
    ("dataset=hello", "model=gru", "model.layers.rnn.cell.reset=after"),
]


@pytest.mark.parametrize("words", MODULES, ids=" ".join)
def test_a_module_of_pytorch_predicts_the_same(words, tmp_path):
    torch = pytest.importorskip("torch")
    model, experiment = untrained(*words)
    made = to_torch(model, "A test.", "net.npz")
    (tmp_path / "net.py").write_text(made.source)
    np.savez(tmp_path / "net.npz", **made.state)
    net = runpy.run_path(str(tmp_path / "net.py"))["load"](tmp_path / "net.npz")
    x = experiment.data.splits["val"]["x"][:5]
    y = net.predict(torch.from_numpy(x.astype(np.int64 if x.dtype.kind == "i" else np.float32))).numpy()
    np.testing.assert_allclose(y, model.predict(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one", "to=x.txt"], "to: 'x.txt' is not a name of an export (there are: .csv, .onnx, .parquet, .py)"),
        (["one"], "export: a run and a file are needed; stackprop export RUN [RUN ...] to=FILE.csv|.parquet|.onnx|.py"),
        (["one", "two", "to=x.onnx"], "export: several runs: only for metrics, to=FILE.csv or .parquet"),
        (["one", "to=a-b.py"], "to: 'a-b.py' is not a name of a Python module; letters, digits and _"),
    ],
)
def test_a_wrong_export_says_what_is_allowed(place, words, said):
    done = stackprop(place, "export", *words)
    assert (done.returncode, done.stderr.strip()) == (2, f"stackprop: {said}")


def test_a_layer_without_a_module_is_named():
    with pytest.raises(ConfigError, match=r"torch: model.layers.rnn: the cell 'indrnn' .*to=FILE.onnx exports any"):
        to_torch(untrained("dataset=adding", "model=indrnn", "model.output=last", "dataset.length=6")[0], "A test.", "x")
