"""Generated samples of a trained network, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from framework.data.dataset import Data
from framework.inference.decoding import Decoder
from framework.inference.generation import answer, decoder, generate, source, symbols, vocabulary_of
from framework.inference.model import Model

LENGTH = 200  # symbols that follow a prompt
PROMPT = 20  # symbols of a prompt; half an example if that is less
ANSWERS = 8  # samples of an encoder and decoder
WAYS = {"most likely symbol at each step": True, "drawn at random, temperature 1": False}  # greedy or not


def sample(model: Model, data: Data) -> str | None:
    """Prompts from the validation split and the generated text; None for networks that generate no symbols."""
    split = data.splits.get("val", data.splits["train"])
    try:
        speaker = decoder(model)
        lines = answer_examples(model, speaker, split) if speaker else continue_text(model, split)
        return "\n".join(lines) + "\n"
    except ValueError:
        return None


def continue_text(model: Model, split: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The start of the first example, continued by the network.

    Raises:
        ValueError: the network does not predict the next token at every step.
    """
    vocabulary = symbols(model)
    first = [int(i) for i in split[source(model)][0]]
    prompt = first[: max(1, min(PROMPT, len(first) // 2))]
    yield f"prompt: {decode(prompt, vocabulary)}"
    for how, greedy in WAYS.items():
        yield f"\n{how}:\n{decode([*prompt, *generate(model, prompt, LENGTH, greedy=greedy)], vocabulary)}"


def answer_examples(model: Model, speaker: Decoder, split: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Some examples, and the decoder's output for them."""
    field = source(model)
    symbols_in, symbols_out = vocabulary_of(model, model.about.fields[field].size), vocabulary_of(model, speaker.start)
    wanted = split[str(model.head.target)]
    lengths = split.get(str(model.head.mask), np.ones(wanted.shape)).sum(1).astype(int)  # the rest is padding
    for x, t, length in zip(split[field][:ANSWERS], wanted[:ANSWERS], lengths, strict=False):
        x, t = (x[:length] if x.shape == t.shape else x), t[:length]
        ids = list(answer(model, speaker, [int(i) for i in x], len(t), greedy=True))
        yield f"{decode(x, symbols_in)}  ->  {decode(ids, symbols_out)}  (target: {decode(t, symbols_out)})"


def decode(ids: Sequence[int] | np.ndarray, vocabulary: Sequence[str]) -> str:
    """Ids as text: characters without spaces, words with spaces."""
    return ("" if all(len(symbol) == 1 for symbol in vocabulary) else " ").join(vocabulary[int(i)] for i in ids)
