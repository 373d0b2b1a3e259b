"""A network of symbols writes: with carried state, drawn and not only the likeliest, and told in words where it cannot."""

import itertools

import numpy as np
import pytest

from framework import Context, Data, Field, Head, Network, Node, discover
from framework.config.options import TrainerOptions
from framework.data.scaling import Scale
from framework.inference.generation import answer, decoder, encode_prompt, generate, sample_token, symbols
from framework.inference.model import Model
from framework.training.learner import Learner

get = discover().get
SYMBOLS = ["h", "e", "l", "o"]


def model(reverse=False, target="label", names=SYMBOLS):
    layers = {"input": get("layer", "one_hot")(4), "rnn": get("layer", "recurrent")(get("cell", "lstm")(5), reverse=reverse)}
    net = Network({**layers, "out": get("layer", "dense")(4)}, {"x": (None,), "y": (None,)})
    head = Head(get("loss", "softmax_cross_entropy")(), "out")
    learner = Learner(net, {"loss": head}, get("optimizer", "sgd")(), get("schedule", "constant")(), TrainerOptions())
    fields = {"x": Field("NT", "id", 4), "y": Field("NT", "label", 4 if target == "label" else 3)}
    weights = {node: {t: 2 * a for t, a in p.items()} for node, p in net.init(3)[0].items()}
    return Model.of(learner, weights, Data({"train": {}}, fields, names=names), Scale("none", {}, {}))


def test_J19_step_by_step_with_carried_state_it_says_what_the_whole_text_says():
    m, prompt = model(), [0, 1, 2]
    text = list(generate(m, prompt, 6, greedy=True))
    ids = prompt + text
    values, _ = m.network.forward(m.weights, Context(train=False, batch={"x": np.array(ids)[:, None]}))
    assert values["out"][:, 0].argmax(-1)[2:-1].tolist() == text


def test_J19_draws_follow_the_softmax_and_not_its_largest():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    u = (np.arange(10000) + 0.5) / 10000
    counts = np.bincount([sample_token(p, 1.0, x) for x in u], minlength=4)
    assert counts / 10000 == pytest.approx(p, abs=1e-4)
    cold = np.bincount([sample_token(p, 0.5, x) for x in u], minlength=4) / 10000
    assert cold == pytest.approx(p**2 / (p**2).sum(), abs=1e-4)
    assert sample_token(np.array([0.0, 1.0]), 1.0, 0.0) == 1


def test_J19_the_same_seed_writes_the_same_text():
    one, same, other = (list(generate(model(), [0], 40, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("prompt", "vocabulary", "ids"), [("hell", SYMBOLS, [0, 1, 2, 2]), ("not  good", ["good", "not"], [1, 0])]
)
def test_a_prompt_is_read_as_characters_or_words(prompt, vocabulary, ids):
    assert encode_prompt(prompt, vocabulary) == ids


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda: encode_prompt("help", SYMBOLS),
            "prompt: unknown symbol 'p', not in the training data .there are: e, h, l, o",
        ),
        (
            lambda: encode_prompt("b", ["\n", " ", "a"]),
            r"prompt: unknown symbol 'b', not in the training data .there are: ' ', '\\n', a",
        ),
        (lambda: encode_prompt("", SYMBOLS), "prompt: at least one symbol"),
        (lambda: symbols(model(reverse=True)), "its layer 'rnn' reads in reverse"),
        (lambda: symbols(model(target="other")), "it does not predict the next token at every step"),
    ],
)
def test_what_cannot_be_written_is_told(act, words):
    with pytest.raises(ValueError, match=words):
        act()


# ---- an encoder and a decoder ----


def pair(reverse=False, both=False, names=(), decoder_reads="d"):
    recurrent, lstm, one_hot = get("layer", "recurrent"), get("cell", "lstm")(5), get("layer", "one_hot")
    layers = {"source": Node(one_hot(4), "x"), "enc": recurrent(lstm, output="state", reverse=True)}
    layers |= {"target": Node(one_hot(5), decoder_reads), "dec": Node(recurrent(lstm, reverse=reverse), ("target", "enc"))}
    if both:
        layers |= {"all": Node(recurrent(lstm), "source"), "both": Node(get("layer", "concat")(), ("dec", "all"))}
    net = Network({**layers, "out": get("layer", "dense")(4)}, {"x": (None,), "d": (None,), "z": (None,)})
    fields = {"x": Field("NT", "id", 4), "d": Field("NT", "id", 5), "z": Field("NT", "id", 5), "y": Field("NT", "label", 4)}
    learner = Learner(
        net,
        {"loss": Head(get("loss", "softmax_cross_entropy")(), "out")},
        get("optimizer", "sgd")(),
        get("schedule", "constant")(),
        TrainerOptions(),
    )
    weights = {node: {t: 4 * a for t, a in p.items()} for node, p in net.init(3)[0].items()}
    empty = {name: np.zeros((0, 6), int) for name in fields}
    return Model.of(learner, weights, Data({"train": empty}, fields, names=names), Scale("none", {}, {}))


def test_J20_a_decoder_reads_its_own_words_after_the_start_symbol():
    m, prompt = pair(), [3, 1, 2]
    said = list(answer(m, decoder(m), prompt, 6, greedy=True))
    batch = {"x": np.array(prompt)[:, None], "d": np.array([4, *said[:-1]])[:, None]}
    values, _ = m.network.forward(m.weights, Context(train=False, batch=batch))
    assert values["out"][:, 0].argmax(-1).tolist() == said
    assert len(set(said)) > 1


def test_J20_an_answer_is_drawn_from_its_seed_and_reads_the_prompt():
    m = pair()
    one, same, other = (list(answer(m, decoder(m), [0, 1], 40, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert list(answer(m, decoder(m), [3, 3], 40, seed=1)) != one


def test_a_stack_of_decoders_speaks_as_each_alone():
    m, prompt = pair(), np.array([[3, 1, 2], [0, 0, 1]]).T
    net, head, speaker = m.network, m.head, decoder(m)
    batch = {"x": prompt, "d": np.zeros((3, 2), int)}
    others = {node: {t: -a for t, a in p.items()} for node, p in m.weights.items()}
    alone = [
        np.stack([y for _, y in itertools.islice(speaker.says(net, p, head, Context(batch=batch)), 5)])
        for p in (m.weights, others)
    ]
    stacked = {node: {t: np.stack([a, others[node][t]]) for t, a in p.items()} for node, p in m.weights.items()}
    ctx = Context(replicas=(2,), keys=(0, 1), batch={k: a[None] for k, a in batch.items()})
    together = np.stack([y for _, y in itertools.islice(speaker.says(net, stacked, head, ctx), 5)], 1)
    assert together == pytest.approx(np.stack(alone), abs=1e-14)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda: answer(pair(), decoder(pair()), [0] * 7, 3),
            "prompt: too long .got 7 symbols.; the network was trained on at most 6",
        ),
        (lambda: decoder(pair(reverse=True)), "the layer 'dec' of the decoder reads in reverse"),
        (lambda: decoder(pair(both=True)), "the layer 'both' of the decoder reads all of 'all'; it must run step by step"),
    ],
)
def test_what_cannot_be_answered_is_told(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def test_a_network_that_reads_its_prompt_only_has_no_decoder():
    assert decoder(model()) is None
