"""Batches that go on from each other: a long text is read as streams side by side, states are carried, gradients are not."""

from dataclasses import replace

import numpy as np
import pytest
from networks import distance, learner, lone

from framework import Context, Data, DataError, Field, Network, discover, generator
from framework.config.composition import compose
from framework.config.options import Bptt
from framework.core.errors import ConfigError
from framework.data.loader import BatchSampler, DataLoader, in_streams
from framework.data.scaling import Scale
from framework.experiments.experiment import prepare
from framework.inference.evaluation import STREAM, evaluate
from framework.inference.model import Model
from framework.testing.double import Double
from framework.training.trainer import train
from framework_optimizers.sgd import Sgd

get = discover().get
FIELDS = {"x": Field("NTF"), "y": Field("NTF")}
SERIES = np.random.default_rng(0).standard_normal((72, 2))
TARGETS = SERIES[:, :1].cumsum(0) / 9


def network():
    cell = get("cell", "lstm")(3)
    return Network({"rnn": get("layer", "recurrent")(cell), "out": get("layer", "dense")(1)}, {"x": (None, 2)})


def member(chunk=None, lr=0.1, **options):
    made = learner(network(), bptt=Bptt(chunk), **{"batch_size": 3, "epochs": 2, **options})
    return replace(made, optimizer=Sgd(lr=lr))


def cut(length):
    """The series in windows of so many steps, one behind the other."""
    return {"x": SERIES.reshape(-1, length, 2), "y": TARGETS.reshape(-1, length, 1)}


WINDOWS = Data({"train": cut(6)}, FIELDS, stateful=True)
STREAMS = Data({"train": cut(24)}, FIELDS)  # the same three number of streams, each as one long sequence


@pytest.mark.parametrize("chunk", [None, 2])
def test_J14_it_is_the_same_as_long_sequences_in_chunks(chunk):
    carried = lone(member(chunk), WINDOWS)
    whole = lone(member(chunk or 6, shuffle=False), STREAMS)
    assert carried.step == whole.step == 2 * 24 // (chunk or 6)
    assert distance(carried, whole) == 0
    assert distance(carried, lone(member(chunk, shuffle=False), replace(WINDOWS, stateful=False))) > 1e-4


def test_streams_of_unequal_length_end_one_after_the_other():
    assert in_streams(7, 3).reshape(-1).tolist() == [0, 3, 5, 1, 4, 6, 2]
    assert [rows.tolist() for rows in BatchSampler(7, 3, (1, 2), 1, stateful=True)] == [[[0, 3, 5]], [[1, 4, 6]], [[2]]]
    assert in_streams(4, 9).tolist() == [0, 1, 2, 3]
    data = Data({"train": {k: a[:11] for k, a in cut(6).items()}}, FIELDS, stateful=True)
    long = Data({"train": {k: a[:4].reshape(1, 24, -1) for k, a in cut(6).items()}}, FIELDS)
    assert lone(member(batch_size=4, epochs=1), data).step == 3
    assert distance(lone(member(batch_size=1, steps=4), data), lone(member(6, shuffle=False, epochs=1), long)) == 0


def test_a_stack_carries_its_states_as_its_members_do_alone():
    members = [member(lr=lr) for lr in (0.01, 0.05, 0.1)]
    together = train(members, [WINDOWS], [1, 2, 3], dtype=np.float64)
    for outcome, one, key in zip(together, members, (1, 2, 3), strict=True):
        assert distance(outcome, lone(one, WINDOWS, key)) < 1e-12


def test_states_are_carried_on_a_device_as_on_the_host():
    data = replace(WINDOWS, splits={"train": cut(6), "val": cut(6)})
    on_device = train([member(), member(lr=0.05)], [data], [1, 2], xp=Double(), dtype=np.float64)
    on_host = train([member(), member(lr=0.05)], [data], [1, 2], dtype=np.float64)
    for one, other in zip(on_device, on_host, strict=True):
        assert distance(one, other) < 1e-12
        assert one.metrics == pytest.approx(other.metrics)


def test_a_training_taken_up_between_two_batches_goes_on_as_if_nothing_had_happened():
    saved = []
    whole = lone(member(checkpoint_every=3), WINDOWS, save=lambda *told: saved.append(told))
    for told in saved:
        assert distance(lone(member(checkpoint_every=3), WINDOWS, resume=told), whole) == 0


def test_a_split_is_measured_in_long_streams_whatever_the_batches_are():
    net, n = network(), 2 * STREAM
    x, y = (np.random.default_rng(1).standard_normal((n, 3, k)) for k in (2, 1))
    p = {node: {t: a[None] for t, a in tensors.items()} for node, tensors in net.init(0)[0].items()}
    found = []
    for data in (
        Data({"val": {"x": x, "y": y}}, FIELDS, stateful=True),
        Data({"val": {"x": x.reshape(2, -1, 2), "y": y.reshape(2, -1, 1)}}, FIELDS),
    ):
        feed = DataLoader([data], "val", np, np.float64)
        found.append(evaluate(net, member().heads, {}, p, feed, Context(replicas=(1,)))["loss"])
    assert found[0] == pytest.approx(found[1], abs=1e-14)


def test_new_windows_are_predicted_as_the_one_text_that_they_are():
    net = network()
    model = Model.of(member(), net.init(0)[0], WINDOWS, Scale("none", {}, {}))
    x = cut(6)["x"]
    whole, _ = net.forward(model.weights, Context(train=False, batch={"x": SERIES[:, None]}))
    assert model.predict(x).shape == (12, 6, 1)
    assert model.predict(x).reshape(-1) == pytest.approx(whole["out"].reshape(-1), abs=1e-14)
    assert model.evaluate(cut(6))["loss"] == pytest.approx(((whole["out"][:, 0] - TARGETS) ** 2).mean(), abs=1e-14)


def assembled(*overrides):
    return prepare(compose([*overrides, "tracking=none"]))


@pytest.fixture
def text(tmp_path):
    (tmp_path / "a.txt").write_text("aab" * 200)
    return f"dataset.path={tmp_path / 'a.txt'}"


def test_what_a_window_does_not_hold_is_known_from_the_windows_before(text):
    words = [
        "dataset=text",
        text,
        "dataset.length=1",
        "model=rnn",
        "model.hidden=8",
        "optimizer.lr=0.02",
        "trainer.epochs=5",
    ]
    loss = {}
    for stateful in (False, True):
        made = assembled(*words, f"dataset.stateful={str(stateful).lower()}")
        (outcome,) = train([made.learner], [made.data], [0])
        loss[stateful] = outcome.metrics["val/loss"]
    assert loss[False] > 2 / 3 * np.log(2) - 0.01  # after an a comes an a or a b
    assert loss[True] < 0.1


def test_a_column_of_numbers_can_be_read_as_streams(tmp_path):
    (tmp_path / "a.csv").write_text("v\n" + "".join(f"{i / 100}\n" for i in range(100)))
    made = get("dataset", "series")(str(tmp_path / "a.csv"), "v", length=5, stateful=True).load(generator(0, "dataset"))
    x = made.splits["train"]["x"]
    assert made.stateful
    assert x.reshape(-1) * 100 == pytest.approx(np.arange(55))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=birnn"], "dataset.stateful: the layer 'back' reads sequences in reverse"),
        (
            ["model=rnn", "~model.layers.rnn", "~model.hidden", "~model.output"],
            "dataset.stateful: the network has no layer with a state",
        ),
        (["model=rnn", "trainer.accumulate=2"], "dataset.stateful: cannot be combined with trainer.accumulate"),
        (
            ["model=rnn", "trainer.batch_size=all"],
            "dataset.stateful: 47 windows in a batch of 47 leave no state",
        ),
        (["model=rnn", "dataset.stride=2"], r"dataset.stateful: .* set stride to 10 or null \(got 2\)"),
        (["model=rnn", "dataset=weather"], "dataset.stateful: dataset 'weather' has no such option"),
    ],
)
def test_where_no_state_can_be_carried_it_is_told(text, overrides, words):
    if "dataset=weather" in overrides:
        own = ["dataset.stateful=true"]
    else:
        own = ["dataset=text", text, "dataset.length=10", "dataset.stateful=true"]
    with pytest.raises((ConfigError, DataError), match=words):
        assembled(*own, *overrides)
