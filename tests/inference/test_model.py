"""A recorded run comes back as a network, here, in MLflow and from the shell."""

import csv
import io
import json

import numpy as np
import pytest
from shell import newest, stackprop

import framework
from framework import discover, generator
from framework.config.composition import compose
from framework.experiments.experiment import prepare

WORDS = ["trainer.epochs=3", "model.hidden=16"]
LABELS = ["tags.paper=fig3", "notes=first try, it works"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("model")
    done = stackprop(place, *WORDS, *LABELS)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return place


@pytest.fixture(scope="module")
def folder(place):
    return newest(place)


@pytest.fixture(scope="module")
def data():
    return discover().get("dataset", "digits")().load(generator(0, "dataset"))


def test_a_run_is_loaded_and_measures_what_it_measured(folder, data):
    model = framework.load(str(folder))
    measured = json.loads((folder / "run.json").read_text())["metrics"]
    found = model.evaluate(data.splits["test"])
    assert found["loss"] == pytest.approx(measured["test/loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(measured["test/accuracy"])


def test_predictions_are_probabilities(folder, data):
    p = framework.load(str(folder))(data.splits["val"]["x"])
    assert p.shape == (len(data.splits["val"]["x"]), 10)
    assert p.sum(-1) == pytest.approx(np.ones(len(p)), abs=1e-5)


def test_mlflow_loads_the_model_without_pickle(place, folder, data):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{place}/runs/mlflow.db")
    run_id = json.loads((folder / "run.json").read_text())["mlflow_run_id"]
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/mlp-digits")
    x = data.splits["val"]["x"]
    assert np.array_equal(model.predict(x), framework.load(str(folder))(x))
    assert not list((place / "runs" / "artifacts").rglob("*.pkl"))
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
    page = mlflow.MlflowClient().get_run(run_id)
    note = page.data.tags["mlflow.note.content"]
    parts = ("**Finished after 3 epochs (204 steps). Saved weights: last, epoch 3 (step 204): val/loss ",)
    parts += ("    stackprop trainer.epochs=3 model.hidden=16\n", "- `trainer.epochs=3` (default 40)")
    parts += ("### Notes\n\nfirst try, it works\n\n", "| val/loss |", "![loss](get-artifact?path=figures%2Floss.png&")
    assert [note.index(part) for part in parts] == sorted(note.index(part) for part in parts)
    assert f"mlflow models serve -m runs:/{run_id}/mlp-digits " in note
    assert page.data.tags["paper"] == "fig3"
    assert not {"tags.paper", "notes", "name"} & page.data.params.keys()
    assert page.inputs.dataset_inputs[0].dataset.name == "digits"


def test_figures_are_drawn(folder):
    for name in ("loss", "gradient_norms"):
        assert (folder / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_evaluate_tells_every_split(place, folder):
    done = stackprop(place, "evaluate", "last")
    assert done.returncode == 0, done.stderr
    told = dict(line.split() for line in done.stdout.splitlines())
    assert float(told["test/accuracy"]) == pytest.approx(
        json.loads((folder / "run.json").read_text())["metrics"]["test/accuracy"], abs=1e-5
    )


def test_predict_writes_a_row_per_example(place, folder, data):
    np.savez(place / "new.npz", x=data.splits["test"]["x"][:5])
    done = stackprop(place, "predict", folder.name, "new.npz")
    assert done.returncode == 0, done.stderr
    header, *rows = csv.reader(io.StringIO(done.stdout))
    assert header == ["class", *(f"p({i})" for i in range(10))]
    assert len(rows) == 5
    for row in rows:
        assert row[0] == str(np.argmax([float(p) for p in row[1:]]))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["predict", "last", "missing.npz"], "missing.npz: cannot be read (No such file or directory)"),
        (["predict", "last", "wrong.npz"], "wrong.npz: 'x' is missing; the network needs x"),
        (["predict", "last", "shape.npy"], "shape.npy: 'x' has shape (3, 64), not (n, 1, 8, 8)"),
        (["evaluate", "nothing"], "unknown run 'nothing' in runs"),
    ],
)
def test_what_cannot_be_read_is_told(place, words, expected):
    np.savez(place / "wrong.npz", z=np.ones(3))
    np.save(place / "shape.npy", np.ones((3, 64)))
    done = stackprop(place, *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_of_another_network_is_refused(place, folder):
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("hidden: 16", "hidden: 8").replace("units: 16", "units: 8"))
    try:
        done = stackprop(place, "predict", "last", "new.npz")
    finally:
        (folder / "config.yaml").write_text(config)
    assert done.returncode == 2
    assert "hidden/W has shape (64, 16), but the network needs (64, 8)" in done.stderr


def test_a_run_begins_where_another_ended_and_frozen_layers_stay(place, folder):
    words = [f"model.init_from={folder.name}", "model.layers.hidden.frozen=true", "trainer.epochs=1", "tracking=none"]
    done = stackprop(place, *WORDS[1:], *words)
    assert done.returncode == 0, done.stderr
    before, after = framework.load(str(folder)).weights, framework.load(str(newest(place))).weights
    assert np.array_equal(before["hidden"]["W"], after["hidden"]["W"])
    assert not np.array_equal(before["out"]["W"], after["out"]["W"])
    first = json.loads((newest(place) / "metrics.jsonl").read_text().splitlines()[0])
    ended = json.loads((folder / "run.json").read_text())["metrics"]["val/loss"]
    assert first["train/loss"] == pytest.approx(ended, abs=0.4)
    assert "grad_norm/hidden" not in first


def test_a_run_that_scales_its_inputs_otherwise_says_so(place, folder, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.delenv("STACKPROP_RUNS", raising=False)
    words = [f"model.init_from={folder.name}", "dataset.scale=standard", "trainer.epochs=1", "tracking=none"]
    said = "learned with dataset.scale=none, this run has dataset.scale=standard; dataset.scale=none reads them as that run"
    assert said in prepare(compose([*WORDS[1:], *words])).notes[0]


def test_a_run_with_other_shapes_cannot_be_begun_from(place, folder):
    done = stackprop(place, "model.hidden=8", f"model.init_from={folder.name}", "tracking=none")
    assert done.returncode == 2
    assert "layer 'hidden' of" in done.stderr


def flowers(place, name="flowers.csv", n=120, extra=""):
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 3, n)
    rows = [f"{5 * k + rng.normal():.3f},{rng.normal(0, 40):.2f},{rng.choice(['red', 'blue'])},{'abc'[k]}" for k in kinds]
    (place / name).write_text("\n".join(["length,width,colour,kind", *rows]) + "\n" + extra)


def test_a_table_with_words_and_scales_is_learned_and_new_rows_are_read_the_same_way(tmp_path):
    flowers(tmp_path)
    words = ["dataset=csv", "dataset.path=flowers.csv", "dataset.target=kind", "dataset.scale=standard", "tracking=none"]
    done = stackprop(tmp_path, *words, "model.hidden=8", "trainer.epochs=40", "optimizer.lr=0.02")
    assert done.returncode == 0, done.stderr
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "new.csv").write_text("colour,length,width\nred,0.1,3\nblue,10.2,-7\n")
    told = stackprop(tmp_path / "elsewhere", "predict", str(newest(tmp_path)), "new.csv")
    assert told.returncode == 0, told.stderr
    header, *rows = csv.reader(io.StringIO(told.stdout))
    assert header == ["class", "p(a)", "p(b)", "p(c)"]
    assert [row[0] for row in rows] == ["a", "c"]
    measured = stackprop(tmp_path / "elsewhere", "evaluate", str(newest(tmp_path)), "../flowers.csv").stdout
    assert float(measured.split()[-1]) > 0.9
    (tmp_path / "odd.csv").write_text("colour,length,width\ngreen,1,2\n")
    refused = stackprop(tmp_path, "predict", "last", "odd.csv")
    assert refused.returncode == 2
    assert "odd.csv: line 2, column 'colour': the category 'green' was in no row" in refused.stderr


def test_a_new_file_may_be_written_otherwise(ask, tmp_path):
    rows = [f"{i}.5,{i % 7}.25,{i % 2}" for i in range(60)]
    (tmp_path / "point.csv").write_text("\n".join(["a,b,y", *rows]))
    (tmp_path / "comma.csv").write_text("\n".join(["a;b;y", *(row.replace(",", ";").replace(".", ",") for row in rows)]))
    quick = ["dataset=csv", "dataset.path=point.csv", "dataset.target=y", "trainer.epochs=1", "tracking=none"]
    assert ask(*quick)[0] == 0
    words = ["dataset.delimiter=semicolon", "dataset.decimal=comma"]
    status, _, advice = ask("predict", "last", "comma.csv")
    assert (status, f"did you mean {' '.join(words)}?" in advice) == (2, True)
    assert ask("predict", "last", "comma.csv", *words)[:2] == ask("predict", "last", "point.csv")[:2]
    values = [ask("evaluate", "last", *given)[1].split()[1] for given in (["comma.csv", *words], ["point.csv"])]
    assert values[0] == values[1]
    status, _, error = ask("predict", "last", "comma.csv", "dataset.delimitr=tab")
    assert (status, "dataset.delimitr: not an option of a new file; did you mean 'delimiter'?" in error) == (2, True)
    assert "dataset.decimal: 'point,' is not allowed" in ask("evaluate", "last", "comma.csv", "dataset.decimal=point,")[2]
