"""The stack law: a replica of a stack trains as it would alone."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import Record, distance, learner, lone, mlp, regression
from stack_law import DATA, KEYS, assert_law

from framework import generator, option
from framework.config.options import EarlyStopping
from framework.training.trainer import train
from framework_activations.linear import Linear
from framework_activations.relu import Relu
from framework_datasets.digits import Digits
from framework_layers.flatten import Flatten
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2

VARIED = [(1.0, 0.9, 0.5, 1e-3), (0.5, 0.5, 0.1, 1e-2), (0.2, 0.7, 2.0, 0.0), (0.8, 1.0, 1e9, 0.1)]


def varied(optimizer, **options):
    """Four learners that differ in every stackable way: learning rate, dropout, clipping, penalty."""
    return [
        learner(
            mlp(12, 8, 2, keep=keep),
            replace(optimizer, lr=scale * optimizer.lr),
            regularizers=[L2(strength), L1(strength / 10, proximal=True)],
            clip_norm=clip,
            **options,
        )
        for scale, keep, clip, strength in VARIED
    ]


@pytest.mark.parametrize("optimizer", [Sgd(0.1), Momentum(0.02), Nag(0.02), Adam(0.01)], ids=lambda o: type(o).__name__)
def test_replicas_that_differ_in_every_stackable_option(optimizer):
    outcomes = assert_law(varied(optimizer, steps=200))
    assert min(distance(outcomes[0], other) for other in outcomes[1:]) > 1e-3


def test_replicas_with_options_of_the_optimizer():
    members = [
        learner(mlp(6, 2), Adam(0.01, beta1=b, beta2=c, eps=e), steps=200)
        for b, c, e in ((0.9, 0.999, 1e-8), (0.5, 0.9, 1e-3), (0.0, 0.99, 1e-5), (0.8, 0.95, 1e-8))
    ]
    assert_law(members)
    for name in (Momentum, Nag):
        assert_law([learner(mlp(6, 2), name(0.02, alpha=a), steps=200) for a in (0.0, 0.5, 0.9, 0.99)])


@dataclass(frozen=True)
class Falling:
    """A schedule of somebody else: factor = 1 - drop step / total."""

    drop: float = option(0.0, stackable=True)

    def __call__(self, step, total):
        return 1 - self.drop * step / total


@dataclass(frozen=True)
class Shrinking:
    """A regularizer of somebody else, which meets W with the plain learning rate."""

    tensors: str = "W"

    def __call__(self, W, ctx):
        return (W * 0).sum((-2, -1)), W * 0

    def after(self, W, lr, ctx):
        W *= 1 - lr


@pytest.mark.parametrize("features", [3, 4, 5], ids=["as many numbers as replicas", "as many inputs", "as many of neither"])
def test_replicas_may_differ_in_options_of_a_schedule(features):
    data = regression(n=60, val=30, features=features, outputs=1)
    drops = (0.0, 0.3, 0.6, 0.9)
    members = [
        replace(learner(mlp(1, features=features), Sgd(0.1 / n), steps=200), schedule=Falling(drop))
        for n, drop in enumerate(drops, 1)
    ]
    outcomes = assert_law(members, data=data)
    assert min(distance(outcomes[0], other) for other in outcomes[1:]) > 1e-6


@pytest.mark.parametrize("features", [4, 5], ids=["as many inputs as replicas", "other sizes"])
def test_the_learning_rate_meets_a_tensor_of_weights(features):
    data = regression(n=60, val=30, features=features, outputs=1)
    members = [
        learner(mlp(1, features=features), Sgd(lr), regularizers=[Shrinking()], steps=200) for lr in (0.01, 0.02, 0.05, 0.1)
    ]
    assert_law(members, data=data)


def test_a_factor_of_another_shape_is_refused():
    @dataclass(frozen=True)
    class Column(Falling):
        def __call__(self, step, total):
            return np.reshape(1 - self.drop * step / total, (-1, 1))

    members = [replace(learner(mlp(1), steps=3), schedule=Column(drop)) for drop in (0.0, 0.5)]
    with pytest.raises(ValueError, match=r"schedule \(Column\): its factor has shape \(2, 1\); expected \(2,\)"):
        train(members, [regression(outputs=1)], [0, 1])


def test_a_replica_beside_a_broken_one_is_as_if_alone():
    rates = (0.1, 1e30, 0.05, 0.1)
    assert_law([learner(mlp(6, 2), Adam(lr), clip_norm=1.0, steps=200) for lr in rates])
    assert_law([learner(mlp(6, 2), Momentum(lr), steps=200) for lr in rates])


def test_replicas_with_one_key_share_order_and_draws():
    members = [learner(mlp(12, 2, keep=keep), Sgd(lr), steps=200) for keep, lr in ((0.5, 0.1), (0.9, 0.1), (0.5, 0.05))]
    assert_law(members, keys=[4, 4, 4])


def test_equal_replicas_stay_equal():
    first, second = train([learner(mlp(6, 2, keep=0.5), steps=50)] * 2, [DATA], [3, 3], dtype=np.float64)
    assert distance(first, second) < 1e-12


def test_the_place_in_the_stack_does_not_matter():
    members = varied(Adam(0.01), steps=60)
    forward = train(members, [DATA], KEYS, dtype=np.float64)
    backward = train(members[::-1], [DATA], KEYS[::-1], dtype=np.float64)[::-1]
    assert max(distance(a, b) for a, b in zip(forward, backward, strict=True)) < 1e-9


def test_accumulation_and_full_batches():
    assert_law(varied(Nag(0.02), steps=60, batch_size=7, accumulate=3))
    assert_law(varied(Nag(0.02), steps=60, batch_size="all"))
    assert_law(varied(Nag(0.02), steps=60, shuffle=False))


def test_a_data_set_for_each_replica():
    assert_law(varied(Adam(0.01), steps=200), [regression(n=60, val=30, seed=seed) for seed in range(4)])


def test_what_observers_hear_is_what_they_hear_of_a_lone_run():
    members = varied(Adam(0.01), epochs=5)
    together = Record()
    train(members, [DATA], KEYS, dtype=np.float64, callbacks=[together])
    for r, (member, key) in enumerate(zip(members, KEYS, strict=True)):
        alone = Record()
        lone(member, DATA, key, callbacks=[alone])
        assert together.columns == alone.columns
        assert np.abs(together.rows(r) - alone.rows(0)).max() < 1e-9


@pytest.mark.parametrize("sets", [1, 4])
def test_replicas_stop_early_in_the_epochs_of_their_own(sets):
    data = [regression(n=20, val=40, seed=seed) for seed in range(sets)]
    outcomes = assert_law(varied(Adam(0.02), epochs=150, early_stopping=EarlyStopping(patience=3)), data)
    assert len({outcome.epoch for outcome in outcomes}) > 2
    assert "stopped_early" in {outcome.status for outcome in outcomes}


def neighbours(read_every, **options):
    """Two replicas of four learn far too fast for linear networks."""
    return [
        learner(mlp(6, 2, activation=Linear()), Sgd(lr), clip_norm=c, steps=200, read_every=read_every, **options)
        for lr, c in ((1e3, 1e300), (0.05, 1.0), (30.0, 1e300), (0.02, 0.5))
    ]


@pytest.mark.parametrize("read_every", [1, 3, 100])
@pytest.mark.parametrize("sets", [1, 4])
def test_neighbours_that_diverge(read_every, sets):
    data = [regression(n=60, val=30, seed=seed) for seed in range(sets)]
    outcomes = assert_law(neighbours(read_every, batch_size=4), data)
    assert [outcome.status for outcome in outcomes] == ["diverged", "finished", "diverged", "finished"]


def test_neighbours_that_diverge_beside_early_stopping():
    members = neighbours(3, batch_size=4, early_stopping=EarlyStopping(patience=2))
    statuses = [outcome.status for outcome in assert_law(members)]
    assert statuses[::2] == ["diverged", "diverged"]
    assert "stopped_early" in statuses[1::2]


def test_single_precision_over_the_first_epoch():
    members = varied(Adam(0.01), epochs=1, batch_size=4)
    assert_law(members, tolerance=1e-4, dtype=np.float32)
    single, double = (train(members, [DATA], KEYS, dtype=dtype) for dtype in (np.float32, np.float64))
    assert max(distance(a, b) for a, b in zip(single, double, strict=True)) < 1e-4


def digits():
    """The handwritten digits without validation and test."""
    whole = Digits().load(generator(0, "data"))
    return replace(whole, splits={"train": whole.splits["train"]})


def images(lr, **options):
    network = mlp(128, 64, 10, features=64, activation=Relu())
    nodes = {"flat": Flatten(), **network.nodes}
    nodes["hidden0"] = replace(nodes["hidden0"], source="flat")
    return learner(replace(network, nodes=nodes, fields={"x": (1, 8, 8)}), Adam(lr), SoftmaxCrossEntropy(), **options)


@pytest.mark.parametrize(
    ("dtype", "tolerance", "options"), [(np.float64, 1e-9, {"steps": 80}), (np.float32, 1e-4, {"epochs": 1})]
)
def test_32_networks_on_digits(dtype, tolerance, options):
    data, members = digits(), [images(lr, **options) for lr in np.geomspace(1e-4, 1e-2, 32).tolist()]
    assert_law(members, data, range(32), tolerance, dtype=dtype)
