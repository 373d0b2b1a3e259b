"""`stackprop figure` and `compare`: figures of recorded runs and sweeps, to hand in."""

import json
import re
from pathlib import Path

import pytest

from framework.registry.discovery import discover

SMALL = ("dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=2", "tracking=none")


@pytest.fixture
def run(ask, unrendered):
    """The folder of a small run of a classifier."""
    status, out, err = ask(*SMALL)
    assert status == 0, err
    return re.search(r"written to (\S+)", out)[1]


def test_figure_lists_draws_and_explains_mistakes(ask, run, tmp_path):
    lines = ask("figure", "last")[1].splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [
        *("loss", "gradient_norms", "gradient_flow", "confusion", "filters", "learning")
    ]
    assert ask("figure", "last", "learning", "y=accuracy")[1] == f"figure: runs/{Path(run).name}/figures/learning.png\n"
    assert (tmp_path / run / "figures" / "learning.png").exists()
    assert ask("figure", run, "confusion", "normalize=true", "to=new/here.pdf", "title=2026")[0] == 0
    assert (tmp_path / "new" / "here.pdf").exists()
    for words, message in {
        ("last", "los"): "figure: unknown figure 'los'; did you mean 'loss'?",
        ("last", "loss", "heigth=2"): "figure.heigth: figure 'loss' has no such option; did you mean 'height'?",
        ("last", "loss", "width=0"): "figure.width: 0.0 must be above 0",
        ("last", "filters", "x=epoch"): "figure.x: figure 'filters' has no such option",
        ("last", "loss", "to=a.jpg"): "to: 'a.jpg' is not a name of a figure; did you mean 'png'?",
        ("last", "loss", "style=no"): "figure.style: 'no' cannot be read (No such file or directory)",
        ("last", "predicted"): "recorded nothing for 'predicted' (it can draw: loss, gradient_norms,",
        ("last", "title=a"): "figure: which one?",
        (): "figure: a run and a kind of figure are needed (got nothing)",
        ("lst", "loss"): "unknown run or sweep 'lst' in runs; did you mean 'last'?",
    }.items():
        status, _, err = ask("figure", *words)
        assert (status, message in err) == (2, True), err
        assert "Traceback" not in err


def test_a_figure_of_a_sweep_is_of_all_jobs_or_of_the_best(ask, unrendered, tmp_path):
    assert ask("-m", *SMALL, "optimizer.lr=0.1,0.01", "seed=0,1", "figure.x=epoch")[0] == 0
    (sweep,) = (tmp_path / "runs").glob("sweep-*")
    state = json.loads((sweep / "0" / "run.json").read_text())
    assert state["steps_per_epoch"] * 2 == state["steps"]
    kinds = ask("figure", "last")[1]
    for kind in ("loss", "learning", "comparison", "parallel"):
        assert re.search(rf"^ +{kind} .*[^)]$", kinds, re.M)
        assert ask("figure", "last", kind)[0] == 0
        assert (sweep / f"{kind}.png").exists()
    assert "importance" not in kinds  # one key
    best = json.loads((sweep / "sweep.json").read_text())["best"]["job"]
    assert ask("figure", "last", "confusion")[1].endswith(f"/{best}/figures/confusion.png (of job {best}, the best)\n")
    assert "did you mean 'val/loss'?" in ask("figure", "last", "parallel", "y=val/los")[2]
    before = (sweep / "table.md").read_bytes()
    assert ask("compare", "last", "to=out.svg", "xlabel=Epoche", "width=5")[1].endswith("figure: out.svg\n")
    assert (tmp_path / "out.svg").exists()
    assert (sweep / "table.md").read_bytes() == before
    assert ask("compare", "last", "x=optimizer.lr")[1].endswith("comparisons/x=optimizer.lr/comparison.png\n")
    assert ask("compare", "last", "figure.x=epoch")[1].endswith("comparisons/x=epoch/comparison.png\n")
    assert ask("compare", "last", "to=out.jpeg")[2].startswith("stackprop: to: 'out.jpeg' is not a name of a figure")


def test_a_style_file_of_a_sweep_is_read_before_it_starts(ask, unrendered, tmp_path):
    status, _, err = ask("-m", *SMALL, "seed=0,1", "figure.style=my.mplstyle")
    assert (status, "figure.style: 'my.mplstyle' cannot be read" in err) == (2, True)
    assert not list(tmp_path.rglob("metrics.jsonl"))


@pytest.mark.slow
def test_the_vanishing_gradient_as_pdf_takes_two_commands(ask, tmp_path):
    small = ("dataset.n=50", "dataset.length=6", "model.hidden=4", "trainer.steps=2", "seed=0", "tracking=none")
    status, _, err = ask("experiment=vanishing_gradient", *small)
    assert status == 0, err
    assert ask("figure", "last", "gradient_by_lag", "to=vanishing.pdf") == (0, "figure: vanishing.pdf\n", "")
    assert (tmp_path / "vanishing.pdf").read_bytes().startswith(b"%PDF-")


def test_gradients_by_lag_of_a_sweep_are_a_line_for_each_cell(ask, tmp_path):
    for number, cell in enumerate(("lstm", "gru")):
        folder = tmp_path / "runs" / "s" / str(number)
        folder.mkdir(parents=True)
        state = {"status": "finished", "command": f"stackprop model.layers.rnn.cell.type={cell}", "tags": {"sweep": "s"}}
        (folder / "run.json").write_text(json.dumps(state))
        (folder / "config.yaml").write_text("figure: {}\n")
        rows = [[1.0, 0.1, 0.01], [1.0, 0.5, 0.25]]
        lines = [json.dumps({"step": step, "gradient_by_lag/rnn": row}) for step, row in enumerate(rows, 1)]
        (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "runs" / "s" / "sweep.json").write_text('{"command": ["-m"], "jobs": {}}')
    assert ask("figure", "last", "gradient_by_lag", "to=vanishing.svg") == (0, "figure: vanishing.svg\n", "")
    text = (tmp_path / "vanishing.svg").read_text()
    for word in ("type lstm", "type gru", "lag", "gradient norm", "gradient_by_lag_start/rnn", "gradient_by_lag/rnn"):
        assert f">{word}</text>" in text
    assert "no job recorded 'val/loss'" in ask("figure", "last", "parallel", "y=val/loss")[2]


def test_a_figure_of_a_plugin_is_drawn_again(ask, unrendered, tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.json").write_text('{"status": "killed", "command": "stackprop"}')
    (tmp_path / "runs" / "a" / "metrics.jsonl").write_text('{"step": 1, "val/loss": 2.0, "train/loss": 3.0}\n')
    lines = ["from framework import hookimpl, option", "from dataclasses import dataclass", "@dataclass(frozen=True)"]
    lines += ["class Curve:", "    '''A metric.'''", "    metric: str = option('val/loss', help='name')"]
    lines += ["    def __call__(self, run):", "        from matplotlib.figure import Figure", "        fig = Figure()"]
    lines += ["        fig.subplots().plot(*run.series[self.metric].T)", "        return fig"]
    lines += ["@hookimpl", "def register_figures(register):", "    register('curve', Curve)"]
    (tmp_path / "curve.py").write_text("\n".join(lines))
    try:
        for words in (("metric=train/loss", "title=a"), ("to=c.svg",)):
            status, _, err = ask("figure", "last", "curve", "plugins=[curve.py]", *words)
            assert status == 0, err
        assert "did you mean 'metric'?" in ask("figure", "last", "curve", "plugins=[curve.py]", "metrc=a")[2]
    finally:
        discover().forget_file(tmp_path / "curve.py")
