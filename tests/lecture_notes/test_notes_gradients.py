"""Gradients through time that fade, explode and last: rows J10 to J12 and N7 of the notes."""

import numpy as np
import pytest
from weather import TENSORS, WEATHER, WHY, recurrent, weather

from framework import Context, T, discover
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.training.trainer import train

get = discover().get


def outcomes(*overrides, seeds=(0,)):
    """A preset's training with these overrides, one outcome for each seed."""
    made = [prepare(compose([*overrides, f"seed={seed}", "tracking=none"])) for seed in seeds]
    return train([one.learner for one in made], [made[0].data], list(seeds), threads=1)


def by_lag(layer, p, x):
    """|dE/dh_{T-k}| for k = 0, 1 ..., where |dE/dh_T| = 1."""
    y, cache = layer.forward(p, x, Context())
    dy = np.random.default_rng(2).standard_normal(y.shape)
    return np.linalg.norm(layer.flow(p, cache, dy / np.linalg.norm(dy), Context()), axis=(-2, -1))[::-1]


def test_J10_the_chain_of_the_notes_is_the_longest_of_three_paths():
    """dE3/dU = dE3/dout3 dout3/dh3 dh3/dh2 dh2/dh1 dh1/dU: right, but the paths that end at h3 and h2 are left out."""
    values, _, _, caches, dvalues, ctx = weather()
    h, U, first = values["rnn"], TENSORS["rnn"]["U"], ctx.carry["rnn"]
    only = np.zeros_like(dvalues["rnn"])
    only[2] = (dvalues["out"] @ WHY)[2]
    terms = WEATHER.nodes["rnn"].layer.terms(TENSORS["rnn"], caches["rnn"], only, ctx.at("rnn"))["U"]
    da = only[2] * (1 - h[2] ** 2)
    for t in (1, 0):
        da = da @ T(U) * (1 - h[t] ** 2)
    assert T(first) @ da == pytest.approx(terms[0], abs=1e-15)
    assert np.linalg.norm(terms[0]) == pytest.approx(0.000044, abs=1e-6)
    assert np.linalg.norm(terms[1:].sum(0)) > 1000 * np.linalg.norm(terms[0])


@pytest.mark.parametrize(
    ("activation", "lag", "left"),
    [("sigmoid", 1, 0.222), ("sigmoid", 5, 5.4e-4), ("sigmoid", 8, 6e-6), ("tanh", 10, 0.058)],
)
def test_J11_what_lies_ten_steps_back_is_lost_to_a_sigmoid(activation, lag, left):
    """64 units, weights from N(0, 1/64). The notes give one draw and not its input; with x_t from N(0, 1), 20 numbers, it
    has to lie within two standard deviations of eight others (of their logarithms: every step is a factor of chance)."""
    found = np.log([drawn_by_lag(activation, seed)[lag] for seed in range(8)])
    assert abs(np.log(left) - found.mean()) < 2 * found.std(ddof=1)


def test_J11_of_a_sigmoid_less_than_a_millionth_is_left_at_lag_10():
    assert max(drawn_by_lag("sigmoid", seed)[10] for seed in range(8)) < 1e-6


def drawn_by_lag(activation, seed):
    normal = get("initializer", "normal")(64**-0.5)
    cell = get("cell", "simple")(64, get("activation", activation)(), normal)
    layer, rng = get("layer", "recurrent")(cell, "last", initializer=normal), np.random.default_rng(seed)
    p, _ = layer.init(rng, (None, 20))
    return by_lag(layer, p, rng.standard_normal((31, 100, 20)))


@pytest.mark.parametrize("gain", [0.75, 1.0, 1.5])
def test_J12_a_linear_network_with_spectral_radius_g_multiplies_by_g_per_lag(gain):
    orthogonal, linear = get("initializer", "orthogonal")(gain), get("activation", "linear")()
    layer = recurrent("simple", 16, activation=linear, recurrent=orthogonal, output="last")
    p, _ = layer.init(np.random.default_rng(0), (None, 3))
    assert np.abs(np.linalg.eigvals(p["U"])).max() == pytest.approx(gain)
    assert by_lag(layer, p, np.random.default_rng(1).standard_normal((26, 4, 3))) == pytest.approx(gain ** np.arange(26.0))


@pytest.mark.parametrize(("clip", "status"), [("null", "diverged"), ("1", "finished")])
def test_J12_what_explodes_is_saved_by_clipping(clip, status):
    preset = "experiment=exploding_gradient", "model.layers.rnn.cell.recurrent.gain=1.5", "optimizer.lr=0.1"
    (outcome,) = outcomes(*preset, f"trainer.clip_norm={clip}", "trainer.steps=600")
    assert outcome.status == status
    if status == "finished":
        assert outcome.metrics["val/loss"] < 0.05  # a constant answer has 0.5


@pytest.mark.slow
def test_N7_the_adding_problem_over_100_steps_is_solved_by_independent_units_and_not_by_tanh():
    """Each at the better of the preset's two rates, in fewer steps than it takes."""
    found = {}
    for cell, lr, seeds in (("{type:indrnn,bound:1.00696}", 0.02, (0, 1)), ("{type:simple}", 0.002, (0,))):
        words = f"model.layers.rnn.cell={cell}", f"optimizer.lr={lr}", "trainer.steps=800"
        found[lr] = [one.metrics["val/loss"] for one in outcomes("experiment=adding_problem", *words, seeds=seeds)]
    assert max(found[0.02]) < 0.01
    assert min(found[0.002]) > 0.05  # a constant answer has 0.167
