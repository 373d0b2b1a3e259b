"""Loops over time, traced once: cells train as in the array tier, in chunks, with lags, masks and carried states as well."""

from dataclasses import replace

import numpy as np
import pytest
from compiling import compiled, same
from networks import learner
from tiers import agree

from framework import Data, Field, Head, Network, Node, discover, scan, train
from framework.config.options import Bptt
from framework.core.errors import ConfigError
from framework.testing import examples
from framework.training.compiled.emit import Emitter
from framework.training.compiled.graph import UntraceableError

registry = discover()
get = registry.get
rng = np.random.default_rng(0)
X, U = rng.standard_normal((1, 5, 3, 4)), rng.standard_normal((1, 4, 4))


def test_a_loop_keeps_what_numpy_keeps():
    def both_ways(xp, x, u):
        def step(t, s):
            h = xp.tanh(x[..., t, :, :] + s @ u)
            return h, (h, (s, h * h, u))

        def back(t, d):
            h, (before, square, same) = kept[t]
            return (d + square) * 0.5 + (same @ same).sum(), d * before + h

        final, kept = scan(xp, 5, step, xp.zeros((1, 3, 4)))
        first, g = scan(xp, len(kept), back, final, reverse=True)
        return [final, kept.part(0).stacked(), kept.stacked(lambda k: k[1][1]), first, g.stacked()]

    same(both_ways, x=X, u=U)


def test_several_states_may_change_places():
    def swapped(xp, x):
        def step(t, s):
            a, b, c = s
            return (b, a + x[..., t, :, :], xp.concatenate((a[..., :2], c[..., :2]), -1)), a + c

        (a, b, c), kept = scan(xp, 5, step, (x[:, 0] * 2, x[:, 1], xp.ones((1, 3, 4))))
        return [a, b, c, kept.stacked()]

    same(swapped, x=X)


def test_a_loop_may_stand_in_a_loop():
    def nested(xp, x):
        def outer(t, s):
            def inner(u, h):
                return xp.tanh(h + x[..., u, :, :] * x[..., t, :, :]), h

            final, kept = scan(xp, 3, inner, s)
            return final, kept.stacked().sum(-3)

        final, kept = scan(xp, 5, outer, xp.zeros((1, 3, 4)), reverse=True)
        return [final, kept.stacked()]

    same(nested, x=X)


def test_an_inner_loop_may_read_by_both_numbers():
    def table(xp, x):
        def outer(t, s):
            r, _ = scan(xp, 3, lambda u, r: (r + x[..., t, u, :, :], r), xp.zeros((1, 2, 4)))
            return s * 0.5 + r, (s, r)

        final, kept = scan(xp, 2, outer, xp.ones((1, 2, 4)))
        return [final, kept.stacked(lambda k: k[1])]

    same(table, x=np.random.default_rng(3).standard_normal((1, 2, 3, 2, 4)))


def test_many_operations_may_stand_before_a_loop():
    def chained(xp, x):
        for _ in range(600):
            x = x + 1e-3
        return [scan(xp, 5, lambda t, s: (s + x[..., t, :, :], s), x[:, 0])[0]]

    same(chained, x=X)


@pytest.mark.parametrize("n", [32, 50, 96, 100, 101])
def test_an_operand_of_all_steps_is_packed_once(n, monkeypatch):
    x, u, w = (rng.standard_normal(shape) for shape in ((1, 3, 5, 300), (1, n, 300), (1, 300, n)))

    def both_ways(xp, x, u, w):
        def step(t, s):
            return s + x[..., t, :, :] @ u.swapaxes(-1, -2) + x[..., t, :, :] @ w, s

        final, kept = scan(xp, 3, step, xp.zeros((1, 5, n)))
        return [final, kept.stacked()]

    same(both_ways, x=x, u=u, w=w)
    packed, operands = Emitter.packed, []
    monkeypatch.setattr(Emitter, "packed", lambda *read: operands.append(packed(*read)) or operands[-1])
    once = compiled(both_ways, {"x": x, "u": u, "w": w})
    assert [bool(name) for name in operands] == [True, True]
    monkeypatch.setattr(Emitter, "packed", lambda *read: "")
    for a, b in zip(once, compiled(both_ways, {"x": x, "u": u, "w": w}), strict=True):
        assert np.array_equal(a, b)


def outside(xp, x):
    total = xp.zeros((1, 3, 4))

    def step(t, s):
        total[...] += x[..., t, :, :]
        return s, s

    scan(xp, 5, step, total * 1)
    return [total]


def leaked(xp, x):
    found = []

    def step(t, s):
        found.append(s + 1)
        return found[-1], s

    scan(xp, 5, step, x[:, 0])
    return [found[-1] * 2]


def by_number(xp, x):
    return [scan(xp, 5, lambda t, s: (s if t == 0 else s + 1, s), x[:, 0])[0]]


def growing(xp, x):
    return [scan(xp, 5, lambda t, s: (xp.concatenate((s, s), -1), s), x[:, 0])[0]]


def widening(xp, x):
    return [scan(xp, 5, lambda t, s: (s + x[..., t, :, :], s), x[:, 0].astype(np.float32))[0]]


def chosen_before(xp, x):
    found = []

    def step(t, s):
        found.append(x[..., t, :, :])
        return s + 1, s

    scan(xp, 5, step, x[:, 0])
    return [scan(xp, 5, lambda t, s: (s + found[-1], s), x[:, 0])[0]]


@pytest.mark.parametrize("function", [outside, leaked, chosen_before, growing, widening], ids=lambda f: f.__name__)
def test_what_a_loop_in_c_cannot_do_is_rejected(function):
    with pytest.raises(UntraceableError):
        compiled(function, {"x": X})


FIELDS = {"x": Field("NTF"), "y": Field("NTF"), "mask": Field("NT", "mask")}
LABELS = {"x": Field("NTF"), "y": Field("N", "label", 3), "mask": Field("NT", "mask")}


def sequences(every, masked, n=8, steps=7, stateful=False):
    rng = np.random.default_rng(0)
    y = rng.standard_normal((n, steps, 1)) if every else rng.integers(0, 3, n)
    split = {"x": rng.standard_normal((n, steps, 3)), "y": y, "mask": rng.random((n, steps)) > 0.3}
    fields = FIELDS if every else LABELS
    if not masked:
        split, fields = ({k: a for k, a in given.items() if k != "mask"} for given in (split, fields))
    return Data({"train": split}, fields, stateful=stateful)


def member(cell, data, output="all", reverse=False, **options):
    layer = get("layer", "recurrent")(cell, output, reverse)
    every = output == "all"
    network = Network({"rnn": layer, "out": get("layer", "dense")(1 if every else 3)}, data.shapes())
    loss = get("loss", "mse" if every else "softmax_cross_entropy")()
    made = learner(network, **{"batch_size": 4, "epochs": 2, **options})
    return replace(made, heads={"loss": Head(loss, "out")}, optimizer=get("optimizer", "adam")(lr=0.01))


CELLS = [(name, i) for name in registry.names("cell") if name != "elman" for i in range(len(examples(get("cell", name))))]


@pytest.mark.parametrize(("name", "i"), CELLS, ids=lambda x: str(x))
def test_every_cell_trains_as_in_the_array_tier(name, i):
    cell, _ = examples(get("cell", name))[i]
    for output, masked in (("all", True), ("last", False)):
        data = sequences(output == "all", masked)
        agree([member(cell, data, output, reverse=masked)], data)


@pytest.mark.parametrize("options", [{"bptt": Bptt(3)}, {"bptt": Bptt(None, 2)}, {"bptt": Bptt(3, 2), "shuffle": False}])
def test_chunks_and_lags_are_those_of_the_array_tier(options):
    data = sequences(True, True)
    agree([member(get("cell", "lstm")(3), data, **options) for _ in range(2)], data, keys=[1, 2])


@pytest.mark.parametrize("chunk", [None, 4])
def test_states_go_on_from_batch_to_batch(chunk):
    data = sequences(True, False, stateful=True)
    agree([member(get("cell", "gru")(3), data, bptt=Bptt(chunk))], data)


def test_an_encoder_gives_its_state_to_a_decoder():
    data = sequences(True, False)
    recurrent, lstm = get("layer", "recurrent"), get("cell", "lstm")(3)
    nodes = {"read": Node(recurrent(lstm, "state"), "x"), "write": Node(recurrent(lstm), ("x", "read"))}
    network = Network({**nodes, "out": get("layer", "dense")(1)}, data.shapes())
    made = learner(network, batch_size=4, epochs=2)
    agree([replace(made, heads={"loss": Head(get("loss", "mse")(), "out")})], data)


def test_chunks_of_one_step_and_batches_of_one_example():
    data = sequences(True, True, n=9)
    agree([member(get("cell", "skip")(3), data, batch_size=2, bptt=Bptt(3))], data)


def test_a_stack_of_sequences_is_equal_to_the_bit():
    data = sequences(True, True)
    members = [member(get("cell", "lstm")(3), data) for _ in range(5)]
    stacked = train(members, [data], range(5), tier="compiled", threads=2)
    for r in (0, 3):
        (alone,) = train(members[r : r + 1], [data], [r], tier="compiled", threads=1)
        for node, tensors in alone.weights.items():
            for name, w in tensors.items():
                assert (stacked[r].weights[node][name] == w).all(), (node, name)


def test_a_cell_that_asks_for_the_number_of_its_step_is_rejected():
    class Counting(type(get("cell", "simple")(2))):
        draws = True

        def step(self, p, a, s, ctx):
            return super().step(p, a if ctx.time == 0 else a * 2, s, ctx)

    data = sequences(True, False)
    with pytest.raises(ConfigError, match="time step only chooses"):
        train([member(Counting(2), data)], [data], [0], tier="compiled")
