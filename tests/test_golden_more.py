"""Golden numbers of the lecture notes: adaptive optimizers, and the formulas of the further components."""

import numpy as np
import pytest

from framework import Context, Head, Network, discover, generator
from framework.data import Data, Field
from framework.learner import Learner, TrainerOptions
from framework.training import train

get = discover().get
CTX = Context()


def descended(optimizer, lr, steps=3):
    """w after each step on f(w) = w^2 / 2 from w = 1."""
    w, out = np.ones(1), []
    state = optimizer.init(w)
    for _ in range(steps):
        optimizer.update(w, w.copy(), state, lr, CTX)
        out.append(w[0])
    return out


@pytest.mark.parametrize(
    ("epsilon", "golden"),
    [("inside", [0.9000000005, 0.833103527502, 0.780456182097]), ("outside", [0.900000001, 0.833103528294, 0.780456183089])],
)
def test_D6_adagrad(epsilon, golden):
    assert descended(get("optimizer", "adagrad")(epsilon=epsilon), 0.1) == pytest.approx(golden, abs=1e-12)


def test_D7_rmsprop():
    golden = [0.996837722498, 0.994547010280, 0.992630674526]
    assert descended(get("optimizer", "rmsprop")(), 0.001) == pytest.approx(golden, abs=1e-12)


def test_D8_adadelta():
    golden = [0.996837738151, 0.993598198408, 0.990309082801]
    assert descended(get("optimizer", "adadelta")(), 1.0) == pytest.approx(golden, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "lr", "epsilon", "golden"),
    [
        ("adagrad", 0.1, "inside", 9.9995e-4),
        ("adagrad", 0.1, "outside", 9.9010e-2),
        ("rmsprop", 1e-3, "inside", 9.99995e-6),
        ("rmsprop", 1e-3, "outside", 3.0653e-3),
        ("adam", 1e-3, "inside", 9.9995e-6),
        ("adam", 1e-3, "outside", 9.9010e-4),
    ],
)
def test_D_epsilon_matters_for_small_gradients(name, lr, epsilon, golden):
    w, optimizer = np.zeros(1), get("optimizer", name)(eps=1e-8, epsilon=epsilon)
    optimizer.update(w, np.full(1, 1e-6), optimizer.init(w), lr, CTX)
    assert -w[0] == pytest.approx(golden, rel=1e-4)


def test_adamw_without_decay_is_adam_and_decays_apart_from_the_moments():
    adam, adamw = get("optimizer", "adam"), get("optimizer", "adamw")
    assert descended(adamw(decay=0.0), 0.01) == descended(adam(), 0.01)
    w = np.ones(1)
    decayed = adamw(decay=0.1)
    decayed.update(w, np.zeros(1), decayed.init(w), 0.01, CTX)
    assert w[0] == 1 - 0.01 * 0.1


def test_schedules():
    def along(name, total=10, **options):
        schedule = get("schedule", name)(**options)
        return [round(schedule(step, total), 6) for step in range(total)]

    assert along("step", stages=2, factor=0.1) == [1] * 5 + [0.1] * 5
    assert along("cosine")[0] == 1
    assert along("cosine")[5] == 0.5
    assert along("cosine", final=0.2)[9] > 0.2
    assert along("exponential", final=0.01)[5] == 0.1
    assert along("warmup", steps=4, then=get("schedule", "cosine")())[:5] == [0.25, 0.5, 0.75, 1, 1]


def test_an_orthogonal_matrix_keeps_lengths_whatever_its_shape():
    for shape in ((6, 6), (8, 5), (5, 8)):
        W = get("initializer", "orthogonal")(gain=2.0)(generator(0, "W"), shape)
        small = W.T @ W if shape[0] >= shape[1] else W @ W.T
        assert small == pytest.approx(4 * np.eye(min(shape)), abs=1e-12)


def test_max_norm_bounds_the_incoming_weights_of_every_unit():
    rng = np.random.default_rng(0)
    data = Data(
        {"train": {"x": rng.standard_normal((50, 3)), "y": 100 * rng.standard_normal((50, 4))}},
        {"x": Field("NF"), "y": Field("NF")},
    )
    learner = Learner(
        Network({"out": get("layer", "dense")(4)}, data.shapes()),
        {"loss": Head(get("loss", "mse")(), "out")},
        get("optimizer", "sgd")(lr=0.5),
        get("schedule", "constant")(),
        TrainerOptions(epochs=5),
        (get("regularizer", "max_norm")(largest=0.7),),
    )
    W = train([learner], [data], [0], dtype=np.float64)[0].weights["out"]["W"]
    assert np.linalg.norm(W, axis=0) == pytest.approx(np.full(4, 0.7))


@pytest.mark.parametrize(("form", "golden"), [("notes", 0.247073), ("torch", 0.636665)])
def test_D4_momentum_with_a_changing_rate_depends_on_where_the_rate_stands(form, golden):
    optimizer, w = get("optimizer", "momentum")(form=form), np.ones(1)
    state = optimizer.init(w)
    for lr in (0.1, 0.1, 0.01, 0.01, 0.01):
        optimizer.update(w, w.copy(), state, lr, CTX)
    assert w[0] == pytest.approx(golden, abs=1e-6)


def test_D4_at_a_constant_rate_both_forms_are_the_same():
    momentum = get("optimizer", "momentum")
    assert descended(momentum(form="notes"), 0.1) == pytest.approx(descended(momentum(form="torch"), 0.1), abs=1e-12)


def test_H3_decay_is_half_of_the_notes_penalty():
    W = np.array([[1.0, -2.0]])
    notes, decay = (get("regularizer", "l2")(0.1, form)(W, CTX) for form in ("notes", "decay"))
    assert (notes[0], decay[0]) == pytest.approx((0.5, 0.25))
    assert notes[1].tolist() == [[0.2, -0.4]]
    assert decay[1].tolist() == [[0.1, -0.2]]
