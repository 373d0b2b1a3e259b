"""A stack that a signal stops in the middle goes on from the checkpoints of its members."""

import json

import numpy as np
import pytest
from spirals import DATA, Heard, learner

from framework.config.options import EarlyStopping, Prune
from framework.core.callback import Callback
from framework.core.signals import SignalInterrupt, StopRequest
from framework.training import parallel
from framework.training.continued import train_on


class Stop(StopRequest):
    """A request that a test makes."""

    def pass_on(self):
        raise SignalInterrupt(self.name)


class StopsAt(Callback):
    """Requests a stop when a member reports a step."""

    def __init__(self, stop, member, step):
        self.stop, self.member, self.step = stop, member, step

    def on_steps(self, member, first, columns, rows):
        if member == self.member and first + len(rows) > self.step:
            self.stop.name = "SIGUSR2"


class StopsTheLast(Callback):
    """Requests a stop when the slice that trains last has done its fifth step."""

    def __init__(self, stop, members):
        self.stop, self.done = stop, [0] * members

    def on_steps(self, member, first, columns, rows):
        self.done[member] = first + len(rows) - 1
        if min(self.done) == 5:
            self.stop.name = "SIGUSR2"


PATIENT, PRUNE = EarlyStopping(patience=2), Prune(at=(2, 4))
RATES = [0.003 * (i % 7 + 1) for i in range(1, 20)]
STACKS = {
    "one slice": ([learner("adam", lr, read_every=1) for lr in (0.01, 0.02, 0.03)], {"tier": "array"}),
    "the best weights; some have stopped": (
        [learner("sgd", lr, early_stopping=PATIENT, epochs=12, read_every=1) for lr in (0.5, 1e-4, 0.01)],
        {"tier": "array"},
    ),
    "two slices, one after the other": (
        [learner("nag", 0.01 * i, read_every=1) for i in range(1, 20)],
        {"tier": "array", "threads": 1},
    ),
    "two slices on threads": (
        [learner("adam", 0.01 * i, read_every=1) for i in range(1, 17)],
        {"tier": "array", "threads": 2},
    ),
    "compiled": ([learner(read_every=1)] * 3, {"tier": "compiled", "dtype": "float32", "threads": None}),
    "pruned in one slice": (
        [learner("adam", lr, prune=PRUNE, epochs=6, read_every=1) for lr in RATES[:4]],
        {"tier": "array"},
    ),
    "a member diverges": ([learner("sgd", lr, read_every=1) for lr in (0.01, 1e30, 0.02)], {"tier": "array"}),
}


def trained(members, snapshots, how, stop=None, callbacks=()):
    """The results, the lines of every member, and the snapshots of the members, as their files would hold them."""
    heard, saved = Heard(), {}

    def save(member, arrays, plain):
        state = json.loads(json.dumps({**plain, "ended": {}}))
        saved[member] = ({name: a.copy() for name, a in arrays.items()}, state)

    keys = list(range(len(members)))
    saving = {"save": save, "save_end": save, "stop": stop, "callbacks": [heard, *callbacks]}
    try:
        found = train_on(members, [DATA], keys, snapshots, **saving, **{"dtype": "float64", "threads": 2, **how})
    except SignalInterrupt:
        found = []
    return found, heard.lines, saved


@pytest.mark.parametrize(("members", "how"), STACKS.values(), ids=STACKS.keys())
@pytest.mark.parametrize("step", [1, 5])
def test_a_stopped_stack_that_goes_on_gives_the_same_bits(members, how, step, monkeypatch, compiled_quickly):
    monkeypatch.setattr(parallel, "width", lambda *_: 8)
    whole, _, _ = trained(members, [None] * len(members), how)
    stop = Stop(shared=True)
    found, _, saved = trained(members, [None] * len(members), how, stop, [StopsAt(stop, len(members) - 1, step)])
    assert not found
    assert saved
    again, _, _ = trained(members, [saved.get(member) for member in range(len(members))], how, Stop(shared=True))
    for one, other in zip(whole, again, strict=True):
        assert (one.member, one.status, one.step, one.epoch) == (other.member, other.status, other.step, other.epoch)
        assert repr(one.metrics) == repr(other.metrics)
        for node, tensors in one.weights.items():
            for name, a in tensors.items():
                assert np.array_equal(a, other.weights[node][name], equal_nan=True)


def test_slices_that_wait_at_a_rung_stop_with_a_checkpoint(monkeypatch):
    monkeypatch.setattr(parallel, "width", lambda *_: 8)
    members = [learner("adam", lr, prune=PRUNE, epochs=6, read_every=1) for lr in RATES]
    stop, how = Stop(shared=True), {"tier": "array", "threads": 1}
    _, _, saved = trained(members, [None] * 19, how, stop, [StopsTheLast(stop, 19)])
    steps = [saved[member][1]["step"] for member in range(19)]
    ends = [{5}, {6}, {6}]  # two slices wait for the last one, whichever it is
    assert sorted(map(set, (steps[:7], steps[7:13], steps[13:])), key=max) == ends
    again, _, _ = trained(members, [saved[member] for member in range(19)], how, Stop(shared=True))
    assert {outcome.status for outcome in again} == {"finished", "pruned"}
