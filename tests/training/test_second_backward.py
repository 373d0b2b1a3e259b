"""Probes that see the step before, and those that ask for a gradient at other weights or for some examples."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from networks import Record, distance, learner, lone, mlp, regression

from framework import Data, Field, Network, discover
from framework.training.trainer import train
from framework_layers.dense import Dense
from framework_layers.recurrent import Recurrent
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_probes.gradient_cosine import GradientCosine
from framework_probes.gradient_noise import GradientNoise
from framework_probes.sharpness import Sharpness
from framework_regularizers.l2 import L2

DATA = regression(n=24, val=8)


@dataclass(frozen=True)
class Spy:
    """Calls a function with what a probe sees, and measures nothing of interest."""

    look: object
    previous: ClassVar[bool] = True

    def __call__(self, seen):
        self.look(seen)
        return {"spy": seen.loss * 0}


def watched(probes, network=None, optimizer=None, regularizers=(), **options):
    how = {"batch_size": 8, "steps": 12, "probe_every": 1, **options}
    return replace(learner(network or mlp(3, 2), optimizer or Sgd(0.1), regularizers=regularizers, **how), probes=probes)


def measured(member, name, data=DATA, **more):
    seen = Record()
    lone(member, data, callbacks=[seen], **more)
    return seen.probe(0, name)


def test_a_probe_sees_loss_rate_gradient_and_the_step_before():
    steps = []

    def look(seen):
        before = seen.previous
        steps.append((seen.loss.copy(), seen.gradient.copy(), seen.w, seen.after.copy(), before))
        assert seen.lr == 0.1
        assert seen.after == pytest.approx(seen.w - 0.1 * seen.gradient)
        assert seen.examples == 8

    seen = Record()
    made = watched({"spy": Spy(look)}, regularizers=(L2(0.01),))
    lone(made, DATA, callbacks=[seen])
    assert [loss[0] for loss, *_ in steps] == pytest.approx(seen.column(0, "train/loss"))
    assert steps[0][-1] is None
    for (loss, g, w, after, _), (*_, here, _, before) in itertools.pairwise(steps):
        assert np.array_equal(before.loss, loss)
        assert np.array_equal(before.gradient, g)
        assert np.array_equal(before.w, w)
        assert np.array_equal(here, after)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_the_step_before_is_kept_where_it_is_read(tier):
    every = measured(watched({"cosine": GradientCosine()}), "gradient_cosine/total")
    fewer = measured(watched({"cosine": GradientCosine()}, probe_every=5), "gradient_cosine/total", tier=tier)
    assert list(fewer) == [1, 5, 10, 12]
    assert np.isnan(fewer[1])
    assert [fewer[step] for step in (5, 10, 12)] == pytest.approx([every[step] for step in (5, 10, 12)], abs=1e-9)
    assert distance(lone(watched({}), DATA), lone(watched({"cosine": GradientCosine()}), DATA)) == 0


def test_the_cosine_is_that_of_the_steps_of_gradient_descent():
    steps = []
    made = watched({"spy": Spy(lambda seen: steps.append(seen.after - seen.w)), "cosine": GradientCosine(("out",))})
    found = measured(made, "gradient_cosine/total")
    for i in range(1, 12):
        a, b = steps[i - 1][0], steps[i][0]
        assert found[i + 1] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-9)


def test_a_resumed_training_reads_the_step_before():
    made, snapshots, seen = (
        [watched({"c": GradientCosine()}, probe_every=5, checkpoint_every=4)] * 2,
        {},
        [Record(), Record()],
    )

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain)

    train(made, [DATA], [1, 2], save=save, callbacks=[seen[0]])
    train(made, [DATA], [1, 2], resume=snapshots[4], callbacks=[seen[1]])
    name = "gradient_cosine/out"
    assert seen[1].probe(1, name) == {step: value for step, value in seen[0].probe(1, name).items() if step > 4}


@pytest.mark.parametrize("optimizer", [Sgd(0.1), Momentum(0.1), Nag(0.1)])
def test_the_gradient_at_the_same_place_is_that_of_the_step(optimizer):
    def look(seen):
        loss, g = seen.gradient_at(seen.look[..., : seen.arena.P])
        assert loss == pytest.approx(seen.loss)
        assert g == pytest.approx(seen.gradient)
        halves = [seen.gradient_at(seen.look[..., : seen.arena.P], rows)[1] for rows in (slice(4), slice(4, 8))]
        assert sum(halves) / 2 == pytest.approx(seen.gradient)

    lone(watched({"spy": Spy(look)}, optimizer=optimizer), DATA)


def test_examples_of_sequences_are_behind_their_steps():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 5, 3)), rng.standard_normal((12, 5, 2))
    data = Data({"train": {"x": x, "y": y}}, {"x": Field("NTF"), "y": Field("NTF")})
    cell = discover().get("cell", "lstm")(4)
    network = Network({"rnn": Recurrent(cell), "out": Dense(2)}, data.shapes())

    def look(seen):
        assert seen.examples == 6
        parts = [seen.gradient_at(seen.w, rows)[1] for rows in (slice(3), slice(3, 6))]
        assert sum(parts) / 2 == pytest.approx(seen.gradient)

    lone(watched({"spy": Spy(look)}, network, batch_size=6, steps=3), data)


def linear(n=8):
    """Linear regression with the whole batch: examples with a 1 for the bias, targets, and the weights of the step."""
    data = regression(n=n)
    x, t = data.splits["train"]["x"], data.splits["train"]["y"]
    kept = []

    def look(seen):
        kept.append(np.concatenate([seen.p["out"]["W"][0], seen.p["out"]["b"][0]]))

    return data, np.concatenate([x, np.ones((n, 1))], 1), t, kept, Spy(look)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_gradient_noise_is_the_unbiased_estimate(parts):
    data, x, t, kept, spy = linear()
    probes = {"spy": spy, "noise": GradientNoise(parts)}
    made = watched(probes, mlp(2), steps=1, batch_size="all")
    found = {name: measured(made, f"gradient_noise/{name}", data)[1] for name in ("variance", "signal", "scale")}
    each = x[:, :, None] * (x @ kept[0] - t)[:, None, :]  # gradients of single examples: 2 / F x (y - t)
    means = each.reshape(parts, 8 // parts, -1).mean(1)
    g = means.mean(0)
    variance = 8 // parts * means.var(0, ddof=1).sum()
    assert found["variance"] == pytest.approx(variance)
    assert found["signal"] == pytest.approx(g @ g - variance / 8)
    assert found["scale"] == pytest.approx(found["variance"] / found["signal"])


def test_a_batch_smaller_than_the_parts_has_no_estimate():
    found = measured(watched({"noise": GradientNoise(9)}, steps=2), "gradient_noise/scale")
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-2)])
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(dtype, tolerance):
    data, x, _, _, _ = linear()
    found = measured(watched({"sharp": Sharpness(200)}, mlp(2), steps=2, batch_size="all"), "sharpness", data, dtype=dtype)
    hessian = 2 / (8 * 2) * x.T @ x
    wanted = np.linalg.eigvalsh(hessian)[-1]
    assert list(found.values()) == pytest.approx([wanted, wanted], rel=tolerance)


def test_a_second_backward_does_not_change_the_training():
    probes = {"noise": GradientNoise(), "sharp": Sharpness(2), "cosine": GradientCosine()}
    network = mlp(4, 2, keep=0.5)
    assert distance(lone(watched(probes, network), DATA), lone(watched({}, network), DATA)) == 0


def test_replicas_that_stop_leave_the_others_their_previous_step():
    made = [watched({"cosine": GradientCosine()}, optimizer=Sgd(lr), read_every=1) for lr in (1e200, 0.1)]
    seen = Record()
    outcomes = train(made, [DATA], [0, 3], dtype=np.float64, callbacks=[seen])
    assert outcomes[0].status == "diverged"
    alone = Record()
    lone(made[1], DATA, 3, callbacks=[alone])
    found, wanted = (list(r.probe(m, "gradient_cosine/total").values()) for r, m in ((seen, 1), (alone, 0)))
    assert found[1:] == pytest.approx(wanted[1:], abs=1e-9)
