"""The lecture notes, section 2.D: gradient descent and optimizers. A test is named after its row."""

import numpy as np
import pytest
from networks import backpropagate, distance, learner, lone, mlp, regression

from framework import Context
from framework_initializers.zeros import Zeros
from framework_losses.half_squared_error import HalfSquaredError
from framework_optimizers.adadelta import Adadelta
from framework_optimizers.adagrad import Adagrad
from framework_optimizers.adam import Adam
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.rmsprop import Rmsprop
from framework_optimizers.sgd import Sgd

CTX = Context()
PRINTED = 6e-13  # forms of epsilon differ in the eleventh decimal, so all twelve printed ones are compared


def descend(optimizer, rates):
    """The iterates on f(w) = w^2 / 2 from w = 1, and w + alpha M after each."""
    w, path, ahead = np.ones(1), [], []
    state = optimizer.init(w)
    for lr in rates:
        at = optimizer.lookahead(w, state, CTX) if hasattr(optimizer, "lookahead") else w
        optimizer.update(w, at.copy(), state, lr, CTX)
        path.append(w[0])
        ahead.append(w[0] + getattr(optimizer, "alpha", 0) * state["M"][0] if "M" in state else w[0])
    return np.array(path), np.array(ahead)


def steps(optimizer, gradients, lr):
    """How far each of these gradients moves a weight, and the state at the end."""
    w, state, moved = np.zeros(1), optimizer.init(np.zeros(1)), []
    for g in gradients:
        before = w[0]
        optimizer.update(w, np.full(1, float(g)), state, lr, CTX)
        moved.append(before - w[0])
    return np.array(moved), state


def test_D1_gradient_descent():
    path, _ = descend(Sgd(), [0.1] * 3)
    assert path == pytest.approx([0.9, 0.81, 0.729], abs=1e-15)


def test_D1_batch_descent_takes_one_step_along_the_gradient_of_the_whole_training_set():
    data, network = regression(n=12), mlp(4, 2)
    before, after = network.init(0)[0], lone(learner(network, Sgd(0.1), epochs=1, batch_size="all"), data)
    member = learner(network)
    _, _, g, _ = backpropagate(network, member.heads, before, data.splits["train"])
    assert after.step == 1
    for node, tensors in g.items():
        for t, grad in tensors.items():
            assert after.weights[node][t] == pytest.approx(before[node][t] - 0.1 * grad, abs=1e-15)


def test_D2_stochastic_descent_updates_after_every_example():
    data = regression(n=12, features=2, outputs=1)
    x, y = data.splits["train"]["x"], data.splits["train"]["y"]
    network = mlp(1, features=2, bias=False, initializer=Zeros())
    outcome = lone(learner(network, Sgd(0.05), HalfSquaredError(), epochs=1, batch_size=1, shuffle=False), data)
    w = np.zeros((2, 1))
    for i in range(12):
        w -= 0.05 * x[i : i + 1].T @ (x[i : i + 1] @ w - y[i : i + 1])
    assert outcome.step == 12
    assert np.abs(outcome.weights["out"]["W"] - w).max() < 1e-12


@pytest.mark.parametrize("size", [1, 5, 12])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_D3_accumulation_over_a_full_pass_is_batch_descent(reduction, size):
    data, loss = regression(n=12), HalfSquaredError(reduction)
    batch = lone(learner(mlp(4, 2), Sgd(0.01), loss, epochs=5, batch_size="all"), data)
    parts = lone(learner(mlp(4, 2), Sgd(0.01), loss, epochs=5, batch_size=size, accumulate=12), data)
    assert batch.step == parts.step == 5
    assert distance(batch, parts) < 1e-12


def test_D3_a_pass_over_mini_batches_updates_once_per_batch():
    data = regression(n=200)
    assert [lone(learner(mlp(2), epochs=1, batch_size=size), data).step for size in (50, 64, 256)] == [4, 4, 1]


def test_D4_momentum():
    path, _ = descend(Momentum(alpha=0.9), [0.1] * 5)
    assert path[:3] == pytest.approx([0.9, 0.72, 0.486], abs=1e-15)
    assert path[4] == pytest.approx(-0.02916, abs=1e-15)  # it has overshot


@pytest.mark.parametrize(("form", "golden"), [("notes", 0.247073), ("torch", 0.636665)])
def test_D4_with_a_changing_rate_it_matters_whether_the_rate_stands_inside_the_sum(form, golden):
    path, _ = descend(Momentum(alpha=0.9, form=form), [0.1, 0.1, 0.01, 0.01, 0.01])
    assert path[-1] == pytest.approx(golden, abs=1e-6)


def test_D4_at_a_constant_rate_both_forms_are_the_same():
    notes, torch = (descend(Momentum(form=form), [0.1] * 20)[0] for form in ("notes", "torch"))
    assert notes == pytest.approx(torch, abs=1e-14)


def test_D5_nesterov_and_its_look_ahead():
    path, ahead = descend(Nag(alpha=0.9), [0.1] * 5)
    assert path[:3] == pytest.approx([0.9, 0.729, 0.51759], abs=1e-15)
    assert ahead[:3] == pytest.approx([0.81, 0.5751, 0.327321], abs=1e-15)


def test_D5_nesterov_slows_before_the_hill_where_momentum_overshoots():
    (nag, _), (momentum, _) = (descend(optimizer, [0.1] * 5) for optimizer in (Nag(alpha=0.9), Momentum(alpha=0.9)))
    assert nag[4] == pytest.approx(0.0845, abs=5e-5)  # printed with four decimals
    assert momentum[4] < 0 < nag[4]


def test_D5_what_other_libraries_keep_is_the_look_ahead_point():
    w, buffer, theirs = 1.0, 0.0, []
    for _ in range(5):  # their form: the gradient at their own weights, and one more share of the buffer
        buffer = 0.9 * buffer + w
        w -= 0.1 * (w + 0.9 * buffer)
        theirs.append(w)
    assert descend(Nag(alpha=0.9), [0.1] * 5)[1] == pytest.approx(theirs, abs=1e-15)


@pytest.mark.parametrize(
    ("epsilon", "golden"),
    [("inside", [0.9000000005, 0.833103527502, 0.780456182097]), ("outside", [0.900000001, 0.833103528294, 0.780456183089])],
)
def test_D6_adagrad(epsilon, golden):
    assert descend(Adagrad(epsilon=epsilon), [0.1] * 3)[0] == pytest.approx(golden, abs=PRINTED)


def test_D6_the_effective_rate_after_t_unit_gradients_is_eta_over_the_root_of_t():
    moved, _ = steps(Adagrad(eps=0.0), np.ones(100), 0.1)
    assert moved == pytest.approx(0.1 / np.sqrt(np.arange(1, 101)), abs=1e-14)


def test_D6_without_its_root_the_rate_depends_on_the_scale_of_gradients():
    moved, _ = steps(Adagrad(eps=0.0, root=False), np.ones(100), 0.1)
    assert moved == pytest.approx(0.1 / np.arange(1, 101), abs=1e-15)
    for root, factor in ((True, 1), (False, 0.01)):  # gradients 100 times as large
        one, large = (steps(Adagrad(eps=0.0, root=root), np.full(9, g), 0.1)[0] for g in (1, 100))
        assert large == pytest.approx(factor * one, abs=1e-15)


def test_D6_a_frequent_feature_has_a_smaller_rate_than_a_rare_one():
    optimizer, w = Adagrad(), np.zeros(2)
    state = optimizer.init(w)
    for step in range(100):
        before = w.copy()
        optimizer.update(w, np.array([1.0, step % 10 == 9]), state, 0.1, CTX)
    assert before - w == pytest.approx([0.1 / 10, 0.1 / 10**0.5], rel=1e-6)


def test_D7_rmsprop():
    golden = [0.996837722498, 0.994547010280, 0.992630674526]
    assert descend(Rmsprop(gamma=0.9), [0.001] * 3)[0] == pytest.approx(golden, abs=PRINTED)


def test_D7_rmsprop_forgets_where_adagrad_does_not():
    gradients = [100.0] + [1.0] * 99
    rmsprop, adagrad = (steps(optimizer, gradients, 0.1)[0][-1] for optimizer in (Rmsprop(), Adagrad()))
    assert rmsprop == pytest.approx(0.1, rel=0.15)
    assert adagrad == pytest.approx(0.1 / (100**2 + 99) ** 0.5)


def test_D8_adadelta():
    golden = [0.996837738151, 0.993598198408, 0.990309082801]
    assert descend(Adadelta(gamma=0.9, eps=1e-6), [1.0] * 3)[0] == pytest.approx(golden, abs=PRINTED)


def test_D8_the_factor_of_other_libraries_scales_the_first_step():
    ours, theirs = (steps(Adadelta(), [1.0], lr)[0][0] for lr in (1.0, 0.001))
    assert theirs == pytest.approx(0.001 * ours, rel=1e-12)
    assert Adadelta().lr == 1  # the method has none


def test_D9_adam_epsilon_inside():
    golden = [0.999000000005, 0.998000026214, 0.997000096065]
    assert descend(Adam(epsilon="inside"), [0.001] * 3)[0] == pytest.approx(golden, abs=PRINTED)


def test_D9_adam_epsilon_outside():
    golden = [0.999000000010, 0.998000026224, 0.997000096080]
    assert descend(Adam(epsilon="outside"), [0.001] * 3)[0] == pytest.approx(golden, abs=PRINTED)


def test_D9_adam_epsilon_hat():
    path, _ = descend(Adam(epsilon="hat"), [0.001] * 3)
    w, m, v, expected = 1.0, 0.0, 0.0, []
    for t in (1, 2, 3):
        m, v = 0.9 * m + 0.1 * w, 0.999 * v + 0.001 * w * w
        w -= 0.001 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v**0.5 + 1e-8)
        expected.append(w)
    assert path == pytest.approx(expected, abs=1e-14)


def first_step(optimizer, lr):
    """For a gradient of 1e-6, far below sqrt(eps) = 1e-4: here the place of epsilon decides."""
    return steps(optimizer, [1e-6], lr)[0][0]


# The notes print these with five digits, the last one with three.


def test_D10_without_correction_the_first_step_of_adam_is_3_16_times_as_long_and_later_ones_come_down():
    moved = {correct: steps(Adam(eps=0, correct=correct), [1] * 5000, 0.001)[0] for correct in (True, False)}
    assert moved[True] == pytest.approx(0.001, abs=1e-15)
    assert moved[False][0] / moved[True][0] == pytest.approx((1 - 0.9) / (1 - 0.999) ** 0.5)
    assert moved[False][9] / moved[True][9] == pytest.approx((1 - 0.9**10) / (1 - 0.999**10) ** 0.5)
    assert moved[False][-1] == pytest.approx(0.001, rel=0.01)


@pytest.mark.parametrize(("epsilon", "golden"), [("inside", 9.9995e-4), ("outside", 9.9010e-2)])
def test_D6_adagrad_first_step_for_a_gradient_of_1e_6(epsilon, golden):
    assert first_step(Adagrad(epsilon=epsilon), 0.1) == pytest.approx(golden, rel=2e-5)


@pytest.mark.parametrize(("epsilon", "golden"), [("inside", 9.99995e-6), ("outside", 3.0653e-3)])
def test_D7_rmsprop_first_step_for_a_gradient_of_1e_6(epsilon, golden):
    assert first_step(Rmsprop(epsilon=epsilon), 1e-3) == pytest.approx(golden, rel=2e-5)


@pytest.mark.parametrize(
    ("epsilon", "eps", "golden", "tolerance"),
    [("inside", 1e-8, 9.9995e-6, 2e-5), ("outside", 1e-8, 9.9010e-4, 2e-5), ("hat", 1e-7, 2.40e-4, 2e-3)],
)
def test_D9_adam_first_step_for_a_gradient_of_1e_6(epsilon, eps, golden, tolerance):
    assert first_step(Adam(eps=eps, epsilon=epsilon), 1e-3) == pytest.approx(golden, rel=tolerance)


def test_D9_inside_and_outside_differ_99_and_307_fold():
    for optimizer, factor in ((Adagrad, 99), (Rmsprop, 307), (Adam, 99)):
        inside, outside = (first_step(optimizer(eps=1e-8, epsilon=epsilon), 0.01) for epsilon in ("inside", "outside"))
        assert round(outside / inside) == factor


def test_D10_moments_are_biased_to_zero_and_the_correction_takes_that_back():
    g, rng = 3.0, np.random.default_rng(0)
    moved, state = steps(Adam(eps=0.0), [g] * 7, 0.001)
    assert state["m"][0] == pytest.approx((1 - 0.9**7) * g, abs=1e-14)
    assert state["v"][0] == pytest.approx((1 - 0.999**7) * g**2, abs=1e-14)  # uncentred: no mean is subtracted
    assert moved == pytest.approx(np.full(7, 0.001), abs=1e-17)  # m^ / sqrt(v^) = 1 from the first step on
    gradients = rng.normal(2.0, 1.0, (20, 4000))  # E[m_t] = (1 - beta1^t) E[g], for any gradients
    w, optimizer = np.zeros(4000), Adam()
    state = optimizer.init(w)
    for g in gradients:
        optimizer.update(w, g, state, 0.001, CTX)
    for name, memory, moment in (("m", 0.9, 2.0), ("v", 0.999, 5.0)):
        assert state[name].mean() / (1 - memory**20) == pytest.approx(moment, rel=0.01)


def test_D10_without_the_correction_the_first_step_would_be_three_times_as_long():
    moved, state = steps(Adam(eps=0.0), [5.0], 1.0)
    assert moved[0] == pytest.approx(1, abs=1e-15)
    assert state["m"][0] / state["v"][0] ** 0.5 == pytest.approx(10**0.5)
