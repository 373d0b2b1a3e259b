"""Truncated backpropagation through time: chunks, each an update; and lags, over which a loss reaches back."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from networks import learner, lone

from framework import Callback, Context, Data, Field, Network, discover
from framework.config.options import Bptt
from framework.nn.heads import total_loss
from framework.tracking.metrics_file import read_lines, series
from framework.tracking.recorder import MetricsRecorder
from framework.training.bptt import chunk_warnings, chunks
from framework.training.trainer import train
from framework_optimizers.sgd import Sgd

get = discover().get
FIELDS = {"x": Field("NTF"), "y": Field("NTF")}


def network(units=3, features=2):
    cell = get("cell", "simple")(units)
    return Network({"rnn": get("layer", "recurrent")(cell), "out": get("layer", "dense")(1)}, {"x": (None, features)})


def sequences(n=4, steps=6, features=2):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, steps, features))
    return Data({"train": {"x": x, "y": x[..., :1].cumsum(1)}}, FIELDS)


def member(chunk=None, lag=None, steps=None, **options):
    return learner(network(), bptt=Bptt(chunk, lag), **{"batch_size": 2, "shuffle": False, "epochs": 2, **options})


def by_hand(chunk, epochs=2, lr=0.1):
    """The same training, written out."""
    net, data = network(), sequences().splits["train"]
    tensors, _ = net.init(0)
    heads = member().heads
    for _ in range(epochs):
        for rows in (slice(0, 2), slice(2, 4)):
            carry = {}
            for start in range(0, 6, chunk):
                steps = slice(start, start + chunk)
                batch = {name: a[rows].swapaxes(0, 1)[steps] for name, a in data.items()}
                ctx = Context(batch=batch, carry=carry)
                values, caches = net.forward(tensors, ctx)
                g = {node: {t: np.zeros_like(a) for t, a in p.items()} for node, p in tensors.items()}
                net.backward(tensors, caches, total_loss(heads, values, ctx)[1], g, ctx)
                carry = net.carry(caches)
                tensors = {node: {t: a - lr * g[node][t] for t, a in p.items()} for node, p in tensors.items()}
    return tensors


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_every_chunk_is_an_update_and_hands_its_state_on(chunk):
    outcome = lone(replace(member(chunk), optimizer=Sgd(lr=0.1)), sequences())
    assert outcome.step == 2 * 2 * -(-6 // chunk)
    for node, tensors in by_hand(chunk).items():
        for name, a in tensors.items():
            assert outcome.weights[node][name] == pytest.approx(a, abs=1e-13)


@pytest.mark.parametrize("cut", [{"chunk": 6}, {"chunk": 50}, {"lag": 6}, {"lag": 50}])
def test_as_many_steps_as_there_are_is_no_truncation(cut):
    whole, cut_ = lone(member(), sequences()), lone(member(**cut), sequences())
    for node, tensors in whole.weights.items():
        for name, a in tensors.items():
            assert cut_.weights[node][name] == pytest.approx(a, abs=1e-13)


def test_a_short_lag_gives_another_gradient():
    whole, short = lone(member(), sequences()), lone(member(lag=1), sequences())
    assert np.abs(whole.weights["rnn"]["U"] - short.weights["rnn"]["U"]).max() > 1e-4


def test_a_stack_in_chunks_trains_as_its_members_alone():
    members = [replace(member(2), optimizer=Sgd(lr=lr)) for lr in (0.01, 0.05, 0.1)]
    together = train(members, [sequences()], [1, 2, 3], dtype=np.float64)
    for outcome, one, key in zip(together, members, (1, 2, 3), strict=True):
        for node, tensors in lone(one, sequences(), key).weights.items():
            for name, a in tensors.items():
                assert outcome.weights[node][name] == pytest.approx(a, abs=1e-12)


def test_a_training_taken_up_in_the_middle_of_a_sequence_goes_on_as_if_nothing_had_happened():
    saved = []
    whole = lone(member(2, checkpoint_every=5), sequences(), save=lambda *told: saved.append(told))
    again = lone(member(2, checkpoint_every=5), sequences(), resume=saved[0])
    assert "carry.rnn" in saved[0][0]
    for node, tensors in whole.weights.items():
        for name, a in tensors.items():
            assert np.array_equal(again.weights[node][name], a)


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"y": Field("NF")}, {}, "the target 'y' belongs to the whole sequence"),
        ({"z": Field("NTF")}, {}, r"equal length \(got x 6, y 6, z 3\)"),
        ({}, {"accumulate": 2}, "cannot be combined with trainer.accumulate"),
    ],
)
def test_what_cannot_be_cut_is_told(fields, options, words):
    data = sequences()
    train_split = dict(data.splits["train"])
    if "z" in fields:
        train_split["z"] = train_split["x"][:, :3]
    if "y" in fields:
        train_split["y"] = train_split["y"][:, -1]
    with pytest.raises(ValueError, match=f"trainer.bptt.chunk: .*{words}"):
        lone(member(2, **options), Data({"train": train_split}, FIELDS | fields))


def test_a_chunk_that_cuts_nothing_is_told():
    assert chunk_warnings(sequences(), 5) == chunk_warnings(sequences(), None) == []
    assert chunk_warnings(sequences(), 6) == ["trainer.bptt.chunk: no effect (got 6); the sequences have 6 steps"]


def test_data_without_sequences_have_no_chunks():
    with pytest.raises(ValueError, match=r"trainer.bptt.chunk: the data set has no sequences"):
        chunks(Data({"train": {"x": np.zeros((2, 3))}}, {"x": Field("NF")}), 2)


def test_memory_is_that_of_a_chunk():
    def peak(steps, chunk):
        data = sequences(n=8, steps=steps)
        options = {"bptt": Bptt(chunk), "batch_size": 8, "steps": 20, "train_metrics": False, "read_every": 10}
        tracemalloc.start()
        lone(learner(network(units=32), **options), data)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short, long, uncut = peak(50, None), peak(1000, 50), peak(1000, None)
    assert long < 2 * short  # the data themselves are 20 times as long
    assert uncut > 8 * short


class Rows(Callback):
    """Keeps the rows that probes measured."""

    def __init__(self):
        self.rows = []

    def on_probe_row(self, member, step, metric, row):
        self.rows.append((step, metric, row.copy()))


def test_the_gradient_by_lag_is_recorded_along_training_for_every_replica():
    probe = get("probe", "gradient_by_lag")(states=False)
    members = [replace(member(epochs=6, probe_every=5), probes={"lag": probe}, optimizer=Sgd(lr=lr)) for lr in (0.1, 0.2)]
    alone, together = Rows(), Rows()
    train(members[:1], [sequences()], [1], dtype=np.float64, callbacks=[alone])
    train(members, [sequences()], [1, 2], dtype=np.float64, callbacks=[together])
    assert [step for step, *_ in alone.rows] == [1, 5, 10, 12]
    for (step, metric, row), (step2, metric2, row2) in zip(alone.rows, together.rows[::2], strict=True):
        assert (step, metric, row.shape) == (step2, metric2, (6,))
        assert row2 == pytest.approx(row, abs=1e-12)


def test_rows_are_kept_whole_and_reach_the_store_as_curves_over_lags(tmp_path):
    class Sink:
        def __init__(self):
            self.sent = []

        def points(self, points):
            self.sent += [point[:3] for point in points]

    first, again = Sink(), Sink()
    recorder = MetricsRecorder(tmp_path, 10, 1, first)
    for step, row in ((1, [0.5, 0.25]), (10, [0.1, np.nan])):
        recorder.on_probe_row(0, step, "gradient_by_lag/rnn", np.array(row))
    recorder.on_end()
    recorder.sync()
    lines = read_lines(tmp_path / "metrics.jsonl")
    assert lines[0] == {"step": 1, "gradient_by_lag/rnn": [0.5, 0.25]}
    assert first.sent[:3] == [
        ("gradient_by_lag_start/rnn", 0.5, 0),
        ("gradient_by_lag_start/rnn", 0.25, 1),
        ("gradient_by_lag/rnn", 0.1, 0),
    ]
    assert series(lines)["gradient_by_lag/rnn"][0].tolist() == [0, 0.1]
    filled = MetricsRecorder(tmp_path, 10, 1, again, upto=(tmp_path / "metrics.jsonl").stat().st_size)
    filled.on_end()
    assert str(again.sent) == str(first.sent)
