"""The numbers of the notes on recurrent networks: rows J and K, fixtures 3.1, 3.4, 3.5."""

from dataclasses import replace

import numpy as np
import pytest
from weather import CRT, FIRST, LOSS, SCR, TENSORS, WEATHER, WHY, Twice, get, recurrent, weather

from framework import Context, Network, T, TrainingStep
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.nn.heads import total_loss
from framework.nn.network import Node
from framework.tracking.metrics_file import read_lines, series
from framework.tracking.run_dir import RunLocation

# ---- 3.1: the weather network ----


def test_J3_J16_the_weather_network_forward():
    values = weather()[0]
    h = [[0.716590, 0.936291, 0.906957], [0.953961, 0.980716, 0.956405], [0.937032, 0.979315, 0.987629]]
    y = [
        [1.926114, 1.131153, 0.935809, 1.078684],
        [2.098077, 1.268309, 1.112485, 1.315830],
        [2.116370, 1.281610, 1.111688, 1.304348],
    ]
    p = [
        [0.444133, 0.200570, 0.164979, 0.190318],
        [0.441161, 0.192413, 0.164649, 0.201777],
        [0.445613, 0.193387, 0.163166, 0.197834],
    ]
    assert values["rnn"][:, 0] == pytest.approx(np.array(h), abs=1e-6)
    assert values["out"][:, 0] == pytest.approx(np.array(y), abs=1e-6)
    assert LOSS["loss"].prediction(values, Context())[:, 0] == pytest.approx(np.array(p), abs=1e-6)
    assert values["out"].argmax(-1).ravel().tolist() == [0, 0, 0]  # untrained: S at every step


def test_J3_J16_what_the_weather_network_says_of_the_first_state():
    y, _ = WEATHER.nodes["out"].layer.forward(TENSORS["out"], FIRST, Context())
    assert y[0] == pytest.approx([0.5017, 0.3032, 0.2126, 0.2107], abs=5e-5)
    p = LOSS["loss"].prediction({"out": y}, Context())[0]
    assert p == pytest.approx([0.301531, 0.247243, 0.225828, 0.225399], abs=1e-6)
    assert y.argmax() == 0


def test_J8_the_weather_network_backward():
    _, loss, g, _, _, _ = weather()
    assert loss == pytest.approx(5.030855, abs=1e-6)
    assert [weather(steps=k)[1] for k in (1, 2)] == pytest.approx([1.606592, 1.606592 + 1.803937], abs=2e-6)
    dWhy = [
        [1.156665, 1.284887, 1.264839],
        [-0.208100, -0.370410, -0.350030],
        [-0.525778, -0.504983, -0.488157],
        [-0.422788, -0.409495, -0.426652],
    ]
    dWhh = [[-0.044685, -0.041154, -0.032535], [0.024995, 0.032345, 0.035457], [0.024017, 0.027819, 0.025883]]
    dWhx = [[0.071601, -0.010795, -0.046989, 0], [0.038065, 0.014829, 0.010673, 0], [-0.010638, 0.020840, 0.010748, 0]]
    assert T(g["out"]["W"]) == pytest.approx(np.array(dWhy), abs=1e-6)
    assert T(g["rnn"]["U"]) == pytest.approx(np.array(dWhh), abs=1e-6)
    assert T(g["rnn"]["W"]) == pytest.approx(np.array(dWhx), abs=1e-6)
    assert g["rnn"]["b"] == pytest.approx(np.array([[0.013817, 0.063567, 0.020950]]), abs=1e-6)


def test_J8_the_loss_after_one_step_of_gradient_descent():
    g = weather()[2]
    after = {node: {t: a - 0.1 * g[node][t] for t, a in p.items()} for node, p in TENSORS.items()}
    assert weather(after)[1] == pytest.approx(4.486467, abs=1e-6)


@pytest.mark.parametrize(
    ("step", "norms"), [(0, [0.029200]), (1, [0.040860, 0.003163]), (2, [0.082413, 0.000975, 0.000044])]
)
def test_J8_J15_N6_the_terms_of_the_gradient_by_lag(step, norms):
    _, _, _, caches, dvalues, ctx = weather()
    only = np.zeros_like(dvalues["rnn"])
    only[step] = (dvalues["out"] @ WHY)[step]  # what the loss of this step asks of the states
    terms = WEATHER.nodes["rnn"].layer.terms(TENSORS["rnn"], caches["rnn"], only, ctx.at("rnn"))["U"]
    found = [np.linalg.norm(terms[t]) for t in range(step, -1, -1)]
    assert found == pytest.approx(norms, abs=1e-6)


@pytest.mark.parametrize(("lag", "norm"), [(1, 0.099103), (2, 0.098454), (3, 0.098477), (9, 0.098477), (None, 0.098477)])
def test_J14_the_gradient_where_losses_reach_back_a_few_lags_only(lag, norm):
    _, _, _, caches, dvalues, ctx = weather()
    layer = WEATHER.nodes["rnn"].layer
    _, g = layer.backward(TENSORS["rnn"], caches["rnn"], dvalues["rnn"], ctx.at("rnn").but(lag=lag))
    assert np.linalg.norm(g["U"]) == pytest.approx(norm, abs=1e-6)


def test_J14_the_gradient_of_chunks_of_two_steps():
    total, carry = 0, {"rnn": FIRST}
    for steps in (slice(0, 2), slice(2, 3)):
        ctx = Context(batch={"x": SCR[steps], "y": CRT[steps]}, carry=carry)
        values, caches = WEATHER.forward(TENSORS, ctx)
        g = {node: {t: np.zeros_like(a) for t, a in p.items()} for node, p in TENSORS.items()}
        WEATHER.backward(TENSORS, caches, total_loss(LOSS, values, ctx)[1], g, ctx)
        total, carry = total + g["rnn"]["U"], WEATHER.carry(caches)
    assert np.linalg.norm(total) == pytest.approx(0.097743, abs=1e-6)


@pytest.mark.parametrize("output", ["all", "last", "state"])
@pytest.mark.parametrize("reverse", [False, True])
def test_J14_as_many_lags_as_steps_are_full_bptt_also_under_a_mask(output, reverse):
    layer = get("layer", "recurrent")(get("cell", "lstm")(2), output, reverse)
    p, x = drawn(layer)
    mask = np.array([[1, 1], [1, 1], [1, 0], [1, 0], [1, 0], [0, 0]], float)
    ctx = Context(batch={"mask": mask})
    y, cache = layer.forward(p, (x, np.ones((2, 4))), ctx)
    dy = np.random.default_rng(2).standard_normal(y.shape)
    (dx, ds), grads = layer.backward(p, cache, dy, ctx)
    (dx6, ds6), grads6 = layer.backward(p, cache, dy, ctx.but(lag=7))  # one more, so that the first state is reached too
    assert dx6 == pytest.approx(dx, abs=1e-13)
    assert ds6 == pytest.approx(ds, abs=1e-13)
    for name, grad in grads.items():
        assert grads6[name] == pytest.approx(grad, abs=1e-13)


def test_J8_the_probe_measures_the_lags_of_the_weather_network():
    seen = weather_seen(TENSORS)
    found = get("probe", "gradient_by_lag")()(seen)
    assert found["gradient_by_lag/rnn"] == pytest.approx([0.082413, 0.000975, 0.000044], abs=1e-6)
    assert found["state_by_lag/rnn"][0] == pytest.approx(np.linalg.norm((seen.dvalues["out"] @ WHY)[-1]))
    assert found["state_by_lag_direct/rnn"][1:] == pytest.approx([0, 0])  # nothing but U leads back


def weather_seen(tensors):
    values, _, g, caches, dvalues, ctx = weather(tensors)
    arena = WEATHER.arena(tensors)
    w = arena.fill([tensors], np.float64)[0]
    return TrainingStep(WEATHER, w, g, values, caches, dvalues, ctx, arena, w, w)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru", "indrnn", "peephole_lstm"])
def test_J8_the_terms_by_lag_add_up_to_the_gradient_of_the_last_loss(cell):
    layer = recurrent(cell, 3)
    p, x = drawn(layer)
    y, cache = layer.forward(p, x, Context())
    dy = np.zeros_like(y)
    dy[-1] = 1.0
    _, grads = layer.backward(p, cache, dy, Context())
    for name, terms in layer.terms(p, cache, dy, Context()).items():
        assert terms.sum(0) == pytest.approx(grads[name], abs=1e-13)
    flow = layer.flow(p, cache, dy, Context())
    (_, ds), _ = layer.backward(p, layer.forward(p, (x, np.zeros_like(flow[0])), Context())[1], dy, Context())
    assert flow.shape == (6, 2, layer.cell.state)
    assert np.abs(flow[-1, :, :3]).max() == 1
    assert ds.shape == flow[0].shape


def test_K4_along_the_memory_of_an_lstm_only_the_forget_gate_multiplies():
    layer = recurrent("lstm", 2, output="state")
    p, x = drawn(layer)
    _, cache = layer.forward(p, x, Context())
    dy = np.concatenate((np.zeros((2, 2)), np.ones((2, 2))), -1)
    direct = layer.flow(p, cache, dy, Context(), direct=True)[..., 2:]
    f = layer.trace(cache, Context())["f"]
    assert direct[0] == pytest.approx(f[1:].prod(0), abs=1e-14)
    assert np.abs(layer.flow(p, cache, dy, Context())[0, :, 2:] - direct[0]).max() > 1e-3


# ---- 3.5: the network of 'hello', whose recurrent weight is one number ----


def test_N10_3_5_the_hello_network_is_an_indrnn_with_one_weight():
    wxh = [
        [0.287027, 0.84606, 0.572392, 0.486813],
        [0.902874, 0.871522, 0.691079, 0.18998],
        [0.537524, 0.09224, 0.558159, 0.491528],
    ]
    why = [
        [0.37168, 0.974829459, 0.830034886],
        [0.39141, 0.282585823, 0.659835709],
        [0.64985, 0.09821557, 0.334287084],
        [0.91266, 0.32581642, 0.144630018],
    ]
    layer = recurrent("indrnn", 3, activation=get("activation", "tanh")())
    p = {"W": T(np.array(wxh)), "b": np.full((1, 3), 0.567001), "u": np.full((1, 3), 0.427043)}
    h, _ = layer.forward(p, np.eye(4)[:2, None, :], Context())
    assert h[0, 0] == pytest.approx([0.693168, 0.899554, 0.802119], abs=1e-6)
    assert h[1, 0] == pytest.approx([0.936534, 0.949104, 0.762341], abs=1e-6)
    y = h[1, 0] @ T(np.array(why))
    assert y == pytest.approx([1.906075, 1.137792, 0.956664, 1.274228], abs=1e-6)
    assert np.exp(y) / np.exp(y).sum() == pytest.approx([0.419747, 0.194682, 0.162429, 0.223141], abs=1e-6)


# ---- 3.4: an LSTM of one unit, two steps ----

GATES = ("i", "f", "o", "a")
GOMEZ = {
    "W": np.array([[0.95, 0.7, 0.6, 0.45], [0.8, 0.45, 0.4, 0.25]]),
    "U": np.array([[0.8, 0.1, 0.25, 0.15]]),
    "b": np.array([[0.65, 0.15, 0.1, 0.2]]),
}


def gomez():
    layer, x = recurrent("lstm", 1), np.array([[[1.0, 2.0]], [[0.5, 3.0]]])
    h, cache = layer.forward(GOMEZ, x, Context())
    d = h - np.array([[[0.5]], [[1.25]]])
    return h, 0.5 * float((d * d).sum()), layer.backward(GOMEZ, cache, d, Context())[1], layer.trace(cache, Context())


def test_K2_K16_the_lstm_of_the_linked_example():
    h, loss, grads, trace = gomez()
    assert h.ravel() == pytest.approx([0.536313, 0.771981], abs=1e-6)
    assert loss == pytest.approx(0.114910, abs=1e-6)
    shown = {"g": [0.817754, 0.849804], "i": [0.960834, 0.981184], "f": [0.851953, 0.870302], "o": [0.817574, 0.849933]}
    for name, values in shown.items():
        assert trace[name].ravel() == pytest.approx(values, abs=1e-6)
    assert trace["c"].ravel() == pytest.approx([0.785726, 1.517633], abs=1e-6)
    assert (trace["h"] == h).all()
    dW = [[-0.002204, -0.003153, -0.025924, -0.026716], [-0.006639, -0.018920, -0.162604, -0.092201]]
    assert grads["W"] == pytest.approx(np.array(dW), abs=1e-6)
    assert grads["U"] == pytest.approx(np.array([[-0.000598, -0.003382, -0.029700, -0.010396]]), abs=1e-6)
    assert grads["b"] == pytest.approx(np.array([[-0.002761, -0.006307, -0.053613, -0.036408]]), abs=1e-6)


def test_K16_the_weights_after_one_step_of_gradient_descent():
    grads = gomez()[2]
    after = {name: a - 0.1 * grads[name] for name, a in GOMEZ.items()}
    W = [[0.950220, 0.700315, 0.602592, 0.452672], [0.800664, 0.451892, 0.416260, 0.259220]]
    assert after["W"] == pytest.approx(np.array(W), abs=1e-6)
    assert after["U"] == pytest.approx(np.array([[0.800060, 0.100338, 0.252970, 0.151040]]), abs=1e-6)


# ---- cells against each other ----


def drawn(layer, features=3, seed=0):
    p, _ = layer.init(np.random.default_rng(seed), (None, features))
    rng = np.random.default_rng(seed + 1)
    return {name: a + 0.3 * rng.standard_normal(a.shape) for name, a in p.items()}, rng.standard_normal((6, 2, features))


def test_K3_without_peepholes_it_is_the_lstm():
    peephole, lstm = recurrent("peephole_lstm", 4), recurrent("lstm", 4)
    p, x = drawn(lstm)
    y, _ = lstm.forward(p, x, Context())
    assert peephole.forward({**p, "V": np.zeros((1, 12))}, x, Context())[0] == pytest.approx(y, abs=1e-15)


def test_E9_parameters_of_diagonal_and_full_peepholes():
    def count(p):
        return sum(a.size for a in p.values())

    lstm, diagonal, full = (
        get("cell", name)(650, **options).init(np.random.default_rng(0))
        for name, options in (("lstm", {}), ("peephole_lstm", {}), ("peephole_lstm", {"peephole": "full"}))
    )
    assert count(diagonal) - count(lstm) == 1950
    assert count(full) - count(lstm) == 1267500


@pytest.mark.parametrize(("cell", "number"), [("simple", 845650), ("lstm", 3382600), ("gru", 2536950)])
def test_K7_K13_K17_parameters_at_650_units(cell, number):
    p, _ = recurrent(cell, 650).init(np.random.default_rng(0), (None, 650))
    assert sum(a.size for a in p.values()) == number


@pytest.mark.parametrize("reset", ["before", "after"])
def test_K12_the_two_gru_of_the_notes_are_one_with_z_turned_round(reset):
    keep, update = recurrent("gru", 4, reset), recurrent("gru", 4, reset, "update")
    p, x = drawn(keep)
    turned = {name: a.copy() for name, a in p.items()}
    for a in turned.values():
        a[:, 4:8] *= -1
    y = keep.forward(p, x, Context())[0]
    assert update.forward(turned, x, Context())[0] == pytest.approx(y, abs=1e-12)
    assert np.abs(update.forward(p, x, Context())[0] - y).max() > 0.1


def test_4_3_an_indrnn_is_a_simple_rnn_with_a_diagonal_U():
    tanh = get("activation", "tanh")()
    independent, simple = recurrent("indrnn", 4, activation=tanh), recurrent("simple", 4)
    p, x = drawn(independent)
    y = independent.forward(p, x, Context())[0]
    assert simple.forward({"W": p["W"], "b": p["b"], "U": np.diag(p["u"][0])}, x, Context())[0] == pytest.approx(
        y, abs=1e-14
    )


def test_N7_4_3_on_the_active_path_the_gradient_at_lag_k_is_u_to_the_k():
    u = 2 ** (1 / 30)
    layer = recurrent("indrnn", 1, output="last")
    p = {"W": np.ones((1, 1)), "b": np.zeros((1, 1)), "u": np.full((1, 1), u)}
    _, cache = layer.forward(p, np.ones((31, 1, 1)), Context())
    dx, _ = layer.backward(p, cache, np.ones((1, 1)), Context())
    lags = dx[::-1, 0, 0]
    assert lags[[1, 5, 10, 20, 30]] == pytest.approx([1.0234, 1.1225, 1.2599, 1.5874, 2.0], abs=5e-5)
    assert lags == pytest.approx(u ** np.arange(31.0))


def test_N7_the_bound_holds_for_negative_u_too():
    cell = get("cell", "indrnn")(4, bound=2 ** (1 / 30), lowest=-3.0, highest=3.0)
    p = cell.init(np.random.default_rng(0))
    p["u"][...] = [-1.5, -0.5, 0.5, 1.5]
    cell.project(p, Context())
    assert p["u"][0] == pytest.approx([-(2 ** (1 / 30)), -0.5, 0.5, 2 ** (1 / 30)], abs=1e-15)
    layer = get("layer", "recurrent")(replace(cell, activation=get("activation", "linear")()), output="last")
    p |= {"W": np.ones((1, 4)), "b": np.zeros((1, 4))}
    _, cache = layer.forward(p, np.ones((31, 1, 1)), Context())
    for unit, u in enumerate(p["u"][0]):  # the gradient at lag k is u^k
        dx, _ = layer.backward(p, cache, np.eye(4)[unit][None], Context())
        assert dx[::-1, 0, 0] == pytest.approx(u ** np.arange(31.0), abs=1e-12)
        assert np.abs(dx).max() <= 2 + 1e-12


@pytest.mark.parametrize(
    ("bias", "steps", "left", "digit"),
    [
        (0, 10, 9.8e-4, 1e-5),
        (0, 20, 1e-6, 1e-6),
        (1, 10, 0.0436, 1e-4),
        (1, 20, 0.0019, 1e-4),
        (2, 10, 0.2810, 1e-4),
        (2, 20, 0.0790, 1e-4),
        (5, 10, 0.9351, 1e-4),
        (5, 20, 0.8743, 1e-4),
    ],
)
def test_F7_K4_K6_what_is_left_of_the_gradient_of_c(bias, steps, left, digit):
    layer = recurrent("lstm", 1, output="state", forget_bias=float(bias))
    p = {"W": np.zeros((1, 4)), "U": np.zeros((1, 4)), "b": layer.init(np.random.default_rng(0), (None, 1))[0]["b"]}
    first = np.zeros((1, 2))
    pair, cache = layer.forward(p, (np.ones((steps, 1, 1)), first), Context())
    (_, ds), _ = layer.backward(p, cache, np.array([[0.0, 1.0]]), Context())
    assert pair.shape == (1, 2)
    assert ds[0, 1] == pytest.approx(left, abs=digit / 2)


def test_E23_h_lies_between_minus_one_and_one_and_c_grows_by_at_most_one_a_step():
    layer = recurrent("lstm", 1, output="state")
    p = {"W": np.zeros((1, 4)), "U": np.zeros((1, 4)), "b": np.array([[40.0, 40.0, 40.0, 5.0]])}
    (h, c), _ = layer.forward(p, np.ones((10, 1, 1)), Context())[0].ravel(), None
    assert c == pytest.approx(9.9991, abs=1e-4)
    assert abs(h) < 1


@pytest.mark.parametrize("forget", [1, 0])
def test_E27_an_lstm_with_its_gates_held_is_no_simple_network(forget):
    """With f = 0 it is h = tanh(tanh(z)), and nothing else makes it so."""
    n, rng = 3, np.random.default_rng(0)
    W, U, x = rng.standard_normal((2, n)), rng.standard_normal((n, n)), rng.standard_normal((5, 1, 2))
    held = {
        "W": np.zeros((2, 4 * n)),
        "U": np.zeros((n, 4 * n)),
        "b": np.repeat([[40.0, 40.0 if forget else -40.0, 40.0, 0]], n, -1),
    }
    held["W"][:, 3 * n :], held["U"][:, 3 * n :] = W, U
    h = recurrent("lstm", n).forward(held, x, Context())[0]
    simple = {"W": W, "U": U, "b": np.zeros((1, n))}
    tanh = recurrent("simple", n).forward(simple, x, Context())[0]
    assert np.abs(h - tanh).max() > 0.1
    twice = recurrent("simple", n, activation=Twice()).forward(simple, x, Context())[0]
    assert (np.abs(h - twice).max() < 1e-12) == (forget == 0)


def test_K14_L2_a_bidirectional_network_swaps_its_halves():
    cell = get("cell", "lstm")(2)
    layer = get("layer", "recurrent")
    nodes = {"fwd": Node(layer(cell), "x"), "bwd": Node(layer(cell, reverse=True), "x", share="fwd")}
    net = Network({**nodes, "both": Node(get("layer", "concat")(), ("bwd", "fwd"))}, {"x": (None, 3)})
    tensors, shapes = net.init(0)
    assert shapes["both"] == (None, 4)
    x = np.random.default_rng(0).standard_normal((5, 2, 3))
    y = net.forward(tensors, Context(batch={"x": x}))[0]["both"]
    turned = net.forward(tensors, Context(batch={"x": x[::-1]}))[0]["both"]
    assert turned[::-1] == pytest.approx(np.concatenate([y[..., 2:], y[..., :2]], -1), abs=1e-14)


def test_the_recorded_probe_has_the_lag_norms_of_the_weather_network_and_its_figure_shows_them(tmp_path):
    words = [
        "experiment=trace_weather",
        "~study",
        "probes=gradient_by_lag",
        "trainer.steps=1",
        "tracking=none",
        "device=cpu",
    ]
    run(prepare(compose(words)), RunLocation(tmp_path / "one", tmp_path, "one"))
    found = series(read_lines(tmp_path / "one" / "metrics.jsonl"))["gradient_by_lag/rnn"]
    assert found[:, 0].tolist() == [0, 1, 2]
    assert found[:, 1] == pytest.approx([0.082413, 0.000975, 0.000044], abs=5e-7)
    assert (tmp_path / "one" / "figures" / "gradient_by_lag.png").stat().st_size > 5000
