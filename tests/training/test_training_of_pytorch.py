"""Activations, optimizers and schedules against those of PyTorch 2.13.0 in float64."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from framework import Context
from framework_activations._normal import normal_cdf
from framework_activations.elu import Elu
from framework_activations.gelu import Gelu
from framework_activations.hard_tanh import HardTanh
from framework_activations.mish import Mish
from framework_activations.relu6 import Relu6
from framework_activations.selu import Selu
from framework_activations.silu import Silu
from framework_optimizers.adadelta import Adadelta
from framework_optimizers.adagrad import Adagrad
from framework_optimizers.adam import Adam
from framework_optimizers.adamw import Adamw
from framework_optimizers.lion import Lion
from framework_optimizers.momentum import Momentum
from framework_optimizers.nadam import Nadam
from framework_optimizers.radam import Radam
from framework_optimizers.rmsprop import Rmsprop
from framework_optimizers.sgd import Sgd
from framework_schedules.one_cycle import OneCycle
from framework_schedules.polynomial import Polynomial
from framework_schedules.warm_restarts import WarmRestarts

KNOWN = json.loads(Path(__file__).with_name("pytorch_training.json").read_text())
CTX = Context()

ACTIVATIONS = {
    "gelu exact": Gelu("exact"),
    "gelu tanh": Gelu(),
    "silu": Silu(),
    "silu beta 2.5": Silu(2.5),
    "elu": Elu(),
    "elu alpha 0.7": Elu(0.7),
    "selu": Selu(),
    "mish": Mish(),
    "hard_tanh": HardTanh(),
    "relu6": Relu6(),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_slopes_are_those_of_pytorch(name):
    known, x = KNOWN["activations"]["values"][name], np.array(KNOWN["activations"]["x"])
    y, cache = ACTIVATIONS[name].forward(x, CTX)
    assert y == pytest.approx(np.array(known["y"]), abs=1e-14)
    assert ACTIVATIONS[name].backward(cache, np.ones_like(x), CTX) == pytest.approx(np.array(known["slope"]), abs=1e-14)


def test_the_distribution_of_exact_gelu_has_the_precision_of_floats():
    x = np.linspace(-12, 12, 4001)
    phi, _ = normal_cdf(x, CTX)
    wanted = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    assert phi == pytest.approx(wanted, abs=1e-15)
    assert phi == pytest.approx(wanted, rel=1e-13)  # in the left tail too
    narrow, _ = normal_cdf(x.astype(np.float32), CTX)
    assert narrow.dtype == np.float32
    assert narrow == pytest.approx(wanted, abs=3e-7)


def test_exact_gelu_of_large_numbers_is_finite():
    for at in (-1e4, 1e4):
        y, cache = Gelu("exact").forward(np.array([at]), CTX)
        assert (y[0], Gelu("exact").backward(cache, np.ones(1), CTX)[0]) == (max(at, 0), float(at > 0))


BETAS = {"beta1": 0.8, "beta2": 0.9}
OPTIMIZERS = {
    "adam": Adam(epsilon="outside"),
    "adam amsgrad": Adam(epsilon="outside", amsgrad=True),
    "adamw amsgrad": Adamw(epsilon="outside", amsgrad=True, decay=0.05),
    "nadam": Nadam(),
    "nadam psi 0.1": Nadam(beta1=0.8, beta2=0.95, psi=0.1),
    "radam": Radam(),
    "radam beta2 0.9": Radam(**BETAS),
    "radam beta2 0.5": Radam(beta1=0.8, beta2=0.5),
    "rmsprop": Rmsprop(epsilon="outside"),
    "rmsprop centered": Rmsprop(epsilon="outside", centered=True),
    "rmsprop momentum": Rmsprop(epsilon="outside", alpha=0.8),
    "rmsprop both": Rmsprop(epsilon="outside", centered=True, alpha=0.8),
    "adagrad": Adagrad(epsilon="outside", eps=1e-10, start=0.1),
    "adadelta": Adadelta(gamma=0.95, eps=1e-5),
    "sgd momentum": Momentum(form="torch"),
}


def path(optimizer, lr):
    """w after the gradients 1, 2, 6 and 12."""
    w, state, found = np.array(KNOWN["optimizers"]["w"]), None, []
    state = optimizer.init(w)
    for g in np.array(KNOWN["optimizers"]["g"]):
        optimizer.update(w, g, state, lr, CTX)
        found.append(w.copy())
    return np.array([found[i] for i in (0, 1, 5, 11)])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_optimizers_are_those_of_pytorch(name):
    wanted = np.array(KNOWN["optimizers"]["values"][name])
    assert path(OPTIMIZERS[name], 0.5 if name == "adadelta" else 0.1) == pytest.approx(wanted, abs=1e-12)


def test_lion_moves_every_weight_by_the_learning_rate():
    """By hand: the sign of 0.9 m + 0.1 g, and m after it."""
    w, optimizer = np.array([1.0, 1.0, 1.0]), Lion(decay=0.5)
    state, ctx = optimizer.init(w), CTX
    optimizer.update(w, np.array([2.0, -1e-9, 0.0]), state, 0.1, ctx)
    assert w == pytest.approx([1 - 0.1 * 1.5, 1 - 0.1 * -0.5, 1 - 0.1 * 0.5], abs=1e-15)
    assert state["m"] == pytest.approx([0.02, -1e-11, 0], abs=1e-16)
    before = w.copy()
    optimizer.update(w, np.array([-0.1, 0.0, 1.0]), state, 0.1, ctx)  # 0.9 * 0.02 - 0.1 * 0.1 > 0: m wins
    assert w == pytest.approx(before - 0.1 * (np.array([1, -1, 1]) + 0.5 * before), abs=1e-15)


def test_radam_without_adaptive_steps_is_descent_by_the_mean():
    w, g = np.zeros(1), np.full(1, 7.0)
    optimizer = Radam(beta1=0.0)
    state = optimizer.init(w)
    for t in range(1, 6):  # rho_t is about t, and at most 5
        optimizer.update(w, g, state, 0.1, CTX)
        assert w == pytest.approx(-0.1 * 7 * t, abs=1e-12)
    before = w.copy()
    optimizer.update(w, g, state, 0.1, CTX)
    assert abs(w - before) < 0.1


def test_centered_rmsprop_of_equal_gradients_stays_finite():
    w, optimizer = np.zeros(2), Rmsprop(epsilon="outside", centered=True)
    state = optimizer.init(w)
    for _ in range(2000):  # G - m^2 goes to 0, and rounding must not make its root NaN
        optimizer.update(w, np.array([0.1, 3.3]), state, 1e-3, CTX)
    assert np.isfinite(w).all()


def test_plain_optimizers_keep_no_state_of_their_new_options():
    w = np.zeros(2)
    assert [*Rmsprop().init(w)] == ["G"]
    assert [*Adam().init(w)] == ["m", "v", "t"]
    assert [*Sgd().init(w)] == []


SCHEDULES = {
    "warm_restarts 10 2": WarmRestarts(final=0.1),
    "warm_restarts 7 1": WarmRestarts(growth=1),
    "one_cycle": OneCycle(),
    "one_cycle linear": OneCycle(0.2, start=0.1, final=0.001, shape="linear"),
    "polynomial 0.9": Polynomial(),
    "polynomial 2": Polynomial(power=2.0),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_of_schedules_are_those_of_pytorch(name):
    known = KNOWN["schedules"][name]
    found = [SCHEDULES[name](step, known["total"]) for step in range(len(known["factors"]))]
    assert found == pytest.approx(known["factors"], abs=1e-14)


def test_every_restart_is_at_its_step():
    """Cycles of 100 / 7, 200 / 7 and 400 / 7 steps: the factor rises at the first step of each, and nowhere else."""
    found = np.diff([WarmRestarts()(step, 100) for step in range(103)])
    assert np.flatnonzero(found > 0).tolist() == [14, 42]
    assert WarmRestarts(final=0.2)(100, 100) == WarmRestarts(final=0.2)(500, 100) == 0.2
    assert [WarmRestarts(growth=1)(step, 3) for step in range(4)] == [1, 1, 1, 0]


def test_one_cycle_ends_and_rises_in_few_steps_too():
    assert [OneCycle(final=0.5)(step, 1) for step in range(3)] == [1, 0.5, 0.5]
    assert OneCycle(rise=0)(0, 10) == 1
    momentum = [0.85 * OneCycle(start=0.95 / 0.85, final=0.95 / 0.85)(step, 20) for step in (0, 5, 19)]
    assert momentum == pytest.approx([0.95, 0.85, 0.95])
