"""What a gradient check cannot see: constants, ties, bounds, what is handed on. Each of these was once changed unnoticed."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from networks import Fixed, Record, backpropagate, learner, lone, mlp, points, regression

from framework import Context
from framework.config.options import EarlyStopping
from framework.sweeps.search.ant_colony import AntColony, ColonyOptions
from framework.sweeps.search.cell_ants import CellAnts, CellOptions
from framework.sweeps.search.space import Number
from framework_activations.leaky_relu import LeakyRelu
from framework_activations.relu import Relu
from framework_augmentations.crop_resize import CropResize
from framework_cells.indrnn import IndRnn
from framework_datasets.linear import Linear
from framework_initializers.uniform import Uniform
from framework_layers.layer_norm import LayerNorm
from framework_layers.max_pool import MaxPool
from framework_losses.msle import MeanSquaredLogError
from framework_metrics.accuracy import Accuracy
from framework_optimizers.adam import Adam
from framework_optimizers.nag import Nag
from framework_probes.dead import Dead
from framework_regularizers.l2 import L2
from framework_regularizers.max_norm import MaxNorm
from framework_schedules.warmup import Warmup

CTX = Context()


def test_resume_keeps_the_patience_counter():
    options = {"early_stopping": EarlyStopping(patience=4), "checkpoint_every": 1}
    member, snapshots = learner(mlp(40, 2), Adam(0.03), epochs=200, batch_size="all", **options), {}
    data = regression(n=10, val=40)
    whole = lone(member, data, save=lambda arrays, plain: snapshots.update({plain["step"]: (arrays, plain)}))
    assert whole.status == "stopped_early"
    for step in range(whole.best_epoch, whole.epoch):  # each with another count of validations without improvement
        again = lone(member, data, save=lambda *_: None, resume=snapshots[step])
        assert (again.epoch, again.kept_epoch, again.metrics) == (whole.epoch, whole.kept_epoch, whole.metrics)


def test_the_penalty_is_taken_at_the_look_ahead_point():
    data, nag, strength = points([[1.0], [2.0]], [[1.0], [0.0]]), Nag(lr=0.1, alpha=0.5), 0.3
    network = mlp(1, features=1, initializer=Fixed(1.0))
    found = lone(learner(network, nag, regularizers=[L2(strength)], steps=3, batch_size="all"), data)
    w, M = network.init(0)[0], {"W": 0.0, "b": 0.0}
    for _ in range(3):
        look = {"out": {name: a + 0.5 * M[name] for name, a in w["out"].items()}}
        _, _, g, _ = backpropagate(network, learner(network).heads, look, data.splits["train"])
        g["out"]["W"] = g["out"]["W"] + 2 * strength * look["out"]["W"]
        M = {name: 0.5 * M[name] - 0.1 * g["out"][name] for name in M}
        w = {"out": {name: a + M[name] for name, a in w["out"].items()}}
    assert found.weights["out"]["W"] == pytest.approx(w["out"]["W"], abs=1e-12)


@dataclass(frozen=True)
class Asked:
    """A schedule that keeps what it is called with."""

    calls: list = field(default_factory=list)

    def __call__(self, step, total):
        self.calls.append((step, total))
        return 1.0


def test_a_warm_up_hands_on_the_steps_that_are_left():
    asked = Asked()
    for step in (2, 3, 9):
        Warmup(3, asked)(step, 10)
    assert asked.calls == [(0, 7), (6, 7)]


def test_each_column_is_a_question_of_its_own():
    y, t = np.array([[0.9, 0.2, 0.8], [0.1, 0.7, 0.6]]), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    metric = Accuracy()
    assert metric.value(metric.count(y, t, CTX)) == pytest.approx(5 / 6)


def test_layer_norm_keeps_small_differences_small():
    p = {"gamma": np.ones((1, 2)), "beta": np.zeros((1, 2))}
    y, _ = LayerNorm(eps=1e-5).forward(p, np.array([[0.0, 2e-3]]), CTX)
    assert y == pytest.approx(np.array([[-1, 1]]) * 1e-3 / np.sqrt(1.1e-5))


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (2, 1)])
def test_of_equal_numbers_the_first_gets_the_gradient(size, stride):
    x = np.ones((1, 1, 2, 2))
    y, cache = MaxPool(size, stride).forward({}, x, CTX)
    dx, _ = MaxPool(size, stride).backward({}, cache, np.full(y.shape, 3.0), CTX)
    assert dx[0, 0].tolist() == [[3, 0], [0, 0]]


def test_the_bound_of_an_indrnn_holds_on_both_sides():
    p = {"u": np.array([[-2.0, -0.3, 0.3, 2.0]])}
    IndRnn(4, bound=0.5).project(p, CTX)
    assert p["u"].tolist() == [[-0.5, -0.3, 0.3, 0.5]]


@pytest.mark.parametrize(("activation", "dead"), [(LeakyRelu(), 0), (Relu(), 1)])
def test_a_unit_that_is_negative_is_alive_behind_a_leaky_relu(activation, dead):
    network, record = mlp(4, 1, features=2, activation=activation, initializer=Fixed(-1.0)), Record()
    member = replace(learner(network, steps=1, batch_size="all"), probes={"dead": Dead()})
    lone(member, points([[1.0, 2.0], [0.5, 1.0]], [[0.0], [0.0]]), callbacks=[record])
    assert record.probe(0, "activation/act0/dead") == {1: dead}


class Draws:
    """A generator that hands out the largest numbers."""

    def uniform(self, low, high, size):
        return np.full(size, high)


def test_a_part_of_an_image_moves_by_its_own_height_and_width():
    rows, columns = np.indices((4, 8), float)
    y = CropResize(0.5)(np.stack([rows, columns])[None], Draws())[0]
    assert y[0, :, 0].tolist() == [1.75, 2.25, 2.75, 3.0]  # 1.5 + 4/4 + 0.5 (o - 1.5), the border is 3
    assert y[1, 0].tolist() == [3.75, 4.25, 4.75, 5.25, 5.75, 6.25, 6.75, 7.0]


def test_ants_stay_in_the_range_of_a_number():
    colony = AntColony({"x": Number(1e-3, 1.0, log=True)}, ColonyOptions(ants=40, k=2, xi=5.0, q=0.5))
    colony.ask(2)
    colony.asked = (np.log([[1e-3], [1.0]]), np.empty((2, 0), int))
    colony.tell([0.0, 0.1])
    values = [float(trial["x"]) for trial in colony.ask(40)]
    assert (colony.low <= colony.asked[0]).all()
    assert (colony.asked[0] <= colony.high).all()
    assert (min(values), max(values)) == (1e-3, 1.0)


def test_pheromone_evaporates_by_rho_and_rises_by_rho_times_the_share():
    ants = CellAnts("connections", 1, 2, CellOptions(k=2, evaporation=0.2, least=0.01))
    ants.asked = [np.array([[1, 0], [0, 0], [0, 0]], bool), np.array([[1, 1], [0, 0], [0, 0]], bool)]
    ants.tell([0.1, 0.2])
    assert ants.tau.tolist() == [[1.0, pytest.approx(0.8 + 0.2 / 2)], [0.8, 0.8], [0.8, 0.8]]
    assert ants.entry.tolist() == [1.0]


def test_the_squared_error_of_logarithms_is_flat_up_to_zero():
    y, t = np.array([[-0.5], [0.0], [1.0]]), np.full((3, 1), np.e - 1)
    value, dy = MeanSquaredLogError("sum")(y, t, CTX)
    assert value == pytest.approx(1 + 1 + (np.log(2) - 1) ** 2)
    assert dy[:, 0].tolist() == [0.0, 0.0, pytest.approx((np.log(2) - 1) * 2 / 2)]


def test_a_bound_on_norms_adds_nothing_to_the_loss():
    value, dW = MaxNorm(0.1)(np.array([[3.0, -4.0], [0.5, 2.0]]), CTX)
    assert value == 0
    assert (dW == 0).all()


def test_uniform_values_fill_their_bound():
    W = Uniform(0.3)(np.random.default_rng(0), (100, 100))
    assert np.abs(W).max() == pytest.approx(0.3, rel=1e-2)
    assert W.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.02)


def test_the_truth_changes_its_sign_with_every_period():
    data = Linear(n=6, n_val=4, n_test=4, features=2, sigma=0.0, period=2).load(np.random.default_rng(0))
    x, y = data.splits["train"]["x"], data.splits["train"]["y"]
    w = np.linalg.lstsq(x[:2], y[:2], rcond=None)[0]
    assert (y / (x @ w)).ravel() == pytest.approx([1, 1, -1, -1, 1, 1])
    last = data.splits["val"]
    assert last["y"] == pytest.approx(last["x"] @ w)  # as the last training example
