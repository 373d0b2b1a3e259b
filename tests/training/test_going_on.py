"""A training that ends keeps the state from which a longer one goes on, and one that is stopped keeps what it has."""

from dataclasses import replace

import numpy as np
import pytest
from spirals import DATA, Heard, get, learner

from framework import Callback, train
from framework.config.options import EarlyStopping
from framework.core.signals import CTRL_C, StopRequest


def normalized(**options):
    made = learner("momentum", **options)
    nodes = dict(made.network.nodes)
    layers = {name: node.layer for name, node in nodes.items()} | {"skip": get("layer", "batch_norm")()}
    return replace(made, network=type(made.network)(layers, DATA.shapes()))


def patient(patience, **options):
    return learner("adam", 0.3, early_stopping=EarlyStopping(patience=patience), **options)


LENGTHS = {  # the shorter and the longer training
    "dropout, clipping, penalties": (learner(epochs=3), learner(epochs=6)),
    "batch norm": (normalized(epochs=3), normalized(epochs=6)),
    "the best weights, a patience that lasts": (patient(5, epochs=3), patient(5, epochs=6)),
    "a validation that the longer one lacks": (learner(validate_every=2, epochs=3), learner(validate_every=2, epochs=6)),
    "an end within an epoch": (learner(steps=4), learner(steps=8)),
    "accumulated gradients": (learner(accumulate=2, batch_size=4, epochs=2), learner(accumulate=2, batch_size=4, epochs=4)),
    "patience that was used up": (patient(2, epochs=40), patient(4, epochs=40)),
}


def followed(member, resume=None, **how):
    """The outcome, its lines, and the state at its end with the number of lines before."""
    heard, ends = Heard(), []
    (outcome,) = train(
        [member],
        [DATA],
        [0],
        callbacks=[heard],
        resume=resume,
        save_end=lambda arrays, plain: ends.append((arrays, plain, len(heard.lines))),
        **how,
    )
    return outcome, heard.lines, ends


def check_equal(one, other):
    assert (one.status, one.step, one.epoch, one.kept_step) == (other.status, other.step, other.epoch, other.kept_step)
    assert repr(one.metrics) == repr(other.metrics)
    for node, tensors in one.weights.items():
        for name, a in tensors.items():
            assert np.array_equal(a, other.weights[node][name])


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
@pytest.mark.parametrize(("tier", "dtype"), [("array", "float32"), ("array", "float64"), ("compiled", "float32")])
def test_going_on_equals_a_longer_training_bit_by_bit(lengths, tier, dtype, compiled_quickly):
    shorter, longer = lengths
    how = {"tier": tier, "dtype": np.dtype(dtype).type}
    whole, lines, _ = followed(longer, **how)
    first, before, ((arrays, plain, count),) = followed(shorter, **how)
    again, later, _ = followed(longer, (arrays, plain), **how)
    assert first.step < whole.step
    check_equal(again, whole)
    assert repr(before[:count] + later) == repr(lines)


def test_an_early_stop_that_is_restored_ends_at_once():
    outcome, _, ((arrays, plain, _),) = followed(patient(2, epochs=40))
    again, lines, ends = followed(patient(2, epochs=40), (arrays, plain))
    assert outcome.status == "stopped_early"
    check_equal(again, outcome)
    assert (ends, [line[1] for line in lines if line[1] != "stopped_early"]) == ([], [outcome.step])  # the test split only


def stopped_at(step, member, tier="array", **how):
    """The outcome of a training that a signal stops, and the states that it saved."""

    class Signal(Callback):
        def on_steps(self, member, first, columns, rows):
            stop.name = CTRL_C if first + len(rows) > step else ""

    stop, saved = StopRequest(), []
    member = replace(member, options=replace(member.options, read_every=1))
    (outcome,) = train(
        [member], [DATA], [0], callbacks=[Signal()], stop=stop, save=lambda *state: saved.append(state), tier=tier, **how
    )
    return outcome, saved


@pytest.mark.parametrize("tier", ["array", "compiled"])
@pytest.mark.parametrize("step", [2, 3])  # within an epoch, and at its end
def test_a_stopped_training_resumes_as_if_undisturbed(step, tier, compiled_quickly):
    member = learner(epochs=4)
    outcome, (state,) = stopped_at(step, member, tier)
    assert (outcome.status, outcome.step) == ("killed", step)
    assert outcome.reason == f"stopped by Ctrl-C in epoch 1 of 4, at step {step} of 12"
    assert {"val/loss", "train/accuracy"} <= outcome.metrics.keys()
    assert not any(name.startswith("test/") for name in outcome.metrics)
    whole, _, _ = followed(member, tier=tier)
    check_equal(followed(member, state, tier=tier)[0], whole)


def test_a_stopped_training_keeps_its_best_weights():
    outcome, _ = stopped_at(5, patient(30, epochs=20))
    assert outcome.kept == "best"
    assert outcome.kept_step in (3, 5)
    assert outcome.metrics["val/loss"] == outcome.best


def test_without_a_validation_the_last_weights_are_kept(monkeypatch):
    monkeypatch.setattr("framework.training.state.QUICK", 0.0)
    outcome, ((arrays, _),) = stopped_at(1, patient(30, epochs=20))
    kept = np.concatenate([a.ravel() for tensors in outcome.weights.values() for a in tensors.values()])
    assert (outcome.kept, outcome.kept_step, outcome.metrics) == ("last", 1, {})
    assert sorted(kept) == sorted(arrays["w"].ravel())


def test_early_stopping_does_not_end_what_a_signal_stops():
    outcome, _ = stopped_at(2, learner(early_stopping=EarlyStopping(goal=1e9)))
    assert outcome.status == "killed"
