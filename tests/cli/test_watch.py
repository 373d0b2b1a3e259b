"""`stackprop watch`: a sweep or a run while it trains, from its files alone."""

import json
import os
import time

import pytest

from framework.cli.command_line import main
from framework.cli.commands import watch
from framework.sweeps import watching
from framework.sweeps.watching import Watcher
from framework.tracking.owner import start_of, this_process

JOBS = {"0": ("lr=1", "seed=0"), "1": ("lr=1", "seed=1"), "2": ("lr=2", "seed=0"), "3": ("lr=2", "seed=1")}


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A sweep of two settings and two seeds, of which no job has started."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "sweep-a"
    folder.mkdir(parents=True)
    jobs = {
        number: {"overrides": [f"optimizer.{word}" if "lr" in word else word for word in words], "folder": number}
        for number, words in JOBS.items()
    }
    (folder / "sweep.json").write_text(json.dumps({"command": [], "launched": 1.0, "jobs": jobs}))
    return folder


def job(sweep, number, status="running", steps=(), pid=None, **state):
    """Write the record of a job, and lines of its metrics."""
    folder = sweep / number
    folder.mkdir(exist_ok=True)
    process = {**this_process(), "pid": pid or os.getpid(), "started": start_of(pid or os.getpid())}
    known = {"status": status, "started": time.time() - 10, "steps": 8, "steps_per_epoch": 4, "process": process}
    (folder / "run.json").write_text(json.dumps({**known, **state}))
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        for step, value in steps:
            file.write(json.dumps({"step": step, "train/loss": 1.0, "grad_norm/total": 1.0}) + "\n")
            file.write(json.dumps({"step": step, "val/loss": value}) + "\n" if value is not None else "")
    return folder


def test_jobs_are_counted_by_what_became_of_them(sweep):
    job(sweep, "0", "finished", metrics={"val/loss": 0.5})
    job(sweep, "1", "diverged")
    job(sweep, "2", steps=[(2, None)])
    frame = Watcher(sweep).frame()
    assert frame.counts == {"done": 1, "running": 1, "failed": 1, "lost": 0, "left": 1}
    assert not frame.ended


def test_settings_are_ranked_by_the_mean_over_seeds(sweep):
    for number, value in zip(JOBS, (0.1, 0.5, 0.2, 0.3), strict=True):
        job(sweep, number, "finished", metrics={"val/loss": value})
    best, other = Watcher(sweep).frame().settings
    assert (best.name, best.mean, best.std) == ("lr=2", 0.25, pytest.approx(0.05))
    assert (other.name, other.with_value, other.jobs) == ("lr=1", 2, 2)


def test_settings_are_ranked_by_the_metric_of_early_stopping(sweep):
    for number, accuracy in zip(JOBS, (0.1, 0.5, 0.4, 0.4), strict=True):
        folder = job(sweep, number, "finished", metrics={"val/loss": 1.0, "val/accuracy": accuracy})
        (folder / "config.yaml").write_text("trainer:\n  early_stopping:\n    monitor: val/accuracy\n")
    frame = Watcher(sweep).frame()
    assert frame.metric == "val/accuracy"
    assert [(each.name, each.mean) for each in frame.settings] == [("lr=2", 0.4), ("lr=1", pytest.approx(0.3))]


def test_a_setting_without_all_seeds_comes_later(sweep):
    for number, value in zip("023", (0.1, 0.2, 0.3), strict=True):
        job(sweep, number, "finished", metrics={"val/loss": value})
    assert [each.name for each in Watcher(sweep).frame().settings] == ["lr=2", "lr=1"]


def test_the_direction_is_that_of_the_record(sweep):
    content = json.loads((sweep / "sweep.json").read_text())
    goal = {"metric": "val/accuracy", "lower_is_better": False}
    (sweep / "sweep.json").write_text(json.dumps({**content, "objective": goal}))
    for number, value in zip(JOBS, (0.1, 0.5, 0.2, 0.3), strict=True):
        job(sweep, number, "finished", metrics={"val/accuracy": value})
    assert [each.name for each in Watcher(sweep).frame().settings] == ["lr=1", "lr=2"]


def test_only_what_has_grown_is_read(sweep, monkeypatch):
    job(sweep, "0", steps=[(4, 0.5)])
    watcher = Watcher(sweep)
    assert watcher.frame().running[0].curve == (0.5,)
    read = []
    parsed = watching.parsed
    monkeypatch.setattr(watching, "parsed", lambda lines: read.extend(lines) or parsed(lines))
    assert watcher.frame().running[0].curve == (0.5,)
    assert read == []
    job(sweep, "0", steps=[(6, 0.25)])
    (stack,) = watcher.frame().running
    assert (stack.curve, stack.epoch) == ((0.5, 0.25), "2/2")
    assert not any("0.5" in line for line in read)


def test_a_long_file_is_read_from_its_end(sweep, monkeypatch):
    monkeypatch.setattr(watching, "LARGEST", 150)
    job(sweep, "0", steps=[(step, step / 8) for step in range(1, 8)])
    (stack,) = Watcher(sweep).frame().running
    assert stack.curve[-1] == 7 / 8
    assert len(stack.curve) < 4


def test_half_a_line_waits_for_its_end(sweep):
    folder = job(sweep, "0", steps=[(4, 0.5)])
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 8, "val/l')
    watcher = Watcher(sweep)
    assert watcher.frame().running[0].curve == (0.5,)
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('oss": 0.25}\n')
    assert watcher.frame().running[0].curve == (0.5, 0.25)


def test_a_job_that_trains_again_is_read_from_its_start(sweep):
    folder = job(sweep, "0", steps=[(4, 0.5), (8, 0.25)])
    watcher = Watcher(sweep)
    assert watcher.frame().running[0].curve == (0.5, 0.25)
    os.truncate(folder / "metrics.jsonl", 0)
    job(sweep, "0", steps=[(4, 0.75)])
    assert watcher.frame().running[0].curve == (0.75,)


def test_the_jobs_of_a_process_are_one_line(sweep):
    job(sweep, "0", steps=[(4, 0.5)])
    job(sweep, "1", steps=[(4, 0.25)])
    job(sweep, "2", steps=[(2, None)], pid=1)
    first, second = Watcher(sweep).frame().running
    assert (first.jobs, first.curve, first.epoch) == (("0", "1"), (0.375,), "1/2")
    assert first.left == pytest.approx(10, abs=2)
    assert (second.jobs, second.curve) == (("2",), ())


def test_a_sweep_whose_process_was_killed_has_ended(sweep):
    job(sweep, "0", steps=[(4, 0.5)], process={**this_process(), "machine": "another"})
    assert not Watcher(sweep).frame().ended
    folder = job(sweep, "0", pid=2**22 + 1)
    frame = Watcher(sweep).frame()
    assert (frame.counts["lost"], frame.counts["left"], frame.ended) == (1, 3, True)
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "process": {}, "pid": 2**22 + 1}))  # of an older version
    assert not Watcher(sweep).frame().ended
    os.utime(folder / "metrics.jsonl", (1, 1))
    assert Watcher(sweep).frame().ended


def test_damaged_records_do_not_stop_it(sweep):
    job(sweep, "0", steps=[(4, 0.5)])
    (sweep / "1").mkdir()
    (sweep / "1" / "run.json").write_text("[")
    job(sweep, "2")
    (sweep / "2" / "metrics.jsonl").write_text("nothing\n")
    job(sweep, "3")
    (sweep / "3" / "metrics.jsonl").unlink()
    os.mkfifo(sweep / "3" / "metrics.jsonl")
    assert Watcher(sweep).frame().counts == {"done": 0, "running": 3, "failed": 0, "lost": 0, "left": 1}


def test_one_frame_without_a_terminal(sweep, capsys):
    job(sweep, "0", "finished", metrics={"val/loss": 0.5})
    job(sweep, "2", steps=[(2, 0.75), (4, 0.25)])
    with pytest.raises(SystemExit) as ended:
        main(["watch", "sweep-a"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code in (0, None)
    assert lines[0] == "sweep-a: 1 done  1 running  2 left"
    assert lines[3].split() == ["lr=2", "0.25", "1", "of", "2"]
    assert lines[-1].split()[:4] == ["2", "1/2", "0.25", "█▁"]


def test_a_run_is_watched_to_its_end(sweep, capsys, monkeypatch):
    folder = job(sweep.parent, "mine", steps=[(4, 0.5)])
    monkeypatch.setattr(watch.time, "sleep", lambda _: job(sweep.parent, "mine", "finished", metrics={"val/loss": 0.25}))
    watch.live(Watcher(folder))
    out = capsys.readouterr().out
    assert "mine: 1 done" in out
    assert "0.25" in out


def test_a_curve_is_drawn_between_its_extremes():
    assert watch.sparkline([3.0, 2.0, 1.0]) == "█▄▁"
    assert watch.sparkline([1.0, float("nan"), 1.0]) == "▁ ▁"
    assert [watch.duration(seconds) for seconds in (9.6, 200, 7500, float("nan"))] == ["10 s", "3 min 20 s", "2 h 5 min", ""]
