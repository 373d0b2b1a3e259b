"""The rows of the notes on further cells: J9, K8, 4.2, 4.5."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from configs import prepared
from networks import Record
from weather import Twice

from framework import Context, Data, Field, Head, Network, T, discover
from framework.config.options import TrainerOptions
from framework.testing.probes import step
from framework.training.learner import Learner
from framework.training.trainer import train

get = discover().get


def recurrent(cell, *options, output="all", **more):
    return get("layer", "recurrent")(get("cell", cell)(*options, **more), output)


def drawn(layer, features=3, steps=6):
    rng = np.random.default_rng(1)
    p, _ = layer.init(np.random.default_rng(0), (None, features))
    p = {name: a if name == "M" else a + 0.3 * rng.standard_normal(a.shape) for name, a in p.items()}
    return p, rng.standard_normal((steps, 2, features))


# ---- J9: the three paths from the output z of step t + 1 to U ----


def two_steps(delayed, dz):
    """dU of a loss dz . z_2, and what the paths are made of."""
    layer = recurrent("skip", 3, delayed, output="last")
    p, x = drawn(layer, steps=2)
    first = np.random.default_rng(2).standard_normal((2, 6))
    states = recurrent("skip", 3, delayed, output="state")
    h1 = states.forward(p, (x[:1], first), Context())[0][:, :3]
    h2 = states.forward(p, (x, first), Context())[0][:, :3]
    _, cache = layer.forward(p, (x, first), Context())
    return layer.backward(p, cache, dz, Context())[1]["U"], p, first[:, :3], h1, h2


@pytest.mark.parametrize("delayed", ["state", "output"])
def test_J9_the_output_reaches_U_on_three_paths(delayed):
    dz = np.random.default_rng(3).standard_normal((2, 3))
    dU, p, h0, h1, h2 = two_steps(delayed, dz)
    da2 = (dz @ T(p["V"])) * (1 - h2 * h2)
    by_the_step = T(h1) @ da2  # z2 h2 U
    by_two_steps = T(h0) @ ((da2 @ T(p["U"])) * (1 - h1 * h1))  # z2 h2 h1 U
    late = dz @ T(p["D"])  # reaches h1, or z1 and from there h1
    past_the_step = T(h0) @ ((late if delayed == "state" else late @ T(p["V"])) * (1 - h1 * h1))
    assert dU == pytest.approx(by_the_step + by_two_steps + past_the_step, abs=1e-14)
    assert min(np.abs(path).max() for path in (by_the_step, by_two_steps, past_the_step)) > 0.01


def test_J9_without_the_delayed_connection_it_is_a_simple_network_with_an_output():
    skip, simple = recurrent("skip", 3), recurrent("simple", 3)
    p, x = drawn(skip)
    p["D"][...] = p["W"][:, 3:] = p["b"][:, 3:] = 0
    h = simple.forward({"W": p["W"][:, :3], "b": p["b"][:, :3], "U": p["U"]}, x, Context())[0]
    assert skip.forward(p, x, Context())[0] == pytest.approx(h @ p["V"], abs=1e-14)


def test_J9_a_delay_between_outputs_is_a_second_linear_network():
    skip, simple = recurrent("skip", 3, "output"), recurrent("simple", 3)
    above = recurrent("simple", 3, activation=get("activation", "linear")())
    p, x = drawn(skip)
    p["W"][:, 3:] = 0
    h = simple.forward({"W": p["W"][:, :3], "b": p["b"][:, :3], "U": p["U"]}, x, Context())[0]
    z = above.forward({"W": p["V"], "b": p["b"][:, 3:], "U": p["D"]}, h, Context())[0]
    assert skip.forward(p, x, Context())[0] == pytest.approx(z, abs=1e-14)


# ---- K8, E27: an LSTM with its gates fixed ----


def fixed(i=None, f=None, o=None):
    return get("layer", "recurrent")(get("cell", "fixed_lstm")(4, input=i, forget=f, output=o))


def candidate(p):
    """What is left of an LSTM without its gates: the columns of g."""
    return {name: a[:, 12:] for name, a in p.items()}


def test_K8_with_all_gates_at_1_the_cell_adds_up():
    p, x = drawn(fixed())
    h, tanh = (
        layer.forward(q, x, Context())[0] for layer, q in ((fixed(1, 1, 1), p), (recurrent("simple", 4), candidate(p)))
    )
    c = np.cumsum(fixed(1, 1, 1).trace(fixed(1, 1, 1).forward(p, x, Context())[1], Context())["g"], 0)
    assert h == pytest.approx(np.tanh(c), abs=1e-14)
    assert np.abs(h - tanh).max() > 0.5


def test_K8_with_the_forget_gate_at_0_it_is_a_simple_network_with_tanh_twice():
    """The notes' three numbers, 1.78, 0.228 and 0, are of one draw of weights, which they do not give; 0 is for any."""
    p, x = drawn(fixed())
    h = fixed(1, 0, 1).forward(p, x, Context())[0]
    twice = recurrent("simple", 4, activation=Twice()).forward(candidate(p), x, Context())[0]
    assert h == pytest.approx(twice, abs=1e-15)
    assert np.abs(h - recurrent("simple", 4).forward(candidate(p), x, Context())[0]).max() > 0.1


def test_K8_the_weights_of_a_fixed_gate_have_no_gradient_and_those_of_the_others_do():
    p, x = drawn(fixed())
    layer = fixed(f=1)
    y, cache = layer.forward(p, x, Context())
    for grad in layer.backward(p, cache, y, Context())[1].values():
        assert (grad[:, 4:8] == 0).all()
        assert (np.delete(grad, slice(4, 8), -1) != 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_K8_a_fixed_gate_is_exactly_0_or_1_and_learnt_gates_make_an_lstm(dtype):
    p, x = drawn(fixed())
    p, x = {name: a.astype(dtype) for name, a in p.items()}, x.astype(dtype)
    shown = fixed(1, 0).trace(fixed(1, 0).forward(p, x, Context())[1], Context())
    assert (shown["i"] == 1).all()
    assert (shown["f"] == 0).all()
    assert (fixed().forward(p, x, Context())[0] == recurrent("lstm", 4).forward(p, x, Context())[0]).all()


# ---- 4.2: gates that learn to be binary ----


def shares(cell):
    """The shares of gates all but open or shut, by gate, at the first and the last step of a short training."""
    made = prepared(
        f"model=lstm model.output=last dataset=adding dataset.length=8 dataset.n=400 dataset.n_val=0 dataset.n_test=0 "
        f"model.hidden=8 model.layers.rnn.cell.type={cell} optimizer.lr=0.02 trainer.epochs=20 probes=gates"
    )
    record = Record()
    train([made.learner], [made.data], [0], callbacks=[record])
    found = {gate: list(record.probe(0, f"gates/rnn/{gate}").values()) for gate in "ifo"}
    return {gate: (values[0], values[-1]) for gate, values in found.items()}


def test_4_2_N3_after_training_more_gates_are_open_or_shut_than_in_an_lstm():
    lstm, g2 = shares("lstm"), shares("g2_lstm")
    assert lstm["i"][0] == g2["i"][0]  # the probe looks without noise
    assert g2["i"][1] > 2 * lstm["i"][1]
    assert g2["f"][1] > 2 * lstm["f"][1]


def test_N3_the_probe_counts_gates_within_the_margin():
    seen = step(Context(replicas=(2,), keys=(0, 1)), kind="sequences")
    shown = seen.network.nodes["rnn"].layer.trace(seen.caches["rnn"], seen.ctx.at("rnn"))
    found = get("probe", "gates")(margin=0.2)(seen)
    assert list(found) == ["gates/rnn/i", "gates/rnn/f", "gates/rnn/o"]
    for gate in "ifo":
        assert found[f"gates/rnn/{gate}"] == pytest.approx((np.abs(shown[gate] - 0.5) > 0.3).mean((1, 2, 3)))
    with pytest.raises(ValueError, match="probe gates: layer 'out' has no gates"):
        get("probe", "gates")(nodes=("out",))(seen)


def test_N3_gates_whose_weights_are_rounded_are_judged_on_the_validation_split(tmp_path, capsys):
    words = ["experiment=binary_gates", "seed=0", "trainer.steps=2", "dataset.n=100", "tracking=none"]
    command = [Path(sys.executable).with_name("stackprop"), *words]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    path = Path(__file__).resolve().parents[2] / "docs" / "_tools" / "rounded_gates.py"
    spec = importlib.util.spec_from_file_location("rounded_gates", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(next((tmp_path / "runs").glob("sweep-*")))
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split(" | ") for line in lines]
    assert [row[0] for row in cells[1:]] == ["lstm", "lstm", "g2_lstm temperature:0.9", "g2_lstm temperature:0.9"]
    assert [row[1] for row in cells[1:]] == ["loss", "accuracy"] * 2
    assert {len(row) for row in cells[1:]} == {2 + len(script.STEPS)}
    near = script.rounded({"U": np.array([[0.3, -0.7, 0.3, -0.7]])}, 0.5)["U"]
    assert near.tolist() == [[0.5, -0.5, 0.3, -0.7]]


@pytest.mark.parametrize("train", [True, False])
def test_4_2_without_noise_and_temperature_it_is_the_lstm_bit_for_bit(train):
    g2 = recurrent("g2_lstm", 4, probability=0.0) if train else recurrent("g2_lstm", 4, temperature=0.5)
    p, x = drawn(g2)
    ctx, lstm = Context(train=train, name="rnn"), recurrent("lstm", 4)
    (y, cache), (expected, other) = g2.forward(p, x, ctx), lstm.forward(p, x, ctx)
    assert (y == expected).all()
    grads, theirs = g2.backward(p, cache, y, ctx)[1], lstm.backward(p, other, y, ctx)[1]
    assert all((grads[name] == theirs[name]).all() for name in theirs)


def noise(**options):
    """What is added to i and f: with zero weights and temperature 1, (T, N, 2 units) of logits."""
    layer = recurrent("g2_lstm", 50, **options)
    p = {"W": np.zeros((1, 200)), "U": np.zeros((50, 200)), "b": np.zeros((1, 200))}
    ctx = Context(name="rnn", keys=(7,))
    shown = layer.trace(layer.forward(p, np.zeros((20, 10, 1)), ctx)[1], ctx)
    gates = np.concatenate((shown["i"], shown["f"]), -1)
    assert (shown["o"] == 0.5).all()
    return np.log(gates / (1 - gates))


def test_4_2_the_noise_is_logistic_and_falls_on_a_part_of_the_elements():
    n = noise(probability=0.25)
    struck = n[np.abs(n) > 1e-9]
    assert struck.size / n.size == pytest.approx(0.25, abs=0.02)
    assert struck.mean() == pytest.approx(0, abs=0.1)
    assert struck.std() == pytest.approx(np.pi / 3**0.5, abs=0.1)
    assert np.abs(n).max() <= np.log(1.001 / 0.001) + 1e-4  # eps


def test_4_2_noise_is_new_at_every_step_or_frozen_over_a_sequence():
    fresh, frozen = noise(), noise(frozen=True)
    assert (fresh[0] != fresh[1]).mean() > 0.99
    assert (frozen == frozen[:1]).all()


def test_4_2_temperature_divides_what_the_gates_squash():
    assert noise(temperature=0.5) == pytest.approx(2 * noise(), abs=1e-9)


def test_4_2_gradients_under_fixed_draws():
    layer = recurrent("g2_lstm", 3, temperature=0.8, probability=0.5)
    p, x = drawn(layer)
    ctx, width = Context(name="rnn"), 1e-6
    y, cache = layer.forward(p, x, ctx)
    v = np.random.default_rng(4).standard_normal(y.shape)
    dU = layer.backward(p, cache, v, ctx)[1]["U"]
    for at in [(0, 1), (1, 4), (2, 7), (2, 11)]:
        ends = []
        for sign in (1, -1):
            U = p["U"].copy()
            U[at] += sign * width
            ends.append((layer.forward({**p, "U": U}, x, ctx)[0] * v).sum())
        assert dU[at] == pytest.approx((ends[0] - ends[1]) / (2 * width), rel=1e-6, abs=1e-8)


# ---- 4.5: missing connections ----


def test_4_5_a_full_mask_is_the_lstm_and_an_empty_gate_knows_no_past():
    masked, lstm = recurrent("masked_lstm", 4), recurrent("lstm", 4)
    p, x = drawn(masked)
    assert (masked.forward(p, x, Context())[0] == lstm.forward(p, x, Context())[0]).all()
    p["M"][...] = 0
    alone = lstm.forward({**p, "U": np.zeros_like(p["U"])}, x, Context())[0]
    assert (masked.forward(p, x, Context())[0] == alone).all()


def test_4_5_density_is_the_share_of_connections():
    p, _ = recurrent("masked_lstm", 64, density=0.3).init(np.random.default_rng(0), (None, 2))
    assert p["M"].mean() == pytest.approx(0.3, abs=0.01)
    assert ((p["U"] != 0) == (p["M"] == 1)).all()


def test_4_5_missing_connections_stay_missing_and_others_learn():
    """M given as a first value, U as it was drawn: the first update clears what is masked."""
    layers = {"rnn": recurrent("masked_lstm", 3, output="last"), "out": get("layer", "dense")(2)}
    network = Network(layers, {"x": (None, 2), "y": ()})
    first = network.init(0)[0]["rnn"]
    M = (np.random.default_rng(5).random((3, 12)) < 0.5).astype(float)
    heads = {"loss": Head(get("loss", "softmax_cross_entropy")(), "out")}
    adam, constant = get("optimizer", "adam")(lr=0.01), get("schedule", "constant")()
    learner = Learner(network, heads, adam, constant, TrainerOptions(steps=5), initial={"rnn": {**first, "M": M}})
    rng = np.random.default_rng(6)
    split = {"x": rng.standard_normal((8, 4, 2)), "y": rng.integers(0, 2, 8)}
    data = Data({"train": split}, {"x": Field("NTF"), "y": Field("N", "label", 2)})
    (outcome,) = train([learner], [data], [0], dtype="float64")
    U = outcome.weights["rnn"]["U"]
    assert (outcome.weights["rnn"]["M"] == M).all()
    assert ((U == 0) == (M == 0)).all()
    assert (np.abs(U - first["U"])[M == 1] > 1e-3).all()


def test_4_5_connections_are_given_source_by_source():
    layer = recurrent("masked_lstm", 3, connections="80-40-a0-00-e0")  # two inputs, three units
    p, _ = layer.init(np.random.default_rng(0), (None, 2))
    assert p["K"][:, :3].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert p["M"][:, :3].tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 1]]
    assert (p["K"] == np.tile(p["K"][:, :3], 4)).all()
    assert ((p["W"] != 0) == (p["K"] != 0)).all()
    assert ((p["U"] != 0) == (p["M"] != 0)).all()


@pytest.mark.parametrize(("units", "rows"), [(8, "81-7e"), (9, "8180-7e00")])
def test_4_5_a_byte_holds_the_connections_of_eight_units(units, rows):
    layer = recurrent("masked_lstm", units, connections="-".join([rows] + ["00" * (len(rows) // 4)] * (units - 1)))
    p, _ = layer.init(np.random.default_rng(0), (None, 1))
    assert p["K"][0, :units].tolist() == [1, 0, 0, 0, 0, 0, 0, 1, 1][:units]
    assert p["M"][0, :units].tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 0][:units]


@pytest.mark.parametrize(
    ("connections", "expected"),
    [("80-40-a0-00", "4 sources, but there are 2 inputs and 3 units: 5"), ("8-40", "'8' is not 2 hexadecimal digits")],
)
def test_4_5_connections_that_do_not_fit_are_refused(connections, expected):
    with pytest.raises(ValueError, match=expected):
        recurrent("masked_lstm", 3, connections=connections).init(np.random.default_rng(0), (None, 2))


def test_4_5_cells_with_other_connections_share_a_stack_and_keep_to_theirs():
    words = ["80-40-a0-00-e0", "c0-00-a0-40-e0", None]

    def learner(connections):
        rnn = recurrent("masked_lstm", 3, output="last", connections=connections)
        network = Network({"rnn": rnn, "out": get("layer", "dense")(2)}, {"x": (None, 2), "y": ()})
        heads = {"loss": Head(get("loss", "softmax_cross_entropy")(), "out")}
        adam, constant = get("optimizer", "adam")(lr=0.01), get("schedule", "constant")()
        return Learner(network, heads, adam, constant, TrainerOptions(steps=20, clip_norm=1.0))

    rng = np.random.default_rng(6)
    split = {"x": rng.standard_normal((8, 4, 2)), "y": rng.integers(0, 2, 8)}
    data = Data({"train": split}, {"x": Field("NTF"), "y": Field("N", "label", 2)})
    together = train([learner(word) for word in words], [data], [0, 1, 2], dtype="float64")
    for word, key, one in zip(words, [0, 1, 2], together, strict=True):
        (alone,) = train([learner(word)], [data], [key], dtype="float64")
        for name, a in alone.weights["rnn"].items():
            assert np.abs(one.weights["rnn"][name] - a).max() < 1e-9
        assert ((one.weights["rnn"]["W"] != 0) == (one.weights["rnn"]["K"] == 1)).all()
