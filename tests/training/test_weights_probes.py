"""The probes that look at weights and steps, and the data sets drawn to show what optimizers do."""

from dataclasses import replace

import numpy as np
import pytest
from networks import Record, learner, lone, mlp, points, regression

from framework import generator
from framework_datasets.linear import Linear
from framework_datasets.quadratic import Quadratic
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.mae import MeanAbsoluteError
from framework_optimizers.adagrad import Adagrad
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_probes.effective_rate import EffectiveRate
from framework_probes.weights import Weights
from framework_regularizers.l1 import L1


def looks(probe, network, optimizer, data, initial=None, **options):
    """metric -> its values at every step of a training with the whole split as batch."""
    record = Record()
    member = learner(network, optimizer, batch_size="all", **options)
    member = replace(member, probes={"p": probe}, initial=initial or {})
    member = replace(member, options=replace(member.options, probe_every=1))
    lone(member, data, callbacks=[record])
    return record


# --- probes


def test_weights_are_measured_after_the_step():
    W = np.array([[0.0, 0.5e-3], [-3.0, 4.0]])
    data = points(np.zeros((2, 2)), np.zeros((2, 2)))  # no gradient: the weights stay
    record = looks(Weights(), mlp(2, features=2), Sgd(0.1), data, {"out": {"W": W, "b": np.ones((1, 2))}}, steps=1)
    found = {name: record.probe(0, f"weights/out/{name}")[1] for name in ("mean", "norm", "zero", "small")}
    assert found == pytest.approx({"mean": W.mean(), "norm": np.linalg.norm(W), "zero": 0.25, "small": 0.5})


@pytest.mark.parametrize(("proximal", "zeros"), [(True, True), (False, False)])
def test_H2_only_the_proximal_step_of_l1_makes_weights_exactly_0(proximal, zeros):
    penalty = L1(strength=0.3, proximal=proximal)
    record = looks(Weights(), mlp(2, features=8), Sgd(0.1), regression(40, 8), regularizers=[penalty], steps=200)
    assert (record.probe(0, "weights/out/zero")[200] > 0.2) == zeros


def test_the_effective_rate_of_sgd_is_its_learning_rate():
    record = looks(EffectiveRate(), mlp(4, 2), Sgd(0.05), regression(), steps=5)
    for layer in ("hidden0", "out"):
        assert list(record.probe(0, f"effective_rate/{layer}").values()) == pytest.approx([0.05] * 5)


def test_D6_the_effective_rate_of_adagrad_after_t_unit_gradients_is_eta_over_the_root_of_t():
    network, data = mlp(1, features=1, bias=False), points([[1.0]], [[100.0]])  # the mae of a far target: -1 at every step
    record = looks(EffectiveRate(), network, Adagrad(0.1, eps=0), data, loss=MeanAbsoluteError(), steps=50)
    rates = record.probe(0, "effective_rate/out")
    assert [rates[t] for t in range(1, 51)] == pytest.approx([0.1 / t**0.5 for t in range(1, 51)])


@pytest.mark.parametrize("probe", [Weights(nodes=("act0",)), EffectiveRate(nodes=("act0",))])
def test_a_layer_without_weights_is_told(probe):
    with pytest.raises(ValueError, match="layer 'act0' has no trained tensors"):
        looks(probe, mlp(4, 2), Sgd(), regression(), steps=1)


# --- data sets


@pytest.mark.parametrize(("optimizer", "end"), [(Sgd(0.1), 0.59049), (Momentum(0.1), -0.02916), (Nag(0.1), 0.0845)])
def test_D5_five_steps_on_half_w_squared(optimizer, end):
    network, start = mlp(1, features=1, bias=False), {"out": {"W": np.ones((1, 1))}}
    data = Quadratic().load(generator(0, "dataset"))
    record = looks(Weights(), network, optimizer, data, start, loss=HalfSquaredError(), steps=5)
    assert record.probe(0, "weights/out/mean")[5] == pytest.approx(end, abs=1e-5)


def test_the_gradient_of_the_quadratic_is_curvature_times_weight():
    data = Quadratic(3, condition=100).load(generator(0, "dataset"))
    network = mlp(1, features=3, bias=False)
    member = learner(network, Sgd(1.0), HalfSquaredError(), steps=1, batch_size="all")
    end = lone(replace(member, initial={"out": {"W": np.ones((3, 1))}}), data).weights["out"]["W"]
    assert 1 - end[:, 0] == pytest.approx([1, 0.1, 0.01])


def test_rare_features_are_as_rare_as_asked():
    x = Linear(features=5, n=20000, rarest=0.01).load(generator(0, "dataset")).splits["train"]["x"]
    assert set(np.unique(x)) == {0, 1}
    assert x.mean(0) == pytest.approx(np.geomspace(0.5, 0.01, 5), rel=0.15)


def test_the_truth_of_a_stream_turns_round_after_every_period():
    data = Linear(features=3, n=25, n_val=5, sigma=0, period=10).load(generator(0, "dataset"))
    x, y = data.splits["train"]["x"], data.splits["train"]["y"]
    w = np.linalg.lstsq(x[:10], y[:10], rcond=None)[0]
    assert abs(w) == pytest.approx(np.ones((3, 1)))
    assert y[10:20] == pytest.approx(-x[10:20] @ w)
    assert y[20:] == pytest.approx(x[20:] @ w)
    val = data.splits["val"]
    assert data.f(val["x"]) == pytest.approx(val["y"])
