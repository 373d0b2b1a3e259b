"""Corners of the trainer and of stacking that once went wrong."""

import copy

import numpy as np
import pytest
from networks import Record, distance, learner, lone, mlp, regression

from framework import Data, Field, Network, Node, generator, stack
from framework.core.stacking import CannotStackError
from framework.training.trainer import train
from framework_layers.dense import Dense
from framework_optimizers.sgd import Sgd
from framework_regularizers.l2 import L2

DATA = regression(n=40, val=30)


class Patience(Record):
    def on_steps(self, member, first, columns, rows):
        super().on_steps(member, first, columns, rows)
        assert first + len(rows) < 500, "training does not end"


def test_resuming_from_a_checkpoint_of_the_last_step_ends():
    member, snapshots = learner(mlp(4, 2), steps=7, batch_size=16, checkpoint_every=7), []
    lone(member, DATA, save=lambda *snapshot: snapshots.append(copy.deepcopy(snapshot)))
    assert lone(member, DATA, resume=snapshots[-1], callbacks=[Patience()]).step == 7


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_trained_tensor_that_no_head_reaches_only_feels_its_penalty(accumulate):
    network = Network({"aside": Dense(2), "out": Node(Dense(2), "x")}, {"x": (3,)})
    member = learner(network, Sgd(0.1), regularizers=[L2(0.5)], steps=3, batch_size=20, accumulate=accumulate)
    outcome = lone(member, DATA)
    assert outcome.weights["aside"]["W"] == pytest.approx(0.9**3 * network.init(0)[0]["aside"]["W"])


def test_masked_accumulation_equals_one_batch():
    mask = np.repeat([1.0, 0.0], [30, 10])
    fields = {"x": Field("NF"), "y": Field("NF"), "mask": Field("N", "mask")}
    data = Data({"train": {**DATA.splits["train"], "mask": mask}}, fields)
    whole, parts = (
        lone(learner(mlp(4, 2), steps=3, batch_size=size, accumulate=40 // size, shuffle=False), data) for size in (40, 20)
    )
    assert distance(whole, parts) < 1e-12


def test_a_regularizer_without_tensors_has_penalty_zero():
    record = Record()
    lone(learner(mlp(4, 2), regularizers=[L2(tensors="nothing")], steps=3), DATA, callbacks=[record])
    assert np.array_equal(record.column(0, "train/penalty"), np.zeros(3))


def test_rows_stay_what_they_were():
    class Keeps(Record):
        def on_steps(self, member, first, columns, rows):
            self.blocks.append((member, first, rows))
            super().on_steps(member, first, columns, rows)

    record = Keeps()
    lone(learner(mlp(4, 2), steps=9, read_every=2), DATA, callbacks=[record])
    for (_, _, kept), (_, _, copied) in zip(record.blocks[::2], record.blocks[1::2], strict=True):
        assert np.array_equal(kept, copied)


def test_equal_numbers_are_equal_seeds_whatever_was_drawn_before():
    first = generator(np.int64(987654), "x").random()
    assert generator(987654, "x").random() == first
    assert generator((3, np.int64(4)), "x").random() == generator((3, 4), "x").random()


def test_equal_numbers_of_two_types_share_a_stack():
    assert stack([Sgd(1), Sgd(1.0)]) == Sgd(1.0)


def test_stacks_of_stacks_are_refused_in_words():
    parts = [stack([Sgd(1.0), Sgd(2.0)]), stack([Sgd(1.0), Sgd(3.0)])]
    with pytest.raises(CannotStackError):
        stack(parts)


def test_a_wrong_number_of_data_sets_is_refused_in_words():
    with pytest.raises(ValueError, match="data"):
        train([learner(mlp(4, 2))] * 2, [DATA] * 3, [0, 1])
