"""Beam search, compared with all sequences of symbols."""

import itertools

import numpy as np
import pytest

from framework import Context, Head, Network, Node, discover
from framework.inference.beam import beam_search, best_tags, decoder_step, text_step
from framework.inference.decoding import Decoder

get = discover().get
K, T, N = 3, 4, 4
SOFTMAX = Head(get("loss", "softmax_cross_entropy")(), "out")
LSTM = get("cell", "lstm")(3)


def weights(net, scale=3):
    return {node: {t: scale * a for t, a in p.items()} for node, p in net.init(1)[0].items()}


def log_softmax(y):
    return np.log(SOFTMAX.loss.predict(y, Context()))


def tagger(feedback="tag", **options):
    """Two layers: a bidirectional one is not needed for a search over the tags."""
    decoder = get("layer", "tag_decoder")(LSTM, feedback, K, tags=2, **options)
    return Network({"input": get("layer", "recurrent")(LSTM), "out": decoder}, {"x": (None, 2)})


def of_all_tags(net, p, x, mask):
    """The logarithm of the probability of every sequence of tags, (K^T, N), each forced on the decoder."""
    every = np.array(list(itertools.product(range(K), repeat=T)))
    found = []
    for tags in every:
        ctx = Context(batch={"x": x, "mask": mask, "y": np.repeat(tags[:, None], x.shape[1], 1)})
        logs = log_softmax(net.forward(p, ctx)[0]["out"])
        found.append((np.take_along_axis(logs, ctx.batch["y"][..., None], -1)[..., 0] * mask).sum(0))
    return every, np.array(found)


MASKS = {
    "whole": np.ones((T, N)),
    "right": np.arange(T)[:, None] < np.array([4, 3, 2, 1]),
    "left": np.arange(T)[:, None] >= np.array([0, 1, 2, 3]),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_full_beam_finds_the_best_of_all_tag_sequences(mask):
    net, x, mask = tagger(), np.random.default_rng(0).standard_normal((T, N, 2)), mask * 1.0
    p, ctx = weights(net), Context(train=False, batch={"x": x, "mask": mask})
    path = best_tags(net, p, SOFTMAX, net.forward(p, ctx)[0], ctx, K ** (T - 1)).argmax(-1)
    every, logs = of_all_tags(net, p, x, mask)
    for n in range(N):
        assert (path[:, n] == every[logs[:, n].argmax()])[mask[:, n] > 0].all()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_beam_of_one_is_the_greedy_evaluation(mask):
    net, x, mask = tagger(), np.random.default_rng(1).standard_normal((T, 20, 2)), np.tile(mask * 1.0, (1, 5))
    p, ctx = weights(net), Context(train=False, batch={"x": x, "mask": mask})
    values, _ = net.forward(p, ctx)
    path = best_tags(net, p, SOFTMAX, values, ctx, 1)
    assert (path.argmax(-1) == values["out"].argmax(-1))[mask > 0].all()


def test_a_wider_beam_is_more_probable_than_greedy():
    net, x, mask = tagger(), np.random.default_rng(2).standard_normal((T, 40, 2)), np.ones((T, 40))
    p, ctx = weights(net), Context(train=False, batch={"x": x})
    values, _ = net.forward(p, ctx)
    every, logs = of_all_tags(net, p, x, mask)
    ids = {tuple(tags): i for i, tags in enumerate(every.tolist())}
    found = [best_tags(net, p, SOFTMAX, values, ctx, width).argmax(-1).T for width in (1, 2, K ** (T - 1))]
    one, two, full = (np.array([logs[ids[tuple(tags)], n] for n, tags in enumerate(paths.tolist())]) for paths in found)
    assert (full >= one).all()
    assert (full >= two).all()
    assert full.sum() > one.sum()


def test_later_layers_run_step_by_step_too():
    plain = tagger()
    nodes = {**plain.nodes, "out": Node(plain.nodes["out"].layer, "input")}
    nodes = {
        "input": nodes["input"],
        "tags": nodes["out"],
        "again": get("layer", "recurrent")(LSTM),
        "out": get("layer", "dense")(K),
    }
    net, x = Network(nodes, {"x": (None, 2)}), np.random.default_rng(3).standard_normal((T, N, 2))
    p, ctx = weights(net), Context(train=False, batch={"x": x})
    values, _ = net.forward(p, ctx)
    greedy = best_tags(net, p, Head(SOFTMAX.loss, "tags"), values, ctx, 1)
    assert (greedy.argmax(-1) == values["tags"].argmax(-1)).all()


@pytest.mark.parametrize(("feedback", "message"), [("vector", "no layer reads its own tags"), ("none", "feedback: tag")])
def test_without_fed_back_tags_there_is_nothing_to_search(feedback, message):
    net, x = tagger(feedback), np.zeros((T, N, 2))
    ctx = Context(train=False, batch={"x": x})
    with pytest.raises(ValueError, match=message):
        best_tags(net, weights(net), SOFTMAX, net.forward(weights(net), ctx)[0], ctx, 2)


def encoder_decoder():
    recurrent, one_hot = get("layer", "recurrent"), get("layer", "one_hot")
    nodes = {"source": Node(one_hot(K), "x"), "enc": recurrent(LSTM, output="state"), "target": Node(one_hot(K + 1), "d")}
    nodes |= {"dec": Node(recurrent(LSTM), ("target", "enc")), "out": get("layer", "dense")(K)}
    return Network(nodes, {"x": (None,), "d": (None,)})


def test_a_full_beam_finds_the_best_answer_of_a_decoder():
    net, x = encoder_decoder(), np.random.default_rng(0).integers(0, K, (T, N))
    p, ctx = weights(net), Context(train=False, batch={"x": x, "d": np.zeros((1, N), int)})
    found = beam_search(decoder_step(Decoder("d", K), net, p, SOFTMAX, ctx), N, T, K ** (T - 1))
    every = np.array(list(itertools.product(range(K), repeat=T)))
    for n in range(N):
        said = np.concatenate((np.full((1, len(every)), K), every.T[:-1]))
        logs = log_softmax(net.forward(p, Context(batch={"x": np.repeat(x[:, [n]], len(every), 1), "d": said}))[0]["out"])
        total = np.take_along_axis(logs, every.T[..., None], -1)[..., 0].sum(0)
        assert found.paths[n, 0].tolist() == every[total.argmax()].tolist()
        assert found.scores[n, 0] == pytest.approx(total.max())


def test_a_full_beam_finds_the_best_continuation_of_a_text():
    nodes = {"input": get("layer", "one_hot")(K), "rnn": get("layer", "recurrent")(LSTM), "out": get("layer", "dense")(K)}
    net, prompt = Network(nodes, {"x": (None,)}), np.array([[0], [2], [1]])
    p, length = weights(net), 3
    best = beam_search(text_step(net, p, SOFTMAX, "x", prompt), 1, length, K ** (length - 1))
    every = np.array(list(itertools.product(range(K), repeat=length)))
    whole = np.concatenate((np.repeat(prompt, len(every), 1), every.T))
    logs = log_softmax(net.forward(p, Context(batch={"x": whole[:-1]}))[0]["out"])[len(prompt) - 1 :]
    total = np.take_along_axis(logs, every.T[..., None], -1)[..., 0].sum(0)
    assert best.paths[0, 0].tolist() == every[total.argmax()].tolist()
    assert best.scores[0, 0] == pytest.approx(total.max())
