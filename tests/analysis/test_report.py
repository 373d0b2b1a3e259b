"""A report is one file with everything in it, for runs and sweeps that went well and for those that did not."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from framework import result
from framework.analysis.report import write
from framework.analysis.report.files import texts
from framework.analysis.report.run_page import duration, measured
from framework.analysis.report.sweep_page import table
from framework.analysis.sweep_table import compare
from framework.cli.commands.report import main
from framework.config.composition import compose
from framework.config.diff import differences
from framework.core.errors import ConfigError, RunFailed
from framework.core.writing import write_json
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.tracking.run_dir import RunLocation, read_state

QUICK = ["dataset=spirals", "dataset.n=40", "trainer.epochs=2", "tracking=none"]


class Page(HTMLParser):
    """What a page refers to, its words, and its ids."""

    def __init__(self, path):
        super().__init__()
        self.refers, self.images, self.ids, self.tags, self.text = [], [], set(), [], ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        self.refers += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.ids |= {told["id"]} if "id" in told else set()
        if tag == "img":
            self.images.append(told)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that finished, one that diverged, and a sweep of both kinds."""
    runs = tmp_path_factory.mktemp("runs")
    train(runs / "good", "model.hidden=4", "probes=layers")
    train(runs / "bad", "optimizer=sgd", "optimizer.lr=1e30")
    for i, (lr, seed) in enumerate([(0.01, 0), (0.01, 1), (1e30, 0)]):
        words = [f"optimizer.lr={lr}", f"seed={seed}"]
        train(runs / "sweep-1" / str(i), "optimizer=sgd", *words, sweep="sweep-1", command=words)
    asked = ["-m", "optimizer.lr=0.01,1e30", "seed=0,1"]
    write_json(runs / "sweep-1" / "sweep.json", {"command": asked, "jobs": dict.fromkeys("0123")})
    compare(runs / "sweep-1", {})
    return runs


def train(folder, *words, sweep=None, command=()):
    tags = {"sweep": sweep} if sweep else {}
    place = RunLocation(folder, folder.parent, folder.name, tags, " ".join(["stackprop", *(command or words)]))
    try:
        run(prepare(compose([*QUICK, *words])), place)
    except RunFailed:
        assert "1e" in " ".join(words)


def test_a_report_asks_for_nothing_from_anywhere(runs):
    for folder in ("good", "bad", "sweep-1"):
        page = Page(write(runs / folder))
        assert all(re.match(r"data:image/png;base64,|#job-|\d+/$", place) for place in page.refers)
        assert not {"script", "link", "iframe", "object", "video"} & set(page.tags)
        assert "default-src 'none'" in (runs / folder / "report.html").read_text()
        assert page.images
        assert all(len(image["alt"]) > 20 for image in page.images)


def test_a_run_tells_what_came_out_and_what_was_not_as_usual(runs):
    page = Page(write(runs / "good"))
    assert "stackprop model.hidden=4 probes=layers" in page.text
    assert "finished" in page.text
    for told in ("val/accuracy", "dataset.type", "spirals", "model.hidden", "The gradient norm of each layer"):
        assert told in page.text
    last = read_state(runs / "good")["metrics"]["test/loss"]
    assert f"{last:.4g}" in page.text


def test_a_run_that_failed_says_why_and_shows_how_far_it_came(runs):
    page = Page(write(runs / "bad"))
    assert "diverged" in page.text
    assert "at step" in page.text
    assert (runs / "bad" / "figures" / "loss.png").exists()
    assert "optimizer.lr" in page.text


HALF = '{"step": 1, "train/loss": 1.5}\n{"step": 2, "trai'


@pytest.mark.parametrize(("status", "lines"), [("killed", HALF), ("lost", None)])
def test_a_run_that_was_killed_has_a_report(tmp_path, status, lines):
    write_json(tmp_path / "run.json", {"status": status, "reason": "stopped by SIGTERM", "name": "one"})
    (tmp_path / "traceback.txt").write_text("ValueError: <no>")
    if lines:
        (tmp_path / "metrics.jsonl").write_text(lines)
    page = Page(write(tmp_path))
    for told in (status, "stopped by SIGTERM", "ValueError: <no>", "1.5" if lines else "Nothing was measured"):
        assert told in page.text


def test_a_sweep_has_its_table_with_a_link_to_every_job(runs):
    page = Page(write(runs / "sweep-1"))
    assert "2 finished, 1 diverged" in page.text
    assert "3 of 4 started" in page.text
    assert "stackprop -m optimizer.lr=0.01,1e30 seed=0,1" in page.text
    leading = {place[1:] for place in page.refers if place.startswith("#")}
    assert leading == {"job-0", "job-2"}
    assert leading < page.ids == {"job-0", "job-1", "job-2"}
    assert "±" in page.text


def test_what_the_summary_of_a_study_says_is_not_said_again(tmp_path):
    for name, text in (("study.md", "All right.\n\n| a |\n|---|\n"), ("table.md", "| a |\n|---|\n"), ("more.md", "more\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "table.txt").write_text("a\n")
    assert [name for name, _, _ in texts(tmp_path)] == ["more", "study"]


def test_a_table_keeps_the_jobs_of_a_row_apart(tmp_path):
    (tmp_path / "table.md").write_text("| lr | jobs |\n| --- | --- |\n| 0.1 | 0-3, 8 |\n")
    header, row = table(tmp_path)
    assert header == [[("lr", "")], [("jobs", "")]]
    assert row == [[("0.1", "")], [("0-3", "0"), ("8", "8")]]


def test_what_a_study_left_in_the_folder_is_shown(tmp_path):
    write_json(tmp_path / "run.json", {"status": "finished", "name": "study"})
    (tmp_path / "lines.md").write_text(
        "## Bias\n\n| x | bias |\n|---|---|\n| 1 | 0.25 |\n\n<b>bold</b> ![p](http://far.away/p.png)\n"
    )
    (tmp_path / "lines.txt").write_text("the same, for a terminal")
    (tmp_path / "generated.txt").write_text("to be <or> not")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "bias_and_variance.png").write_bytes(b"\x89PNG")
    text = write(tmp_path).read_text()
    page = Page(tmp_path / "report.html")
    assert "<td>0.25</td>" in text
    assert "<b>" not in text
    assert "<or>" in page.text
    assert "for a terminal" not in page.text
    assert [image["alt"] for image in page.images] == ["Bias and variance."]
    assert not [place for place in page.refers if place and "far.away" in place and "img" in place]
    assert "<img" not in re.sub(r'<img src="data:', "", text)


def test_names_from_outside_are_text_and_not_markup(tmp_path):
    write_json(tmp_path / "run.json", {"status": "finished", "name": "<script>alert(1)</script>", "command": "a & <b>"})
    assert "<script>" not in write(tmp_path).read_text()
    assert "<script>alert(1)</script>" in Page(tmp_path / "report.html").text


def test_only_what_differs_from_the_defaults_is_told():
    assert differences(compose([]).tree) == []
    tree = compose(["optimizer=nag", "optimizer.alpha=0.8", "trainer.clip_norm=1", "model.layers.out.bias=false"]).tree
    assert differences(tree) == [
        ("model.layers.out.bias", "false", "true"),
        ("optimizer.type", "nag", "adam"),
        ("optimizer.alpha", "0.8", "0.9"),
        ("trainer.clip_norm", "1", "null"),
    ]


def test_durations_in_words():
    assert [duration(s) for s in (3.21, 59.94, 250, 7500)] == ["3.2 s", "59.9 s", "4 min 10 s", "2 h 5 min"]


def test_last_is_whatever_began_last(runs, monkeypatch, capsys):
    monkeypatch.setenv("STACKPROP_RUNS", str(runs))
    assert main([]) == 0
    assert capsys.readouterr().out == f"report: {runs / 'sweep-1' / 'report.html'}\n"
    assert main(["good"]) == 0
    assert main([str(runs / "sweep-1" / "2")]) == 0


def test_a_sweep_that_was_killed_gets_its_table_now(runs, monkeypatch):
    monkeypatch.setenv("STACKPROP_RUNS", str(runs))
    (runs / "sweep-1" / "table.md").unlink()
    assert main(["sweep-1"]) == 0
    assert "±" in Page(runs / "sweep-1" / "report.html").text


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("goood", r"unknown run or sweep 'goood' in .*; did you mean 'good'\?"),
        ("empty", "empty: neither a run nor a sweep"),
    ],
)
def test_what_is_no_run_is_told_in_words(runs, monkeypatch, word, told):
    monkeypatch.setenv("STACKPROP_RUNS", str(runs))
    (runs / "empty").mkdir(exist_ok=True)
    with pytest.raises(ConfigError, match=told):
        main([word])


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    write_json(tmp_path / "run.json", {"status": "finished"})
    (tmp_path / "report.html.part").mkdir()
    with pytest.raises(ConfigError, match=r"report.html: cannot be written"):
        write(tmp_path)


def test_a_report_names_the_epoch_whose_weights_were_kept(tmp_path):
    train(tmp_path / "r", "trainer.keep=best", "optimizer=sgd", "optimizer.lr=1")
    note = json.loads((tmp_path / "r" / "run.json").read_text())["kept"]["note"]
    assert note.startswith("best epoch ")
    page = Page(write(tmp_path / "r"))
    assert note in page.text
    assert note in repr(result(str(tmp_path / "r")))


def test_every_value_of_a_report_is_that_of_the_saved_weights():
    series = {"train/loss": np.array([[1, 3.0], [2, 2.0], [3, 1.0]]), "val/loss": np.array([[2, 2.5], [3, 4.0]])}
    state = {"metrics": {"val/loss": 2.5}, "kept": {"step": 2}}
    assert measured(series, state) == [("train/loss", "2", "1", "3"), ("val/loss", "2.5", "2.5", "2")]
    assert measured(series, {"status": "killed"})[0] == ("train/loss", "1", "1", "3")
