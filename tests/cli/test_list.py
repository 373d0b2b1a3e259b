"""`stackprop list`: what was recorded, filtered and sorted, the jobs of a sweep as one row."""

import csv
import io
import json

import pytest
from recorded import run, sweep


@pytest.fixture
def runs(tmp_path):
    """Three runs and a sweep."""
    runs = tmp_path / "runs"
    run(runs / "a", "optimizer.lr=0.1", "trainer.shuffle=False", metrics={"val/loss": 0.5, "val/accuracy": 0.7}, started=1e9)
    named = {"name": "wide", "tags": {"paper": "fig3"}, "notes": "n"}
    run(runs / "b", lr=0.01, metrics={"val/loss": 0.3, "val/accuracy": 0.6}, started=1.1e9, about=named)
    run(
        runs / "c",
        "activation=tanh",
        metrics={"val/loss": "nan"},
        status="diverged",
        started=1.2e9,
        choices={"model": "rnn"},
    )
    sweep(runs / "s", "optimizer.lr", ["0.3", "0.2", "0.4"], [0.2, 0.9, None], name="many")
    return runs


@pytest.fixture
def names(ask, runs):
    """The names that a list has, in its order."""
    return lambda *words: [row["name"] for row in json.loads(ask("list", *words, "--json")[1])]


def test_a_sweep_that_was_killed_before_its_first_job_is_one_line(ask, tmp_path):
    (tmp_path / "runs" / "s").mkdir(parents=True)
    sweep(tmp_path / "runs" / "s", "seed", [], [])
    way = "`stackprop resume runs/s` runs"
    last_line = ask("list")[1].splitlines()[-1]
    assert last_line == f"runs/s: none of its jobs has started; if its process has ended, {way} them"
    for words in (
        ["report", "last"],
        ["compare", "last"],
        ["figure", "last"],
        ["figure", "last", "loss"],
        ["diff", "s", "s"],
    ):
        assert ask(*words)[2] == f"stackprop: runs/s: no job was started; {way} its jobs\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["many", "c", "wide", "a"]),
        (["--all"], ["c", "wide", "a", "many/0", "many/1", "many/2"]),
        (["status=diverged"], ["c"]),
        (["status!=finished"], ["many", "c"]),
        (["model=mlp"], ["many", "wide", "a"]),
        (["model=r*"], ["c"]),
        (["optimizer.lr=0.01"], ["wide"]),
        (["optimizer.lr<0.15"], ["c", "wide", "a"]),
        (["optimizer.lr>=0.3", "--all"], ["many/0", "many/2"]),
        (["optimizer=adam"], ["many", "c", "wide", "a"]),
        (["val/loss<0.4"], ["many", "wide"]),
        (["val/loss<0.4", "val/accuracy>0.5"], ["wide"]),
        (["tags.paper=fig3"], ["wide"]),
        (["name=w*"], ["wide"]),
        (["name=many"], ["many"]),
        (["sweep=many"], ["many/0", "many/1", "many/2"]),
        (["sweep=last", "status=failed"], ["many/2"]),
        (["started>2003-01-01", "started<2007-01-01"], ["wide"]),
        (["trainer.shuffle=false"], ["a"]),
        (["seconds=2", "status=diverged"], ["c"]),
        (["--sort", "val/loss"], ["many", "wide", "a", "c"]),
        (["--sort", "val/accuracy"], ["a", "wide", "many", "c"]),
        (["--sort", "name"], ["a", "c", "many", "wide"]),
        (["--sort", "optimizer.lr", "--all"], ["wide", "c", "a", "many/1", "many/0", "many/2"]),
        (["--best", "val/loss", "--limit", "2"], ["many/0", "wide"]),
        (["status=killed"], []),
    ],
)
def test_filters_and_orders(names, words, expected):
    found = names(*words)
    assert sorted(found) == sorted(expected)
    if "--sort" in words or "--best" in words or not words:
        assert found == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lrr=1"], "optimizer.lrr: no run has it; did you mean 'optimizer.lr'?"),
        (["--sort", "val/los"], "val/los: no run has it; did you mean 'val/loss'?"),
        (["tags.papre=1"], "tags.papre: no run has it; did you mean 'tags.paper'?"),
        (["val/loss<x"], "val/loss<x: val/loss is compared with a number (got 'x')"),
        (["started>x"], "started>x: 'x' is not a date; for example 'started>2026-11-20'"),
        (["finished"], "finished: not a filter; for example status=finished"),
        (["sweep=none"], "unknown sweep 'none'"),
        (["--limit", "-1"], "--limit: -1 must be at least 0; 0 shows all"),
        (["--best", "val/loss", "--sort", "name"], "--best val/loss sorts already; leave --sort out"),
    ],
)
def test_a_wrong_filter_is_an_error_that_helps(ask, runs, words, message):
    status, _, err = ask("list", *words)
    assert (status, message in err) == (2, True), err


def test_the_table_says_what_varies_and_shows_the_best_job(ask, runs):
    lines = ask("list")[1].splitlines()
    assert lines[0].split() == ["name", "started", "status", "what", "val/loss", "val/accuracy"]
    assert lines[1].split()[0] == "many"
    assert "2 of 3 finished, 1 failed" in lines[1]
    assert lines[1].split()[-2:] == ["lr=0.3,0.2,0.4", "0.2"]
    assert [line.split()[0] for line in lines[2:]] == ["c", "wide", "a"]


def test_a_job_shows_first_what_varies(ask, tmp_path):
    run(tmp_path / "runs" / "s" / "0", "model=mlp", "optimizer.lr=0.1", "seed=1", name="lr=0.1", tags={"sweep": "s"})
    assert ask("list", "--all")[1].splitlines()[1].split()[-3:] == ["lr=0.1", "mlp", "seed=1"]


def test_a_long_list_is_cut_and_says_so(ask, runs):
    out = ask("list", "--limit", "1")[1]
    assert out.splitlines()[-1] == "3 more; --limit 0 shows all"


def test_an_empty_list_says_why(ask, tmp_path):
    assert "there are no runs in runs; STACKPROP_RUNS=FOLDER" in ask("list")[1]
    run(tmp_path / "runs" / "a")
    assert ask("list", "status=failed")[1] == "no run in runs has status=failed\n"


def test_json_and_csv_hold_all_about_a_run(ask, runs):
    (found,) = json.loads(ask("list", "tags.paper=fig3", "--json")[1])
    assert (found["kind"], found["tags"], found["notes"], found["seconds"]) == ("run", {"paper": "fig3"}, "n", 2.0)
    (row,) = csv.DictReader(io.StringIO(ask("list", "tags.paper=fig3", "--csv")[1]))
    assert (row["tags.paper"], row["val/loss"], row["folder"]) == ("fig3", "0.3", "runs/b")
    (diverged,) = json.loads(ask("list", "status=diverged", "--json")[1])
    assert diverged["metrics"] == {"val/loss": None}


def test_a_running_record_without_a_process_is_lost(ask, tmp_path):
    run(tmp_path / "runs" / "a", status="running")
    assert json.loads(ask("list", "status=lost", "--json")[1])[0]["name"] == "a"


def test_nothing_recorded_reaches_the_terminal_as_a_command(ask, tmp_path):
    run(
        tmp_path / "runs" / "a", "'model=\x1b[2J'", status="\x1b]0;x\x07", about={"notes": "\x1b[31m", "tags": {"a": "\x1b"}}
    )
    for words in (("list",), ("tag", "a"), ("diff", "a", "a"), ("list", "--csv")):
        assert "\x1b" not in "".join(ask(*words)[1:]), words


def test_a_strange_record_is_listed_and_stops_nothing(ask, runs):
    run(runs / "broken")
    (runs / "broken" / "run.json").write_text("[]")
    (runs / "c" / "config.yaml").write_text("optimizer: &a [*a]\n")
    assert "broken" in ask("list", "status=unreadable")[1]
    assert ask("list", "optimizer.lr<1")[0] == 0
