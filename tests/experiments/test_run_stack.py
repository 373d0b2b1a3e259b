"""The stack law for whole runs: a job that trains in a stack leaves what it leaves when it runs alone."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from framework.config.composition import compose
from framework.config.options import TrainerOptions
from framework.core.errors import RunFailed
from framework.experiments.experiment import prepare
from framework.experiments.loading import settings_of_run
from framework.experiments.runner import run, run_stack
from framework.sweeps.grouping import fits
from framework.tracking.checkpoint import load
from framework.tracking.metrics_file import read_lines
from framework.tracking.run_dir import RunLocation
from framework.training.memory import Footprint, footprint, widest
from framework.training.parallel import CACHE, NARROWEST, busy_threads, slices, train_sliced, width
from framework.training.trainer import train

pytestmark = pytest.mark.usefixtures("unrendered")

SMALL = ["tracking=none", "dtype=float64", "device=cpu", "dataset=spirals", "dataset.n=60", "model.hidden=6"]
SEQUENCES = ["tracking=none", "dtype=float64", "device=cpu", "model.hidden=5", "trainer.batch_size=10"]

# What a sweep changes, on top of what all its jobs share.
SWEEPS = {
    "seeds and rates": (
        [*SMALL, "trainer.epochs=15"],
        [[f"seed={s}", f"optimizer.lr={r}"] for s in (0, 1) for r in (0.01, 0.1)],
    ),
    "early stopping": (
        [*SMALL, "trainer.epochs=60", "trainer.early_stopping.patience=3", "optimizer=momentum"],
        [[f"optimizer.lr={r}"] for r in (0.003, 0.1, 0.3, 1.0)],
    ),
    "schedule, clipping, penalty": (
        [*SMALL, "trainer.epochs=15", "schedule=cosine", "regularizer=l2", "trainer.clip_norm=1"],
        [[f"trainer.clip_norm={c}", f"regularizer.strength={s}"] for c, s in ((0.1, 0.0), (1.0, 0.1), (5.0, 0.01))],
    ),
    "dropout and batch norm": (
        [
            *SMALL,
            "trainer.epochs=15",
            "+model.layers.norm={type:batch_norm,after:hidden}",
            "+model.layers.drop={type:dropout,keep:0.5,after:act}",
        ],
        [[f"seed={s}", f"model.layers.drop.keep={k}"] for s, k in ((0, 0.5), (1, 0.9), (2, 0.7))],
    ),
    "augmentation": (
        ["tracking=none", "dtype=float64", "device=cpu", "model.hidden=6", "augmentation=translate", "trainer.steps=40"],
        [[f"seed={s}"] for s in (0, 1, 2)],
    ),
    "data of their own": ([*SMALL, "trainer.epochs=15"], [[f"dataset.seed={s}"] for s in (0, 1, 2)]),
    "a neighbour diverges": (
        [*SMALL, "trainer.epochs=15", "optimizer=sgd", "trainer.on_divergence=record", "loss=mse", "activation=linear"],
        [[f"optimizer.lr={r}"] for r in (0.01, 1e6, 0.02)],
    ),
    "recurrent, masks": (
        [*SEQUENCES, "model=lstm", "dataset=sentiment", "model.output=last", "trainer.steps=30"],
        [[f"seed={s}", f"optimizer.lr={r}"] for s, r in ((0, 0.01), (1, 0.02), (2, 0.03))],
    ),
    "recurrent, chunks": (
        [*SEQUENCES, "model=gru", "dataset=weather", "trainer.bptt.chunk=7", "trainer.steps=30"],
        [[f"seed={s}"] for s in (0, 1, 2)],
    ),
}


def experiments(name):
    shared, jobs = SWEEPS[name]
    return [prepare(compose([*shared, *words])) for words in jobs]


def place(folder, name):
    return RunLocation(folder / name, folder, name, {"sweep": "s"})


def left(folder):
    """What a run leaves: its lines, how it ended, its weights."""
    told = json.loads((folder / "run.json").read_text())
    arrays = dict(np.load(folder / "model.npz")) if (folder / "model.npz").exists() else {}
    return read_lines(folder / "metrics.jsonl"), {k: told[k] for k in ("status", "reason", "state")}, arrays


def assert_the_same(one, other):
    (lines, state, weights), (lines2, state2, weights2) = left(one), left(other)
    assert state == state2
    assert [line.keys() for line in lines] == [line.keys() for line in lines2]
    for a, b in zip(lines, lines2, strict=True):
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-9, atol=1e-9)
    for name, a in weights.items():
        np.testing.assert_allclose(a, weights2[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_job_of_a_stack_leaves_what_it_leaves_alone(name, tmp_path):
    found = experiments(name)
    together = run_stack(found, [place(tmp_path, f"stacked{i}") for i in range(len(found))])
    for i, experiment in enumerate(found):
        run(experiment, place(tmp_path, f"alone{i}"))
        assert_the_same(tmp_path / f"stacked{i}", tmp_path / f"alone{i}")
    assert [result.folder.name for result in together] == [f"stacked{i}" for i in range(len(found))]


def test_early_stopping_ends_each_job_in_its_own_epoch(tmp_path):
    found = experiments("early stopping")
    results = run_stack(found, [place(tmp_path, str(i)) for i in range(len(found))])
    assert {result.status for result in results} >= {"stopped_early"}
    assert len({result.outcome.epoch for result in results}) > 1


def test_a_failed_job_is_recorded_as_failed_and_the_others_finish(tmp_path):
    shared, jobs = SWEEPS["a neighbour diverges"]
    shared = [word for word in shared if "on_divergence" not in word]
    found = [prepare(compose([*shared, *words])) for words in jobs]
    results = run_stack(found, [place(tmp_path, str(i)) for i in range(3)])
    assert isinstance(results[1], RunFailed)
    states = [json.loads((tmp_path / str(i) / "run.json").read_text()) for i in range(3)]
    assert [state["state"] for state in states] == ["FINISHED", "FAILED", "FINISHED"]
    assert "no longer finite at step" in states[1]["reason"]
    assert "val/loss" in states[0]["metrics"]


def test_what_breaks_a_stack_is_told_in_every_folder(tmp_path, monkeypatch):
    found = experiments("seeds and rates")
    monkeypatch.setattr("framework.training.state.train_step", lambda *_: 1 / 0)
    results = run_stack(found, [place(tmp_path, str(i)) for i in range(4)])
    assert all(isinstance(result, RunFailed) for result in results)
    for i in range(4):
        assert json.loads((tmp_path / str(i) / "run.json").read_text())["state"] == "FAILED"
        assert "ZeroDivisionError" in (tmp_path / str(i) / "traceback.txt").read_text()


def test_a_checkpoint_of_a_stacked_job_is_that_of_a_lone_run(tmp_path):
    """And so `stackprop resume` takes the job up alone."""
    shared, jobs = SWEEPS["early stopping"]
    found = [prepare(compose([*shared, "trainer.checkpoint_every=7", *words])) for words in jobs]
    run_stack(found, [place(tmp_path, f"stacked{i}") for i in range(4)])
    for i, experiment in enumerate(found):
        run(experiment, place(tmp_path, f"alone{i}"))
        (arrays, plain), (arrays2, plain2) = (
            load(tmp_path / f"{kind}{i}" / "checkpoint.npz") for kind in ("stacked", "alone")
        )
        assert arrays.keys() == arrays2.keys()
        assert (plain["training"]["step"], plain["metrics_bytes"]) == (plain2["training"]["step"], plain2["metrics_bytes"])
        for name, a in arrays.items():
            np.testing.assert_allclose(a, arrays2[name], rtol=1e-9, atol=1e-9)


def test_a_stacked_job_goes_on_alone_from_its_checkpoint(tmp_path):
    shared, jobs = SWEEPS["seeds and rates"]
    found = [prepare(compose([*shared, "trainer.checkpoint_every=9", *words])) for words in jobs]
    run_stack(found, [place(tmp_path, str(i)) for i in range(4)])
    folder, before = tmp_path / "2", left(tmp_path / "2")
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**state, "status": "lost"}))
    run(prepare(settings_of_run(folder)), place(tmp_path, "2"), resume=True)
    after = left(folder)
    assert [list(line) for line in after[0]] == [list(line) for line in before[0]]
    np.testing.assert_allclose([*after[0][-1].values()], [*before[0][-1].values()], rtol=1e-9)


@pytest.mark.parametrize("job", [0, 2, 3])
def test_a_stacked_job_keeps_its_best_when_it_goes_on(job, tmp_path):
    shared, jobs = SWEEPS["early stopping"]
    found = [prepare(compose([*shared, "trainer.checkpoint_every=5", *words])) for words in jobs]
    run_stack(found, [place(tmp_path, str(i)) for i in range(4)])
    folder = tmp_path / str(job)
    state, before = json.loads((folder / "run.json").read_text()), left(folder)
    (folder / "run.json").write_text(json.dumps({**state, "status": "lost"}))
    run(prepare(settings_of_run(folder)), place(tmp_path, str(job)), resume=True)
    again, after = json.loads((folder / "run.json").read_text()), left(folder)
    assert again["kept"] == state["kept"]
    assert again["metrics"] == pytest.approx(state["metrics"], rel=1e-9)
    for name, a in before[2].items():
        np.testing.assert_allclose(a, after[2][name], rtol=1e-9, atol=1e-9)


class Lines:
    """Keeps what each member's training tells, and on which threads."""

    def __init__(self):
        self.rows, self.threads = {}, set()

    def on_steps(self, member, first, columns, rows):
        self.threads.add(threading.get_ident())
        self.rows.setdefault(member, []).append((first, rows))

    def on_metrics(self, member, step, values):
        self.rows.setdefault(member, []).append((step, np.array([list(values.values())])))

    def on_end(self, outcome):
        self.rows.setdefault(outcome.member, []).append((outcome.step, np.zeros((1, 1))))


def sliced(members, at_once, monkeypatch, watch, **how):
    monkeypatch.setattr("framework.training.parallel.width", lambda *_: 3)
    monkeypatch.setattr("framework.training.parallel.NARROWEST", 1)
    monkeypatch.setattr("framework.training.parallel.LEAST", 1)
    found = [prepare(compose([*SMALL, "trainer.epochs=4", f"seed={s}"])) for s in range(members)]
    learners, keys = [e.learner for e in found], [e.settings.seed for e in found]
    return train_sliced(learners, [found[0].data], keys, dtype="float64", threads=at_once, callbacks=[watch], **how)


def test_no_number_depends_on_the_slices_or_the_threads(monkeypatch):
    one, two = Lines(), Lines()
    first, second = sliced(7, 1, monkeypatch, one), sliced(7, 2, monkeypatch, two)
    assert [outcome.member for outcome in second] == list(range(7))
    assert len(one.threads) == 1
    assert len(two.threads) == 2
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a.weights["hidden"]["W"], b.weights["hidden"]["W"], rtol=1e-12)
        assert a.metrics == pytest.approx(b.metrics, rel=1e-12)
    assert {m: [f for f, _ in rows] for m, rows in one.rows.items()} == {
        m: [f for f, _ in rows] for m, rows in two.rows.items()
    }


def test_a_stack_may_hold_one_network():
    one = prepare(compose([*SMALL, "trainer.epochs=2"]))
    (sliced,), (alone,) = (call([one.learner], [one.data], [0], dtype="float64") for call in (train_sliced, train))
    assert (sliced.weights["hidden"]["W"] == alone.weights["hidden"]["W"]).all()


def test_a_slice_that_fails_stops_the_others(monkeypatch):
    class Broken(Lines):
        def on_metrics(self, member, step, values):
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        sliced(6, 2, monkeypatch, Broken())


@pytest.mark.parametrize(("xp", "widths"), [(np, [2, 3, 2]), ("a device", [7])])
def test_a_stack_is_cut_on_the_cpu_only(xp, widths, monkeypatch):
    cut = []
    monkeypatch.setattr("framework.training.parallel.width", lambda *_: 3)
    monkeypatch.setattr("framework.training.parallel.train", lambda learners, *_, **__: cut.append(len(learners)) or [])
    monkeypatch.setattr("framework.training.parallel.busy_threads", lambda *given: given[-1])
    learner = SimpleNamespace(options=TrainerOptions())
    train_sliced([learner] * 7, [None], [0] * 7, xp=xp, threads=1, tier="array")
    assert cut == widths


@pytest.mark.parametrize(("replicas", "widest"), [(40.5, 40), (1, NARROWEST)])
def test_a_slice_is_as_wide_as_the_cache_holds(replicas, widest, monkeypatch):
    monkeypatch.setattr("framework.training.parallel.footprint", lambda *_: SimpleNamespace(step=int(CACHE / replicas)))
    assert width(None, [None], np.float32) == widest


@pytest.mark.parametrize(
    ("members", "step", "in_time", "used"), [(16, 1 << 20, 0, 2), (200, 40_000, 0, 1), (16, 1 << 18, 1, 2), (1, 1, 0, 1)]
)
def test_threads_share_a_stack_that_keeps_them_busy(members, step, in_time, used, monkeypatch):
    monkeypatch.setattr("framework.training.parallel.footprint", lambda *_: SimpleNamespace(step=step))
    data = SimpleNamespace(fields={"x": SimpleNamespace(time_major=bool(in_time))})
    assert busy_threads([None] * members, [data], np.float32, 2) == used


@pytest.mark.parametrize(
    ("members", "most", "at_once", "widths"),
    [(32, 16, 2, [16, 16]), (32, 100, 2, [16, 16]), (8, 100, 2, [8]), (30, 10, 2, [8, 7, 7, 8]), (5, 2, 1, [2, 1, 2])],
)
def test_slices_are_even_and_keep_all_threads_busy(members, most, at_once, widths):
    cut = slices(members, most, at_once)
    assert [part.stop - part.start for part in cut] == widths
    assert (cut[0].start, cut[-1].stop) == (0, members)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (["optimizer.lr=0.1"], ["optimizer.lr=1"], True),
        (["seed=1"], ["seed=2"], True),
        (["initializer.gain=1"], ["initializer.gain=2"], True),
        (["trainer.clip_norm=1"], ["trainer.clip_norm=2"], True),
        (["trainer.clip_norm=1"], ["trainer.clip_norm=null"], False),
        (["trainer.clip_value=1"], ["trainer.clip_value=2"], True),
        (["optimizer=rmsprop"], ["optimizer=rmsprop", "optimizer.alpha=0.5"], False),
        (["model.hidden=4"], ["model.hidden=5"], False),
        (["optimizer=sgd"], ["optimizer=nag"], False),
        (["dataset.seed=1"], ["dataset.seed=2"], True),
        (["dataset.n=60"], ["dataset.n=80"], False),
        (["dtype=float64"], ["dtype=float32"], False),
        (["trainer.epochs=1"], ["trainer.epochs=2"], False),
    ],
)
def test_jobs_share_a_stack_where_they_differ_in_stackable_options_only(one, other, together):
    class Job:
        def __init__(self, words):
            self.experiment = prepare(compose([*SMALL, *words]))

    assert fits(Job(one), Job(other)) is together


def test_the_width_of_a_stack_is_bounded_by_memory(monkeypatch):
    monkeypatch.setattr("framework.training.memory.free_memory", lambda xp: 1000)
    assert widest(Footprint(step=1, whole=25), np) == 10
    assert widest(Footprint(step=1, whole=10**6), np) == 1


def test_wider_layers_longer_sequences_and_larger_batches_take_more():
    def step(*words):
        found = prepare(compose(["tracking=none", *words]))
        return footprint(found.learner, found.data, "float32").step

    assert step("model.hidden=8") < step("model.hidden=64") < step("model.hidden=64", "trainer.batch_size=64")
    recurrent = ("model=rnn", "dataset=adding", "model.output=last")
    assert step(*recurrent, "dataset.length=10") < step(*recurrent, "dataset.length=40")
