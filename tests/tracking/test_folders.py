"""The folders of runs are found in one walk, and `last` is the run that started last, whatever its folder looks like."""

import json
import os
from collections import Counter

import pytest
from recorded import run, sweep

from framework.core import reading
from framework.experiments.deletion import MARK, finish_all
from framework.tracking.folders import ELSEWHERE, sweeps_in, walk
from framework.tracking.run_dir import all_sweeps, find_any, find_run, newest, read_state, runs_dir


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def written(folder, text):
    """A folder with this text as its record."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(text)


@pytest.fixture
def opened(monkeypatch):
    """File -> how often it was opened."""
    counts, before = Counter(), reading.open_regular
    monkeypatch.setattr(reading, "open_regular", lambda path, *most: counts.update([str(path)]) or before(path, *most))
    return counts


@pytest.fixture
def parsed(monkeypatch):
    """The names of the JSON files that were parsed."""
    names, before = [], reading.parse_json
    monkeypatch.setattr(reading, "parse_json", lambda text, name: names.append(name) or before(text, name))
    return names


def names(folders, runs):
    return [os.path.relpath(folder, runs) for folder in folders]


def test_a_walk_finds_runs_jobs_attempts_sweeps_and_marks(runs):
    for name in ("b", "a", ".hidden", "nested", "nested/inner", "s/attempts/0-1", "../mine", "../grid/1"):
        run(runs / name)
    sweep(runs / "s", "seed", "01", [0.1, 0.2])
    for name in ("gone", "s/9"):
        (runs / name).mkdir()
        (runs / name / MARK).write_text("{}")
    (runs / "empty").mkdir()
    (runs / "file").write_text("")
    (runs / "link").symlink_to("a")
    (runs / "dangling").symlink_to("nowhere")
    (runs / "loop").symlink_to("loop")
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").symlink_to("nowhere")
    (runs / ELSEWHERE).write_text("../mine\n../grid\n../removed\n")
    found = walk(runs)
    inside = [".hidden", "a", "b", "link", "nested", "nested/inner", "s/0", "s/1"]
    assert names(found.runs, runs) == [*inside, "../mine", "../grid/1"]
    assert names(found.attempts, runs) == ["s/attempts/0-1"]
    assert names(found.sweeps, runs) == names(sweeps_in(runs), runs) == ["s"]
    assert names(found.marked, runs) == ["gone", "s/9"]


def test_a_walk_finds_nothing_where_there_is_no_folder(runs):
    assert (walk(runs).records, sweeps_in(runs)) == ([], [])


def test_paths_are_named_as_the_folder_of_runs_is(runs):
    run(runs / "a")
    assert [str(walk(place).runs[0]) for place in (runs_dir(), runs)] == ["runs/a", str(runs / "a")]


def test_last_follows_neither_names_nor_times_of_files(runs):
    for place, name in enumerate(["z", "20300101-000000-ffff", "a", "19990101-000000-0000", "m"]):
        run(runs / name, started=1e9 + place % 4)
        os.utime(runs / name / "run.json", (5e9 - place, 5e9 - place))
    assert find_run("last", runs).name == find_any("last").name == "19990101-000000-0000"


@pytest.mark.parametrize(
    "text",
    [
        '{"status": "finished", "started": "1.5e9"}',
        '{"status": "finished", "st\\u0061rted": 1.5e9}',
        '{"status":"finished","metrics":{},"started":1500000000}',
        '{\n "started" :\n 1.5e9, "status": "finished"}',
        '{"status": "finished", "started": 3, "started": 1.5e9}',
        '{"process": {"host": "a}", "started": 3}, "started": 1.5e9, "status": "finished"}',
    ],
)
def test_last_is_found_in_any_form_of_a_record(runs, text):
    written(runs / "a", text)
    run(runs / "b", started=1.4e9)
    assert newest([runs / "a", runs / "b"]) == newest([runs / "b", runs / "a"]) == runs / "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"started": 9e9',
        '{"started": 9e9}',
        '{"status": "finished"}',
        '{"status": "finished", "started": NaN}',
        '{"status": "finished", "started": 1' + "0" * 400 + "}",
        '{"status": "finished", "metrics": {"started": 9e9}}',
        '{"status": "finished", "started": 3, "process": {"started": 9e9}}',
        '{"status": "finished", "started": 3, "command": "\\"started\\": 9e9"}',
    ],
)
def test_no_other_text_of_a_record_makes_it_the_last(runs, text):
    written(runs / "a", text)
    run(runs / "b", started=4)
    assert newest([runs / "a", runs / "b"]) == newest([runs / "b", runs / "a"]) == runs / "b"


def test_of_runs_that_started_together_the_first_is_the_last(runs):
    folders = [run(runs / name, started=7) for name in "abc"]
    assert newest(folders) == folders[0]


def test_last_reads_each_of_300_records_once_and_parses_few(runs, opened, parsed):
    for number in range(300):
        process = {"pid": 1, "started": 10**12 + number}  # a machine that has run for years counts further than the clock
        run(runs / f"{number:03}", started=1e9 + number, process=process)
    assert find_any("last").name == "299"
    assert sum(opened.values()) <= 306
    assert len(parsed) <= 5


def test_doctor_looks_at_a_folder_twice(ask, runs, monkeypatch):
    for number in range(10):
        run(runs / str(number))
    looked, scandir = Counter(), os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.update([str(path)]) or scandir(path))
    assert ask("doctor")[0] == 0
    assert {looked[f"runs/{number}"] for number in range(10)} == {2}


def test_a_folder_that_is_used_again_is_not_deleted(runs):
    run(runs / "a")
    (runs / "a" / MARK).write_text("{}")
    assert list(finish_all(runs, walk(runs).marked)) == []
    assert read_state(runs / "a")


def test_sweeps_are_in_the_order_of_their_launch(runs):
    for name, launched in (("a", 3), ("b", 1), ("c", 2)):
        (runs / name).mkdir(parents=True)
        (runs / name / "sweep.json").write_text(json.dumps({"launched": launched}))
    assert [folder.name for folder in all_sweeps(runs)] == ["b", "c", "a"]
