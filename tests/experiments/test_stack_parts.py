"""A stack that fails: its good jobs are trained again, and give the numbers that they give alone."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shell import stackprop

from framework.config.composition import compose
from framework.core.errors import RunFailed, TierError
from framework.experiments import stack_parts
from framework.experiments.experiment import prepare
from framework.experiments.recording import JobResult, RecordingCallback
from framework.experiments.runner import run, run_stack
from framework.experiments.stack_parts import StackParts
from framework.sweeps.executors.task import JobEnd, values
from framework.tracking.metrics_file import read_lines
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.run_dir import RunLocation, read_state
from framework.training import continued
from framework.training.state import Trainer

pytestmark = pytest.mark.usefixtures("unrendered")

WORDS = ["tracking=none", "dtype=float64", "device=cpu", "dataset=spirals", "dataset.n=40", "model.hidden=4"]
WORDS += ["trainer.epochs=3", "tier=array"]


def jobs(count, *words):
    return [prepare(compose([*WORDS, f"seed={seed}", *words])) for seed in range(count)]


def places(folder, count):
    return [RunLocation(folder / str(i), folder, str(i), {"sweep": "s"}) for i in range(count)]


def fails(monkeypatch, wrong, error=None, epoch=2):
    """A training fails where one of its seeds is wrong; returns the seeds of every training that starts."""
    tried, validate, train = [], Trainer.validate, continued.train_sliced

    def counted(learners, data, keys, **how):
        tried.append(list(keys))
        return train(learners, data, keys, **how)

    def validated(self, ends=True):
        if self.epoch == epoch and wrong(self.stack.keys):
            raise error or ValueError("a bad job")
        validate(self, ends)

    monkeypatch.setattr(continued, "train_sliced", counted)
    monkeypatch.setattr(Trainer, "validate", validated)
    return tried


def heard(monkeypatch):
    """The lines that are printed."""
    said = []
    monkeypatch.setattr(stack_parts.log, "info", said.append)
    return said


def having(*bad):
    return lambda keys: any(key in bad for key in keys)


def states(folder, count):
    return [read_state(folder / str(i))["status"] for i in range(count)]


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_the_good_jobs_of_a_failed_stack_are_as_if_alone(tier, tmp_path, monkeypatch):
    found = jobs(4, f"tier={tier}", "trainer.checkpoint_every=5")
    tried = fails(monkeypatch, having(2))
    results = run_stack(found, places(tmp_path, 4))
    assert tried == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]
    assert states(tmp_path, 4) == ["finished", "finished", "failed", "finished"]
    assert [result.outcome.member for result in results if isinstance(result, JobResult)] == [0, 1, 3]
    for i in (0, 1, 3):
        run(found[i], RunLocation(tmp_path / f"alone{i}", tmp_path, "alone", {"sweep": "s"}))
        one, other = (read_lines(tmp_path / name / "metrics.jsonl") for name in (str(i), f"alone{i}"))
        assert [line.keys() for line in one] == [line.keys() for line in other]
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-9, atol=1e-9)
    assert (tmp_path / "3" / "checkpoint.npz").exists()


def test_a_failing_job_is_named_with_its_own_error(tmp_path, monkeypatch):
    fails(monkeypatch, having(2))
    said = heard(monkeypatch)
    results = run_stack(jobs(4), places(tmp_path, 4))
    assert [type(result) for result in results] == [JobResult, JobResult, RunFailed, JobResult]
    assert str(results[2]).startswith("ValueError: a bad job (traceback in ")
    assert str(results[2]).endswith("; the other 3 jobs of its stack were trained again")
    assert read_state(tmp_path / "2")["reason"] == "ValueError: a bad job"
    assert "a bad job" in (tmp_path / "2" / "traceback.txt").read_text()
    assert said == [
        "a stack of 4 jobs failed (ValueError: a bad job); they are trained again in parts, to find which of them fail"
    ]


class Records(RecordingCallback):
    """Records without files."""

    def __init__(self, count):
        self.records, self.failed, self.reasons = [None] * count, {}, {}

    def restart(self, members):
        assert not self.failed.keys() & set(members)

    def closed(self, members, outcomes):
        return [JobResult("finished", "", {}, 0.0, outcome, Path()) for outcome in outcomes]

    def fail(self, members, failure, more=""):
        for member in members:
            self.failed[member] = RunFailed(f"{failure.reason}{more}")
            self.reasons[member] = f"{failure.reason}{more}"


def parted(count, wrong, error=ValueError):
    """The trainings of a stack, as lists of members, and its results; it fails where its members are wrong."""
    tried = []

    def train(members):
        tried.append(list(members))
        if wrong(members):
            raise error("bad")
        return list(members)

    records = Records(count)
    results = StackParts(records, train, np).run()
    finished = [member for trial in tried if not wrong(trial) for member in trial]
    assert len(finished) == len(set(finished))  # none is trained to its end twice
    return tried, results, records


@pytest.mark.parametrize(("count", "bad", "trainings"), [(64, [11], 13), (16, [0, 9], 12), (5, [4], 7), (2, [0, 1], 3)])
def test_bad_jobs_are_found_by_halving(count, bad, trainings):
    tried, results, _ = parted(count, having(*bad))
    assert [i for i, result in enumerate(results) if isinstance(result, RunFailed)] == bad
    assert len(tried) == trainings  # 1 + 2 log2 64 with one bad job


def test_a_failure_of_all_jobs_ends_after_a_few():
    tried, results, records = parted(64, lambda _: True)
    assert [len(members) for members in tried] == [64, 32, 32, 1, 1, 1, 1]
    assert {str(result) for result in results} == {"ValueError: bad; so do 64 jobs together, and 4 of them alone"}
    alone = [i for i, reason in records.reasons.items() if reason == "ValueError: bad"]
    assert sorted(alone) == [0, 1, 32, 63]  # printed once, but each record says what is known of its job


@pytest.mark.parametrize("bad", [range(0, 12, 2), range(6), range(3, 12), [*range(0, 30), *range(40, 64)], range(1, 64)])
def test_no_good_job_is_lost_among_many_bad_ones(bad):
    _, results, _ = parted(64, having(*bad))
    assert [i for i, result in enumerate(results) if isinstance(result, RunFailed)] == list(bad)


def test_a_stack_without_room_is_halved_until_it_has_some(monkeypatch):
    said = heard(monkeypatch)
    tried, results, _ = parted(10, lambda members: len(members) > 3, MemoryError)
    assert all(isinstance(result, JobResult) for result in results)
    assert [len(members) for members in tried] == [10, 5, 5, 2, 3, 2, 3]
    assert "does not fit into memory" in said[0]
    assert "hydra.launcher.max_stack=5" in said[0]


def test_a_failure_that_does_not_come_again_costs_no_job(monkeypatch):
    said = heard(monkeypatch)
    tried, results, _ = parted(4, lambda members: len(members) == 4)
    assert [len(members) for members in tried] == [4, 2, 2]
    assert all(isinstance(result, JobResult) for result in results)
    assert said[-1] == "none of the 4 jobs failed when they were trained in parts"


def test_what_cannot_be_compiled_is_not_tried_in_parts(tmp_path, monkeypatch):
    tried = fails(monkeypatch, lambda _: True, TierError("tier: 'compiled' cannot be used here"))
    results = run_stack(jobs(4), places(tmp_path, 4))
    assert len(tried) == 1
    assert {str(result) for result in results} == {"tier: 'compiled' cannot be used here; a smaller stack would not help"}


def test_ctrl_c_is_no_failure_and_keeps_what_was_trained(tmp_path, monkeypatch):
    def wrong(keys):
        if list(keys) == [2, 3]:
            raise KeyboardInterrupt
        return len(keys) == 4

    tried = fails(monkeypatch, wrong)
    with pytest.raises(KeyboardInterrupt):
        run_stack(jobs(4), places(tmp_path, 4))
    assert tried == [[0, 1, 2, 3], [0, 1], [2, 3]]
    assert states(tmp_path, 4) == ["finished", "finished", "killed", "killed"]


def test_a_diverged_job_of_a_failed_stack_is_not_repeated(tmp_path, monkeypatch):
    words = ["optimizer=sgd", "activation=linear", "loss=mse", "trainer.read_every=1"]
    found = [
        prepare(compose([*WORDS, f"seed={i}", *words, f"optimizer.lr={rate}"]))
        for i, rate in enumerate((0.1, 1e30, 0.1, 0.1))
    ]
    tried = fails(monkeypatch, having(3))
    run_stack(found, places(tmp_path, 4))
    assert tried == [[0, 1, 2, 3], [0], [2, 3], [2], [3]]
    assert states(tmp_path, 4) == ["finished", "diverged", "finished", "failed"]


def test_a_job_whose_files_cannot_be_emptied_fails_alone(tmp_path, monkeypatch):
    restart = MetricsRecorder.restart

    def stubborn(self):
        if self.path.parent.name == "1":
            raise OSError(5, "Input/output error", str(self.path))
        restart(self)

    monkeypatch.setattr(MetricsRecorder, "restart", stubborn)
    fails(monkeypatch, having(2))
    run_stack(jobs(4), places(tmp_path, 4))
    assert states(tmp_path, 4) == ["finished", "failed", "failed", "finished"]
    assert "Input/output error" in read_state(tmp_path / "1")["reason"]


def test_what_many_jobs_fail_with_is_printed_once():
    said = []
    progress = SimpleNamespace(finished=lambda _: None, say=said.append)
    jobs = [SimpleNamespace(number=i, overrides=[f"seed={i}"]) for i in range(7)]
    found = values(jobs, [JobEnd({}, "boom")] * 5 + [JobEnd({}, "other"), JobEnd({"val/loss": 0.5})], progress)
    assert said == ["failed: 5 jobs, 0 to 4: boom", "failed: job 5 (seed=5): other"]
    assert [isinstance(found[i], RunFailed) for i in range(7)] == [True] * 6 + [False]


PLUGIN = '''
from dataclasses import dataclass
from framework import hookimpl, option

@dataclass(frozen=True)
class Fussy:
    """Passes its input on, but not with a bad option."""
    bad: float = option(0.0, stackable=True, help="fails where it is 1")
    def init(self, rng, in_shape):
        return {}, in_shape
    def forward(self, p, x, ctx):
        if ctx.train and ctx.step == 4 and 1.0 in getattr(self.bad, "tolist", lambda: [self.bad])():
            raise ValueError("a bad value")
        return x, None
    def backward(self, p, cache, dy, ctx, need_dx=True):
        return dy, {}

@hookimpl
def register_layers(register):
    register("fussy", Fussy)
'''


@pytest.mark.slow
@pytest.mark.parametrize("where", [[], ["hydra.launcher.n_jobs=2", "hydra.launcher.max_stack=4"]])
def test_a_plugin_that_fails_for_one_job_of_a_sweep(where, tmp_path):
    (tmp_path / "fussy.py").write_text(PLUGIN)
    words = ["plugins=[fussy.py]", "+model.layers.fussy={type:fussy,after:hidden}", "model.layers.fussy.bad=range(0,8)"]
    done = stackprop(tmp_path, "-m", *WORDS, *words, *where)
    printed = done.stderr
    width = 4 if where else 8
    assert done.returncode == 1, printed
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("failed: job")]
    assert line.startswith("failed: job 1 (")
    assert line.endswith(f"; the other {width - 1} jobs of its stack were trained again")
    (sweep,) = tmp_path.glob("runs/sweep-*")
    ends = {i: json.loads((sweep / str(i) / "run.json").read_text())["status"] for i in range(8)}
    assert [i for i, status in ends.items() if status != "finished"] == [1]
    again = stackprop(tmp_path, "-m", f"sweep.resume={sweep.name}")
    assert (again.returncode, "7 of 8 jobs had finished; 1 to go" in again.stdout) == (1, True)
