"""A network of symbols writes: with carried state, drawn and not only the likeliest, and told in words where it cannot."""

import numpy as np
import pytest

from framework import Context, Data, Field, Head, Network, discover
from framework.generating import drawn, generate, spelled, symbols
from framework.learner import Learner, TrainerOptions
from framework.model import Model
from framework.scaling import Scale

get = discover().get
SYMBOLS = ["h", "e", "l", "o"]


def model(reverse=False, target="label", names=SYMBOLS):
    layers = {"input": get("layer", "one_hot")(4), "rnn": get("layer", "recurrent")(get("cell", "lstm")(5), reverse=reverse)}
    net = Network({**layers, "out": get("layer", "dense")(4)}, {"x": (None,), "y": (None,)})
    head = Head(get("loss", "softmax_cross_entropy")(), "out")
    learner = Learner(net, {"loss": head}, get("optimizer", "sgd")(), get("schedule", "constant")(), TrainerOptions())
    fields = {"x": Field("NT", "id", 4), "y": Field("NT", "label", 4 if target == "label" else 3)}
    weights = {node: {t: 2 * a for t, a in p.items()} for node, p in net.init(3)[0].items()}
    return Model(learner, weights, Data({"train": {}}, fields, names=names), Scale("none", {}, {}))


def test_J19_step_by_step_with_carried_state_it_says_what_the_whole_text_says():
    m, prompt = model(), [0, 1, 2]
    text = list(generate(m, prompt, 6, greedy=True))
    ids = prompt + text
    values, _ = m.learner.network.forward(m.weights, Context(train=False, batch={"x": np.array(ids)[:, None]}))
    assert values["out"][:, 0].argmax(-1)[2:-1].tolist() == text


def test_J19_draws_follow_the_softmax_and_not_its_largest():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    u = (np.arange(10000) + 0.5) / 10000
    counts = np.bincount([drawn(p, 1.0, x) for x in u], minlength=4)
    assert counts / 10000 == pytest.approx(p, abs=1e-4)
    cold = np.bincount([drawn(p, 0.5, x) for x in u], minlength=4) / 10000
    assert cold == pytest.approx(p**2 / (p**2).sum(), abs=1e-4)
    assert drawn(np.array([0.0, 1.0]), 1.0, 0.0) == 1


def test_J19_the_same_seed_writes_the_same_text():
    one, same, other = (list(generate(model(), [0], 40, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("prompt", "vocabulary", "ids"), [("hell", SYMBOLS, [0, 1, 2, 2]), ("not  good", ["good", "not"], [1, 0])]
)
def test_a_prompt_is_read_as_characters_or_words(prompt, vocabulary, ids):
    assert spelled(prompt, vocabulary) == ids


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: spelled("help", SYMBOLS), "prompt: 'p' was never seen in training .there are: e, h, l, o"),
        (lambda: spelled("", SYMBOLS), "prompt: it needs at least one symbol"),
        (lambda: symbols(model(reverse=True)), "its layer 'rnn' reads from the end"),
        (lambda: symbols(model(target="other")), "it does not say a next symbol at every step"),
    ],
)
def test_what_cannot_be_written_is_told(act, words):
    with pytest.raises(ValueError, match=words):
        act()
