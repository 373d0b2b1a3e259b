"""What goes on in a recurrent layer, step by step: gates, cell and hidden states over time."""

import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from networks import learner

from framework import Context, Data, Field, Network, discover, generator
from framework.config.composition import compose
from framework.data.scaling import Scale
from framework.experiments.config_warnings import config_warnings
from framework.experiments.experiment import prepare
from framework.experiments.runner import run
from framework.inference.model import Model
from framework.tracking.metrics_file import read_lines
from framework.tracking.run_dir import RunLocation

get = discover().get
PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "sequences.md"
X = np.random.default_rng(0).standard_normal((4, 5, 2))
SHOWN = {
    "simple": "h",
    "indrnn": "h",
    "skip": "hz",
    "gru": "hrzg",
    "lstm": "hcifog",
    "fixed_lstm": "hcifog",
    "peephole_lstm": "hcifog",
    "g2_lstm": "hcifog",
    "masked_lstm": "hcifog",
}


def model(*layers, stateful=False, mask=False):
    nodes = {f"rnn{i}": layer for i, layer in enumerate(layers)} | {"out": get("layer", "dense")(1)}
    fields = {"x": Field("NTF"), "y": Field("NTF")} | ({"mask": Field("NT", "mask")} if mask else {})
    net = Network(nodes, {"x": (None, 2), "y": (None, 1)})
    return Model.of(learner(net), net.init(0)[0], Data({"train": {}}, fields, stateful=stateful), Scale("none", {}, {}))


def recurrent(cell, **options):
    return get("layer", "recurrent")(get("cell", cell)(3), **options)


def test_every_cell_has_its_parts_named():
    assert {*SHOWN, "elman"} == set(discover().names("cell"))


@pytest.mark.parametrize(("cell", "gates"), [("gru", "rz"), ("lstm", "ifo")])
def test_gates_of_the_first_step_follow_their_formula(cell, gates):
    """With no state yet, gate k is sigmoid(x W_k + b_k)."""
    made = model(recurrent(cell))
    trace, p = made.trace(X), made.weights["rnn0"]
    for gate in gates:
        k = "ifog".index(gate) if cell == "lstm" else "rzg".index(gate)
        of_gate = slice(3 * k, 3 * k + 3)
        a = X[:, 0] @ p["W"][:, of_gate] + p["b"][:, of_gate]
        np.testing.assert_allclose(trace[f"rnn0/{gate}"][:, 0], 1 / (1 + np.exp(-a)), rtol=1e-6)


def test_a_trace_may_have_one_step():
    assert {a.shape for a in model(recurrent("lstm")).trace(X[:, :1]).values()} == {(4, 1, 3)}


def test_a_recurrent_layer_refuses_images():
    with pytest.raises(ValueError, match=r"recurrent needs sequences \(T, F\) \(got \(1, 8, 8\)"):
        recurrent("gru").init(np.random.default_rng(0), (1, 8, 8))


@pytest.mark.parametrize("cell", SHOWN)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_trace_is_the_states_and_gates_of_every_step(cell, reverse):
    made = model(recurrent(cell, reverse=reverse))
    trace = made.trace(X)
    assert list(trace) == [f"rnn0/{name}" for name in SHOWN[cell]]
    assert {a.shape for a in trace.values()} == {(4, 5, 3)}
    (_, caches, _), = made.passes({"x": X})  # fmt: skip
    last = [trace[f"rnn0/{part}"][:, 0 if reverse else -1] for part in made.network.nodes["rnn0"].layer.cell.parts]
    assert np.array_equal(np.concatenate(last, -1), caches["rnn0"].final)


def test_it_shows_the_equations_of_an_lstm():
    shown = {name[-1]: a for name, a in model(recurrent("lstm")).trace(X).items()}
    before = np.concatenate((np.zeros((4, 1, 3)), shown["c"][:, :-1]), 1)
    assert shown["c"] == pytest.approx(shown["f"] * before + shown["i"] * shown["g"], abs=1e-15)
    assert shown["h"] == pytest.approx(shown["o"] * np.tanh(shown["c"]), abs=1e-15)


def test_two_layers_a_mask_and_the_other_layout():
    made = model(recurrent("gru"), recurrent("simple"), mask=True)
    mask = np.array([[1, 1, 1, 0, 0]] * 4)
    trace = made.trace({"x": X, "mask": mask})
    assert {name.partition("/")[0] for name in trace} == {"rnn0", "rnn1"}
    for layer in ("rnn0", "rnn1"):
        assert np.array_equal(trace[f"{layer}/h"][:, 4], trace[f"{layer}/h"][:, 2])  # padding leaves the state as it is
    turned = made.trace({"x": X.swapaxes(0, 1), "mask": mask.T}, layout="time_major")
    assert all(np.array_equal(a.swapaxes(0, 1), trace[name]) for name, a in turned.items())


def test_where_rows_go_on_from_each_other_so_does_the_trace():
    whole = model(recurrent("lstm")).trace(X.reshape(1, 20, 2))
    parts = model(recurrent("lstm"), stateful=True).trace(X)
    assert all(parts[name].reshape(1, 20, 3) == pytest.approx(a, abs=1e-14) for name, a in whole.items())


class Plain:
    """A cell of somebody else that names nothing."""

    units, gates, state = 2, 1, 2

    def init(self, rng):
        return {}

    def step(self, p, a, s, ctx):
        return s + a, ()

    def out(self, s):
        return s


def test_a_cell_that_names_nothing_shows_its_state():
    layer = get("layer", "recurrent")(Plain())
    p, _ = layer.init(generator(0, "p"), (None, 2))
    y, cache = layer.forward(p, X.swapaxes(0, 1), Context())
    assert list(layer.trace(cache, Context())) == ["state"]
    assert np.array_equal(layer.trace(cache, Context())["state"], y)


def test_a_network_without_recurrent_layers_shows_nothing():
    assert model().trace(X) == {}


# ---- a run, as its user meets it ----


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """An LSTM on the weather, recorded, with a look at its gradients by lag."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["model=lstm", "dataset=weather", "model.hidden=4", "trainer.steps=3", "probes=gradient_by_lag"]
    run(prepare(compose(words)), RunLocation(runs / "weather", runs, "weather", {}))
    return runs


def test_the_python_of_the_page_on_sequences_runs(recorded, monkeypatch, capsys):
    monkeypatch.setenv("STACKPROP_RUNS", str(recorded))
    exec(re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)[1], {})
    names, shares = capsys.readouterr().out.strip().split("\n")
    assert names in PAGE.read_text()
    assert np.array(shares.strip("[]").split(), float).shape == (6,)


def test_the_store_gets_the_gradient_by_lag_with_the_lag_as_its_step(recorded):
    lines = [line for line in read_lines(recorded / "weather" / "metrics.jsonl") if "gradient_by_lag/rnn" in line]
    with sqlite3.connect(recorded / "mlflow.db") as store:
        for name, line in (("gradient_by_lag_start/rnn", lines[0]), ("gradient_by_lag/rnn", lines[-1])):
            found = store.execute("select step, value from metrics where key = ? order by step", (name,)).fetchall()
            assert [step for step, _ in found] == list(range(12))
            assert [value for _, value in found] == pytest.approx(line["gradient_by_lag/rnn"])
    assert [line["step"] for line in lines] == [1, 3]
    assert (recorded / "weather" / "figures" / "gradient_by_lag.png").read_bytes()[:4] == b"\x89PNG"


def test_a_probe_of_recurrent_layers_where_there_are_none_is_told():
    learner = prepare(compose(["probes=[gradient_by_lag,gates,weights]", "tracking=none"])).learner
    told = "it measures recurrent layers, but the network has none"
    assert config_warnings(learner) == [f"probes.gradient_by_lag: {told}", f"probes.gates: {told}"]
