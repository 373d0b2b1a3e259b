"""The pictures a run leaves: what they show is what was measured, and none of them can cost the run."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from framework.analysis import style
from framework.analysis.figures import FIGURES, draw
from framework.analysis.figures.confusion import confusion
from framework.analysis.figures.gradient_by_lag import above_rounding
from framework.analysis.figures.run_view import RunView
from framework.config.composition import compose
from framework.data.scaling import AS_SCALED
from framework.experiments import artifacts
from framework.experiments.experiment import prepare
from framework.experiments.loading import load
from framework.experiments.runner import run
from framework.inference.model import Model
from framework.inference.samples import sample
from framework.tracking.run_dir import RunLocation
from framework.training.trainer import train

ROOT = Path(__file__).resolve().parents[2]


def recorded(folder, *words):
    """A short run, and what its figures are drawn of."""
    made = prepare(compose([*words, "tracking=none"]))
    run(made, RunLocation(folder, folder.parent, "run"))
    return RunView(folder, replace(load(folder), scale=AS_SCALED), made.data)


def trained(*words):
    """A network, its data, and what was measured; nothing is written."""
    made = prepare(compose([*words, "tracking=none"]))
    outcome = train([made.learner], [made.data], keys=[0])[0]
    return Model.of(made.learner, outcome.weights, made.data, AS_SCALED), made.data, outcome.metrics


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    words = ["model=mlp2", "activation=tanh", "probes=layers", "trainer.epochs=1", "trainer.batch_size=128"]
    return recorded(tmp_path_factory.mktemp("deep") / "run", *words)


def test_a_run_leaves_a_figure_for_whatever_it_recorded(deep):
    left = {path.stem for path in (deep.folder / "figures").iterdir()}
    assert left == {"loss", "gradient_norms", "gradient_flow", "activations", "confusion", "filters"}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in (deep.folder / "figures").iterdir())
    assert not (deep.folder / "generated.txt").exists()


@pytest.mark.parametrize(
    ("words", "split"),
    [
        (["dataset=digits", "dataset.scale=standard"], "test"),
        (["dataset=spirals", "dataset.test=0"], "val"),  # one output column, a threshold
        (["dataset=tagging", "model=birnn"], "test"),  # a label for every step, under a mask
        (["dataset=hello", "model=rnn"], "val"),
    ],
    ids=lambda p: p[0] if isinstance(p, list) else p,
)
def test_the_confusion_matrix_counts_what_the_accuracy_counts(words, split):
    model, data, measured = trained(*words, "trainer.steps=20")
    counts, names, told = confusion(model, data)
    assert told == f"{split} split"
    assert counts.trace() / counts.sum() == pytest.approx(measured[f"{split}/accuracy"], abs=1e-6)
    y = data.splits[split]["y"]
    mask = data.splits[split].get("mask", np.ones(y.shape))
    assert counts.sum(1) == pytest.approx(np.bincount(y.ravel(), mask.ravel(), len(names)))


def test_more_examples_than_a_picture_is_worth_are_left_out_and_that_is_told(deep, monkeypatch):
    monkeypatch.setattr("framework.analysis.figures.confusion.EXAMPLES", 100)
    counts, _, told = confusion(deep.model, deep.data)
    n = len(deep.data.splits["test"]["y"])
    assert (counts.sum(), told) == (100, f"100 of {n} of the test split")


@pytest.mark.parametrize("words", [["dataset=sine"], ["dataset=sine_series", "model=rnn"]], ids=lambda p: p[0])
def test_a_regression_has_no_confusion_matrix_and_no_text(words):
    model, data, _ = trained(*words, "trainer.steps=2")
    assert confusion(model, data) is None
    assert sample(model, data) is None


def test_the_rows_of_gradient_flow_are_the_layers_in_order(deep):
    fig = FIGURES["gradient_flow"][0](deep)
    ax = fig.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hidden", "hidden2", "out"]
    first = deep.series["grad_norm/hidden"][0, 1]
    assert ax.images[0].get_array()[0, 0] == pytest.approx(np.log10(first))


def test_a_gradient_of_zero_or_infinity_is_grey_and_not_a_fault(tmp_path):
    lines = [
        '{"step": 1, "grad_norm/a": 0.0, "grad_norm/b": 1.0}',
        '{"step": 2, "grad_norm/a": "Infinity", "grad_norm/b": "NaN"}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    shown = FIGURES["gradient_flow"][0](RunView(tmp_path)).axes[0].images[0].get_array()
    assert shown.mask.tolist() == [[True, True], [False, True]]


def test_lags_below_rounding_are_left_out():
    assert np.isnan(above_rounding(np.array([[1.0, 1e-13, np.nan]]))).tolist() == [[False, True, True]]


def test_a_figure_that_fails_is_told_and_costs_only_itself(deep, tmp_path, monkeypatch, capsys):
    def broken(run):
        raise RuntimeError("no ink")

    monkeypatch.setitem(FIGURES, "loss", (broken, ""))
    (tmp_path / "metrics.jsonl").write_text((deep.folder / "metrics.jsonl").read_text())
    names = [path.stem for path in draw(RunView(tmp_path))]
    assert names == ["gradient_norms", "gradient_flow", "activations"]
    assert "loss.png could not be drawn: RuntimeError: no ink" in capsys.readouterr().err


def test_a_run_without_a_line_has_no_figures(tmp_path):
    assert draw(RunView(tmp_path)) == []


def test_a_network_of_symbols_leaves_a_page_of_text(tmp_path):
    recorded(tmp_path / "run", "dataset=hello", "model=rnn", "trainer.steps=100", "probes=gradient_by_lag")
    prompt, greedy, drawn = (tmp_path / "run" / "generated.txt").read_text().split("\n\n")
    assert prompt == "prompt: he"
    assert greedy.startswith("most likely symbol at each step:\nhello")
    assert len(drawn.splitlines()[1]) == len("he") + 200
    assert (tmp_path / "run" / "figures" / "gradient_by_lag.png").exists()


def test_figures_and_text_are_kept_with_the_run(tmp_path, monkeypatch):
    subject = recorded(tmp_path / "run", "dataset=hello", "model=rnn", "trainer.steps=2")
    kept, tags = [], {}
    tracked = SimpleNamespace(lost=False, run_id="id", tag=tags.__setitem__)
    tracked.artifact = lambda path, to=None: kept.append((to, path.name))
    monkeypatch.setattr(artifacts, "describe_data", lambda *_: None)
    monkeypatch.setattr(artifacts, "log_model", lambda *_: None)
    artifacts.log_artifacts(subject.folder, tracked, subject.model, subject.data, {"val/loss": 1.0}, "stackprop")
    pictures = ["loss.png", "gradient_norms.png", "gradient_flow.png", "confusion.png"]
    assert kept == [*(("figures", name) for name in pictures), (None, "generated.txt")]
    note = tags["mlflow.note.content"]
    assert "| val/loss | 1 |" in note
    assert "![confusion](get-artifact?path=figures%2Fconfusion.png&run_uuid=id)" in note


def test_an_encoder_and_decoder_leave_answers_beside_what_is_right():
    model, data, _ = trained("dataset=reverse", "dataset.n=64", "model=seq2seq", "trainer.steps=2")
    lines = sample(model, data).splitlines()
    assert len(lines) == 8
    for line in lines:
        asked, said, right = re.fullmatch(r"(\d+)  ->  (\d+)  \(target: (\d+)\)", line).groups()
        assert right == asked[::-1]
        assert len(said) == len(right)


def test_colours_and_sizes_come_from_one_file():
    files = [*(ROOT / "framework" / "analysis" / "figures").glob("*.py"), *(ROOT / "plugins").rglob("*figure*.py")]
    assert len(files) > 10
    for path in files:
        own = re.findall(r"#[0-9A-Fa-f]{6}|fontsize=\d|dpi=\d", path.read_text())
        assert not own, f"{path.name} has {own}"
    assert len(set(style.COLOURS)) == 7
