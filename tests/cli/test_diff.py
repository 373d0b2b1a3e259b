"""`stackprop diff`: what differs between runs, or between sweeps, and nothing else."""

import json

import pytest
from recorded import run, sweep


@pytest.fixture
def runs(tmp_path):
    runs = tmp_path / "runs"
    run(runs / "a", metrics={"val/loss": 0.5}, about={"name": "first"}, version="1", ended=1e9 + 3)
    run(runs / "b", lr=0.01, metrics={"val/loss": 0.25}, version="2", data={"rows": 100})
    run(runs / "c", metrics={"val/loss": 0.5}, version="1")
    for name, version in (("a", "0.1"), ("b", "0.2")):
        components = {"optimizer/adam": {"distribution": "bent", "version": version}}
        components |= {f"layer/only_{name}": {"distribution": "bent", "version": "1"}}
        (runs / name / "plugins.json").write_text(json.dumps({"components": components, "files": {}}))
    return runs


def test_only_what_differs_is_shown_part_by_part(ask, runs):
    found = json.loads(ask("diff", "first", "b", "--json")[1])
    assert found == {
        "runs": ["runs/a", "runs/b"],
        "configuration": {"optimizer.lr": ["0.1", "0.01"]},
        "code": {"version": ["1", "2"], "optimizer/adam": ["bent 0.1", "bent 0.2"]},
        "data": {"rows": ["-", "100"]},
        "results": {"val/loss": ["0.5", "0.25"], "seconds": ["3.0", "2.0"]},
    }


def test_steps_and_saved_weights_are_apart(ask, tmp_path):
    for name, steps, step in (("a", 8, 8), ("b", 16, 16), ("c", 16, 4)):
        run(tmp_path / "runs" / name, kept={"steps": steps, "step": step, "epoch": step // 2})
    assert json.loads(ask("diff", "a", "b", "--json")[1])["results"] == {"steps": ["8", "16"]}
    assert json.loads(ask("diff", "b", "c", "--json")[1])["results"] == {
        "saved weights": ["the last", "of step 4 (epoch 2)"]
    }


def test_a_table_has_a_column_for_each_run(ask, runs):
    lines = ask("diff", "first", "b", "c")[1].splitlines()
    assert lines[0].split() == ["configuration", "first", "b", "c"]
    assert lines[1].split() == ["optimizer.lr", "0.1", "0.01", "0.1"]


def test_equal_runs_are_identical(ask, runs):
    assert ask("diff", "a", "c")[1].startswith("identical: the same configuration, code and results\n")


def test_a_package_edited_under_one_version_is_other_code(ask, tmp_path):
    for name, sha256 in (("a", "1" * 64), ("b", "2" * 64)):
        run(tmp_path / "runs" / name)
        about = {"distribution": "bent", "version": "0.1", "sha256": sha256}
        (tmp_path / "runs" / name / "plugins.json").write_text(
            json.dumps({"components": {"layer/bent": about}, "files": {}})
        )
    code = {"layer/bent": ["bent 0.1 (SHA-256 11111111)", "bent 0.1 (SHA-256 22222222)"]}
    assert json.loads(ask("diff", "a", "b", "--json")[1])["code"] == code


def test_sweeps_differ_in_what_they_swept_and_found(ask, tmp_path):
    sweep(tmp_path / "runs" / "s", "seed", ["0", "1"], [0.1, 0.2], name="one")
    sweep(tmp_path / "runs" / "t", "optimizer.lr", ["3", "4"], [0.4, 0.3])
    found = json.loads(ask("diff", "one", "t", "--json")[1])
    assert found["swept"] == {"seed": ["0, 1", "-"], "optimizer.lr": ["-", "3, 4"]}
    assert (found["results"]["best job"], found["results"]["its val/loss"]) == (["0", "1"], ["0.1", "0.3"])


def test_a_sweep_is_not_compared_with_a_run(ask, runs):
    sweep(runs / "s", "seed", ["0", "1"], [0.1, 0.2], name="one")
    status, _, err = ask("diff", "a", "one")
    assert (status, "is a sweep, others are runs; compare its best job: one/best" in err) == (2, True)
    assert "two or more runs are needed (got a)" in ask("diff", "a")[2]


def test_open_prints_the_report_without_a_screen(ask, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("framework.cli.commands.report.write", lambda folder: folder / "report.html")
    run(tmp_path / "runs" / "a", about={"name": "first"})
    assert ask("open", "first")[1] == f"{tmp_path}/runs/a/report.html\n"
    assert opened == []
    monkeypatch.setattr("framework.cli.commands.open.has_screen", lambda: True)
    ask("open", "first")
    assert opened == [f"file://{tmp_path}/runs/a/report.html"]
