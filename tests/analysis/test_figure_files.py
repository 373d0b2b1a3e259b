"""Figures as files: formats, size, labels, the style file, and the data that they draw."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import r2_score

from framework.analysis import style
from framework.analysis.comparison import RecordedJob, SeedGroup, over_epochs
from framework.analysis.epochs import SeriesOverEpochs, steps_per_epoch
from framework.analysis.figures import FIGURES, RunView, figure
from framework.analysis.figures.learning import since
from framework.analysis.figures.options import AlongTraining, ConfusionOptions, LearningOptions, SplitOptions, validated
from framework.analysis.figures.parallel import axis_of
from framework.analysis.figures.parallel import draw as parallel
from framework.analysis.figures.predicted import compared
from framework.analysis.figures.sweep import draw
from framework.analysis.stylesheet import read_style
from framework.config.composition import compose
from framework.config.options import Appearance, FigureOptions
from framework.core.errors import ConfigError
from framework.data.scaling import AS_SCALED
from framework.experiments.experiment import prepare
from framework.inference.model import Model
from framework.training.trainer import train


def losses(folder, per_epoch=4, epochs=3):
    """A run whose training loss is its step, with a validation at the end of every epoch."""
    lines = []
    for step in range(1, per_epoch * epochs + 1):
        lines.append({"step": step, "train/loss": float(step), "grad_norm/a": 1.0, "grad_norm/total": 2.0})
        if step % per_epoch == 0:
            lines.append({"step": step, "val/loss": 1 / step, "train/accuracy": 0.5, "val/accuracy": 0.25})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = {"status": "finished", "command": "stackprop", "steps_per_epoch": per_epoch}
    (folder / "run.json").write_text(json.dumps(state))
    return RunView(folder)


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF-"), ("svg", b"<?xml")])
def test_the_suffix_decides_the_format_and_bytes_repeat(tmp_path, suffix, begin):
    run = losses(tmp_path)
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        style.write(lambda: FIGURES["loss"][0](run), Appearance(title="Three epochs"), file)
    content = [file.read_bytes() for file in files]
    assert content[0] == content[1]
    assert content[0].startswith(begin)
    assert b"Date" not in content[0] or suffix == "png"


def test_text_stays_text_in_svg_and_pdf(tmp_path):
    run, look = losses(tmp_path), Appearance(xlabel="Schritt", ylabel="Verlust", title="Ä & B")
    for name in ("f.svg", "f.pdf"):
        style.write(lambda: FIGURES["loss"][0](run), look, tmp_path / name)
    text = (tmp_path / "f.svg").read_text()
    for word in ("Schritt", "Verlust", "Ä &amp; B", "train/loss", "val/loss"):
        assert f">{word}</text>" in text
    assert b"/Type /Font" in (tmp_path / "f.pdf").read_bytes()
    assert b"/Subtype /Type3" not in (tmp_path / "f.pdf").read_bytes()


def drawn(tmp_path, monkeypatch, look, kind="loss"):
    """The figure that is saved."""
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    style.write(lambda: FIGURES[kind][0](losses(tmp_path)), look, tmp_path / "f.png")
    return saved[0]


def test_size_and_labels_are_those_given(tmp_path, monkeypatch):
    fig = drawn(tmp_path, monkeypatch, Appearance(width=3, height=2.5, title="T", xlabel="X", ylabel="Y"))
    (ax,) = fig.axes
    assert fig.get_size_inches().tolist() == [3, 2.5]
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("T", "X", "Y")
    assert style.SIZE == (None, None)


def test_axes_have_names_without_options(tmp_path, monkeypatch):
    (ax,) = drawn(tmp_path, monkeypatch, Appearance(), "gradient_norms").axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training step", "gradient norm")


def test_a_style_file_sets_colours_fonts_lines_and_frame(tmp_path, monkeypatch):
    lines = ["axes.prop_cycle: cycler('color', ['ff0000', '00ff00'])  # two", "lines.linewidth: 4", "font.size: 20"]
    (tmp_path / "my.mplstyle").write_text("\n".join(["# mine", "", *lines, "axes.spines.top: True", "axes.grid: True"]))
    (ax,) = drawn(tmp_path, monkeypatch, Appearance(style=str(tmp_path / "my.mplstyle"))).axes
    assert [line.get_color() for line in ax.lines] == ["#ff0000", "#00ff00"]
    assert {line.get_linewidth() for line in ax.lines} == {4}
    assert ax.xaxis.label.get_fontsize() == 20
    assert ax.spines["top"].get_visible()
    assert (style.COLOURS[0], style.LINE, style.TEXT) == ("#0072B2", 1.6, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lines.linewith: 2", "line 1: matplotlib has no setting 'lines.linewith'; did you mean 'lines.linewidth'?"),
        ("\nlines.linewidth: wide", "line 2: "),
        ("text.usetex: True", "text.usetex is not allowed"),
        ("figure.hooks: os:abort", "figure.hooks is not allowed"),
        ("lines.linewidth", "'lines.linewidth' is not a setting; write key: value"),
    ],
)
def test_a_wrong_style_file_is_an_error_with_its_line(tmp_path, text, message):
    (tmp_path / "bad.mplstyle").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_style(str(tmp_path / "bad.mplstyle"))
    assert message in str(error.value)
    with pytest.raises(ConfigError, match=r"figure\.style: 'none\.mplstyle' cannot be read"):
        read_style("none.mplstyle")


def test_a_formula_that_is_not_valid_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="a label cannot be drawn"):
        style.write(lambda: FIGURES["loss"][0](losses(tmp_path)), Appearance(title="$\\nosuch$"), tmp_path / "f.svg")
    assert not (tmp_path / "f.svg").exists()


def test_steps_are_drawn_as_epochs(tmp_path):
    run = losses(tmp_path)
    (ax,) = FIGURES["loss"][0](RunView(tmp_path, epochs=True)).axes
    assert ax.get_xlabel() == "epoch"
    assert ax.lines[1].get_xdata().tolist() == [1, 2, 3]
    assert ax.lines[0].get_xdata()[0] == run.series["train/loss"][0, 0] / 4


def test_older_runs_have_epochs_by_their_validations(tmp_path):
    run = losses(tmp_path)
    (tmp_path / "run.json").write_text('{"status": "finished", "command": "stackprop"}')
    assert steps_per_epoch(tmp_path, run.series) is None
    (tmp_path / "config.yaml").write_text("trainer: {validate_every: 2}\n")
    assert steps_per_epoch(tmp_path, run.series) == 2
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ConfigError, match="does not record the steps of an epoch; use x=step"):
        _ = RunView(tmp_path, epochs=True).series


def test_lags_stay_lags_over_epochs(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 8, "gradient_by_lag/rnn": [3.0, 2.0]}\n{"step": 8, "val/loss": 1}\n')
    found = SeriesOverEpochs(RunView(tmp_path).series, 4)
    assert found["gradient_by_lag/rnn"][:, 0].tolist() == [0, 1]
    assert found["val/loss"].tolist() == [[2, 1]]


def test_a_sweep_over_epochs_uses_the_length_of_each_job(tmp_path, monkeypatch):
    saved, jobs = [], []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    for size in (2, 4):
        (tmp_path / str(size)).mkdir()
        run = losses(tmp_path / str(size), per_epoch=size)
        jobs.append(RecordedJob(str(size), {"size": str(size)}, "finished", run.series, folder=run.folder))
    draw(jobs, FigureOptions(x="epoch"), ["val/loss"], tmp_path / "f.png")
    (ax,) = saved[0].axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2, 3]] * 2
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1 / 2, 1 / 4, 1 / 6], [1 / 4, 1 / 8, 1 / 12]]
    assert over_epochs(jobs)[0].series["val/loss"][0, 0] == 1


def test_the_training_loss_is_a_mean_since_the_last_validation(tmp_path):
    run = losses(tmp_path)
    fig = figure("learning", RunView(tmp_path, epochs=True), LearningOptions())
    loss, accuracy = fig.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert loss.lines[0].get_ydata().tolist() == [2.5, 6.5, 10.5]
    assert accuracy.lines[1].get_ydata().tolist() == [0.25] * 3
    assert since([run.series["train/loss"]], np.array([1, 3])).tolist() == [[1, 1], [3, 2.5]]
    with pytest.raises(ConfigError, match="no 'acuracy' of training or validation was recorded; did you mean 'accuracy'"):
        figure("learning", run, LearningOptions(y="acuracy"))


def settings(**values):
    """Groups of one job each, with a loss."""
    keys = list(values.pop("keys"))
    return [
        SeedGroup(dict(zip(keys, words, strict=True)), (RecordedJob("0", {}, status, {"val/loss": np.array([[1, loss]])}),))
        for words, status, loss in values["rows"]
    ]


def test_parallel_coordinates_show_values_and_the_best_on_top():
    rows = [(("0.1", "sgd"), "finished", 3.0), (("0.01", "adam"), "finished", 1.0), (("0.001", "sgd"), "diverged", 9.0)]
    fig = parallel(settings(keys=["optimizer.lr", "optimizer"], rows=rows), "val/loss")
    ax = fig.axes[0]
    lines = sorted((line for line in ax.lines if len(line.get_ydata()) == 3), key=lambda line: line.get_zorder())
    assert [np.round(line.get_ydata(), 9).tolist() for line in lines[1:]] == [[1, 0.25, 1], [0.5, 0.75, 0]]
    assert np.isnan(lines[0].get_ydata()).tolist() == [False, False, True]
    assert lines[-1].get_linewidth() > lines[1].get_linewidth()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["optimizer.lr", "optimizer", "val/loss"]


def test_an_axis_of_rates_is_logarithmic():
    assert axis_of("optimizer.lr", ["0.1", "0.01", "0.001"]).log
    assert not axis_of("seed", ["0", "1", "20"]).log
    assert not axis_of("model.depth", ["1", "2", "3"]).log
    assert axis_of("optimizer", ["adam", "sgd", "adam"]).ticks == {0.25: "adam", 0.75: "sgd"}


@pytest.fixture(scope="module")
def regression():
    """A network for the sine, and its data."""
    made = prepare(compose(["dataset=sine", "trainer.steps=40", "tracking=none", "dtype=float64"]))
    outcome = train([made.learner], [made.data], keys=[0], dtype=np.float64)[0]
    return Model.of(made.learner, outcome.weights, made.data, AS_SCALED), made.data, outcome.metrics


def test_predictions_have_r2_and_rmse_of_the_split(tmp_path, regression):
    model, data, measured = regression
    run = RunView(tmp_path, model, data)
    (one,) = compared(run)
    t = data.splits["test"]["y"].ravel()
    assert one.rmse**2 == pytest.approx(measured["test/loss"], rel=1e-9)
    assert one.r2 == pytest.approx(r2_score(t, one.y), rel=1e-12)
    (ax,) = figure("predicted", run, SplitOptions()).axes
    assert (ax.lines[1].get_xdata() == one.t).all()
    assert (ax.lines[1].get_ydata() == one.y).all()
    assert ax.lines[0].get_xdata().tolist() == ax.lines[0].get_ydata().tolist()
    assert ax.texts[0].get_text() == f"R² = {one.r2:.3f}\nRMSE = {one.rmse:.3g}"
    dots, bars = figure("residuals", run, SplitOptions(split="train")).axes
    assert dots.get_title() == "train split"
    assert sum(bar.get_height() for bar in bars.patches) == len(data.splits["train"]["y"])


def test_a_weighted_split_has_a_weighted_r2_and_the_name_of_its_target(tmp_path):
    table = np.random.default_rng(0).normal(size=(60, 3))
    rows = [f"{x:.6f},{x - y:.6f},{abs(w) + 0.1:.6f}" for x, y, w in table]
    (tmp_path / "flats.csv").write_text("\n".join(["area,price,w", *rows]) + "\n")
    words = ["dataset=csv", f"dataset.path={tmp_path}/flats.csv", "dataset.target=price", "dataset.weight=w", "metrics=[r2]"]
    made = prepare(compose([*words, "trainer.steps=20", "tracking=none", "dtype=float64"]))
    outcome = train([made.learner], [made.data], keys=[0], dtype=np.float64)[0]
    data, scale = made.measured
    (one,) = compared(RunView(tmp_path, Model.of(made.learner, outcome.weights, data, scale), data))
    assert one.r2 == pytest.approx(outcome.metrics["test/r2"], rel=1e-9)
    assert one.r2 != pytest.approx(r2_score(one.t, one.y), rel=1e-3)
    assert one.name == "price"


def test_an_option_of_another_figure_is_an_error_with_a_hint():
    with pytest.raises(ConfigError, match=r"figure\.normalise: figure 'confusion' has no such option; did you mean"):
        validated("confusion", ConfusionOptions, {"normalise": True})
    with pytest.raises(ConfigError, match=r"figure\.x: 'epok' is not allowed; did you mean 'epoch'"):
        validated("loss", AlongTraining, {"x": "epok"})
    assert validated("confusion", ConfusionOptions, {"normalize": True, "title": "a"})[1] == Appearance(title="a")
