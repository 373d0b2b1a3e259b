"""Golden numbers of the lecture notes: losses and activations, and the formulas of the further components."""

import numpy as np
import pytest

from framework import Context, Head, Network, discover, generator
from framework.config.options import TrainerOptions
from framework.data.dataset import Data, Field
from framework.training.learner import Learner
from framework.training.trainer import train

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
