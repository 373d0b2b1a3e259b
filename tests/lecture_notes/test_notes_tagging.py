"""The decoder of the notes that reads the tag of the word before (L3, errata E6)."""

import math
from dataclasses import replace

import numpy as np
import pytest

from framework import Context, run
from framework.core.errors import ConfigError
from framework.testing.differentiable import GENERAL
from framework.testing.stacks import alone, context, equal, stacked
from framework.testing.subjects import STEPS, N, of_layer
from framework.testing.tiers import check_tiers
from framework_cells.peephole_lstm import PeepholeLstm
from framework_layers.recurrent import Recurrent
from framework_layers.tag_decoder import TagDecoder

CELL = PeepholeLstm(3)
K = 4
KINDS = {
    "vector": TagDecoder(CELL, units=K),
    "tag": TagDecoder(CELL, "tag", K, tags=2),
    "vector, taught": TagDecoder(CELL, units=K, teacher=0.5),
    "tag, taught": TagDecoder(CELL, "tag", K, tags=2, teacher=0.5),
    "tag, scheduled": TagDecoder(CELL, "tag", K, teacher=0.9, teacher_end=0.2, teacher_steps=4),
    "vector, exponential": TagDecoder(CELL, units=K, teacher=0.9, teacher_end=0.1, teacher_steps=4, decay="exponential"),
}


def about():
    """A layer's subject whose batch has the correct tags."""
    plain = of_layer((None, 5))

    def with_gold(ctx, inputs):
        return ctx.but(batch={"y": inputs["gold"]})

    return replace(
        plain,
        draw=lambda layer, rng: plain.draw(layer, rng) | {"gold": rng.integers(0, K, (STEPS, N))},
        forward=lambda layer, inputs, ctx: plain.forward(layer, inputs, with_gold(ctx, inputs)),
        backward=lambda layer, inputs, cache, dy, ctx, need_dx=True: plain.backward(
            layer, inputs, cache, dy, with_gold(ctx, inputs), need_dx
        ),
        fixed=("gold",),
        shareable=lambda name: not name.startswith("p."),
        n_axis=lambda name: None if name.startswith("p.") else 1,
    )


def drawn(layer, seed=0):
    return about().draw(layer, np.random.default_rng(seed))


def outputs(layer, inputs, train=True, **changes):
    return about().forward(layer, inputs | changes, context((), train))[0]


@pytest.mark.parametrize("check", [GENERAL["gradient"], GENERAL["stack_law"], GENERAL["options"]], ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_L3_gradients_and_stack_law_with_a_teacher(kind, check):
    check(KINDS[kind], about())


@pytest.mark.parametrize("kind", ["vector, taught", "tag, scheduled"])
def test_L3_both_tiers_tell_the_same_tags(kind):
    check_tiers(KINDS[kind], about())


@pytest.mark.parametrize("feedback", ["vector", "tag"])
def test_L3_without_W_T_it_is_a_plain_lstm_decoder(feedback):
    layer = TagDecoder(CELL, feedback, K)
    inputs = drawn(layer)
    p = {name[2:]: a for name, a in inputs.items() if name.startswith("p.")}
    ctx = context((), train=False)
    h, _ = Recurrent(CELL).forward({name: p[name] for name in ("W", "b", "U", "V")}, inputs["x0"], ctx)
    plain = (h @ p["W_ts"] + p["b_T"]) @ p["W_y"] + p["b_y"]
    equal(outputs(layer, inputs, False, **{"p.W_T": 0 * p["W_T"]}), plain, "a decoder with W_T = 0")
    equal(TagDecoder(CELL, "none", K).forward(p, inputs["x0"], ctx)[0], plain, "a decoder without feedback")
    assert np.abs(outputs(layer, inputs, False) - plain).max() > 1e-3


def test_L3_every_step_is_the_formula_of_the_notes():
    layer = TagDecoder(CELL, units=K, tags=2)
    inputs = drawn(layer)
    p = {name[2:]: a for name, a in inputs.items() if name.startswith("p.")}
    n, h, c, F = 3, np.zeros((N, 3)), np.zeros((N, 3)), np.zeros((N, 2))
    y = outputs(layer, inputs, False)
    for t in range(STEPS):
        i, f, o, g = np.split(inputs["x0"][t] @ p["W"] + h @ p["U"] + F @ p["W_T"] + p["b"], 4, -1)
        V_i, V_f, V_o = np.split(p["V"], 3, -1)
        i, f = (1 / (1 + np.exp(-(z + c * V))) for z, V in ((i, V_i), (f, V_f)))
        c = f * c + i * np.tanh(g)
        h = np.tanh(c) / (1 + np.exp(-(o + c * V_o)))
        F = h @ p["W_ts"] + p["b_T"]
        equal(y[t], F @ p["W_y"] + p["b_y"], f"step {t}")
        assert h.shape == (N, n)


def test_L3_the_gradient_flows_through_the_tag_vector():
    layer = TagDecoder(CELL, units=K)
    inputs = drawn(layer)
    y, cache = about().forward(layer, inputs, context(()))
    dy = np.zeros_like(y)
    dy[-1] = 1
    whole = about().backward(layer, inputs, cache, dy, context(()))["p.W_ts"]
    last = cache.h[-1]
    assert np.abs(whole - last.T @ (dy[-1] @ inputs["p.W_y"].T)).max() > 1e-4


def test_L3_greedy_tags_are_read_one_step_later():
    layer = KINDS["tag"]
    inputs = drawn(layer)
    y = outputs(layer, inputs, False)
    forced = outputs(replace(layer, teacher=1.0), inputs, gold=y.argmax(-1))
    equal(forced, y, "a decoder that is forced to what it would say")


def test_L3_evaluation_never_reads_the_correct_tags():
    for layer in KINDS.values():
        inputs = drawn(layer)
        equal(outputs(layer, inputs, False), outputs(layer, inputs, False, gold=(inputs["gold"] + 1) % K), "other tags")


def test_L3_a_step_never_reads_its_own_or_later_tags():
    inputs = drawn(KINDS["tag"])
    y = outputs(KINDS["tag"], inputs)
    for t in range(STEPS):
        other = inputs["gold"].copy()
        other[t:] = (other[t:] + 1) % K
        changed = outputs(KINDS["tag"], inputs, gold=other)
        equal(changed[: t + 1], y[: t + 1], f"outputs up to step {t}, with other tags from there")
        assert t == STEPS - 1 or np.abs(changed[t + 1] - y[t + 1]).max() > 1e-6


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_L3_padding_changes_nothing_with_a_teacher(left):
    layer, n = KINDS["tag"], 2
    inputs = drawn(layer)
    shown = np.zeros((STEPS, N))
    shown[STEPS - n :] = 1
    shown = shown if left else shown[::-1]
    ctx = context(()).but(batch={"y": inputs["gold"], "mask": shown})
    p = {name[2:]: a for name, a in inputs.items() if name.startswith("p.")}
    at = shown[:, 0] > 0
    short = context(()).but(batch={"y": inputs["gold"][at]})
    equal(layer.forward(p, inputs["x0"], ctx)[0][at], layer.forward(p, inputs["x0"][at], short)[0], "a padded batch")


@pytest.mark.parametrize(
    ("decay", "at"),
    [("linear", lambda k: 0.9 - 0.8 * k), ("exponential", lambda k: 0.9 * (1 / 9) ** k)],
    ids=["linear", "exp"],
)
def test_the_share_of_correct_tags_falls_as_scheduled(decay, at):
    layer = TagDecoder(CELL, "tag", K, teacher=0.9, teacher_end=0.1, teacher_steps=10, decay=decay)
    gold = np.zeros((20, 500), int)
    for step in (0, 5, 10, 20):
        ctx = Context(step=step, name="out", batch={"y": gold})
        forced = layer._with_forced(np.zeros((20, 500, 1)), ctx).batch["(forced tags)"].sum(-1)
        e = at(min(1, step / 10))
        assert forced.mean() == pytest.approx(e, abs=4 * math.sqrt(e * (1 - e) / forced.size))


def test_each_replica_draws_its_own_teacher():
    layer = KINDS["tag, taught"]
    part, _, each, inputs = stacked(layer, about(), (3,))
    shared = {name: np.stack([each[0][name]] * 3) for name in inputs}
    y, _ = about().forward(part, shared, context((3,)))
    assert np.abs(y[0] - y[1]).max() > 1e-6
    equal(y[1], about().forward(replace(layer, teacher=part.teacher[1]), each[0], alone(1))[0], "replica 1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gold": "z"}, r"model.layers.out.gold: unknown field \(got 'z'\) \(there are: y\)"),
        ({"gold": "x"}, "model.layers.out.gold: not a label for every step"),
        ({"feedback": "none", "teacher": 0.5}, "teacher: nothing is fed back with feedback: none"),
        ({"teacher": 0.5, "teacher_steps": 9, "decay": "exponential"}, "teacher_end: an exponential decay needs both ends"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    more = [f"model.{'' if key == 'feedback' else 'layers.out.'}{key}={value}" for key, value in options.items()]
    with pytest.raises(ConfigError, match=message):
        run("model=tag_decoder", "dataset=tagging", "model.feedback=tag", *more, "tracking=none")


def test_no_later_layer_may_read_taught_outputs_in_reverse():
    after = [
        "model.layers.again={type: recurrent, cell: {type: gru, units: 3}, reverse: true}",
        "model.layers.y2={type: dense, units: auto}",
    ]
    with pytest.raises(ConfigError, match=r"model.layers.again: it reads sequences in reverse, but 'out' holds the target"):
        run(
            "model=tag_decoder", "dataset=tagging", "model.feedback=tag", "model.layers.out.units=6", *after, "tracking=none"
        )
