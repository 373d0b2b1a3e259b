"""What a decoder says of a word, for every tag that the word before could have had:

stackprop model=tag_decoder model.feedback=tag dataset=entities
python docs/_tools/fed_back_tag.py runs/... "Paris <unk> works for Acme" 2 fed_back_tag.png

A map of probabilities: a row for each tag that is forced on the word before, a column for each tag of the word.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from framework.analysis import style
from framework.core.context import Context
from framework.experiments.loading import load
from framework.inference.beam import feeding_node
from framework.inference.model import Model
from framework.inference.sentences import read_sentence


def probabilities(model: Model, words: list[str], word: int) -> np.ndarray:
    """p (K, K) of the tags of a word, counted from 1: row k if the word before had tag k. The words before that one have the
    tags that the decoder says."""
    layer = model.network.nodes[feeding_node(model.network)].layer
    fields = read_sentence(model, words)
    said = model.predict(fields)[0].argmax(-1)
    K = model.about.fields[layer.gold].size  # type: ignore[attr-defined]
    forced = np.repeat(said[:, None], K, 1)
    forced[word - 2] = np.arange(K)
    batch = {name: np.repeat(a, K, 0).swapaxes(0, 1) for name, a in fields.items()}
    ctx = Context(train=True, batch={**batch, layer.gold: forced})  # type: ignore[attr-defined]
    values, _ = model.network.forward(model.weights, ctx)
    return np.asarray(model.head.prediction(values, ctx))[word - 1]


def main(run: str, text: str, word: int, path: str) -> None:
    """Print the probabilities, and draw them."""
    model, words = load(run), text.split()
    p, tags = probabilities(model, words, word), model.about.names_of(model.head.target)
    print("before", *tags, sep=" | ")
    for tag, row in zip(tags, p, strict=True):
        print(tag, *(f"{value:.3f}" for value in row), sep=" | ")
    left, n = style.room_for(tags) + 0.4, len(tags)
    fig, (ax,) = style.panels(1, 3.2 + left + 0.8, 2.6 + left + style.TOP, left, left)
    style.heat(fig, ax, p, (-0.5, n - 0.5, n - 0.5, -0.5), f"p of '{words[word - 1]}'", "its tag")
    style.names(ax.xaxis, tags, 45)
    style.names(ax.yaxis, tags)
    ax.set_ylabel("tag of the word before", fontsize=style.TEXT)
    style.save(fig, Path(path))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
