"""What a trained network of symbols has learned to say: a page of text, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from framework.data.dataset import Data
from framework.inference.decoding import Decoder
from framework.inference.generation import answer, decoder, generate, source, symbols, vocabulary_of
from framework.inference.model import Model

LENGTH = 200  # symbols that follow a prompt
PROMPT = 20  # symbols of it, or half an example where that is less
ANSWERS = 8  # of an encoder and a decoder
WAYS = {"the likeliest symbol each time": True, "drawn, temperature 1": False}  # greedy or not


def sample(model: Model, data: Data) -> str | None:
    """Prompts from the validation split and what the network says to them; None for networks that say no symbols."""
    split = data.splits.get("val", data.splits["train"])
    try:
        speaker = decoder(model)
        told = answer_examples(model, speaker, split) if speaker else continue_text(model, split)
        return "\n".join(told) + "\n"
    except ValueError:
        return None


def continue_text(model: Model, split: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The beginning of the first example, gone on with.

    Raises:
        ValueError: the network does not say a next symbol at every step.
    """
    vocabulary = symbols(model)
    first = [int(i) for i in split[source(model)][0]]
    prompt = first[: max(1, min(PROMPT, len(first) // 2))]
    yield f"prompt: {decode(prompt, vocabulary)}"
    for how, greedy in WAYS.items():
        yield f"\n{how}:\n{decode([*prompt, *generate(model, prompt, LENGTH, greedy=greedy)], vocabulary)}"


def answer_examples(model: Model, speaker: Decoder, split: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Some examples, and what the decoder answers to them."""
    field = source(model)
    asked, said = vocabulary_of(model, model.about.fields[field].size), vocabulary_of(model, speaker.start)
    wanted = split[str(model.head.target)]
    lengths = split.get(str(model.head.mask), np.ones(wanted.shape)).sum(1).astype(int)  # what follows fills up the row
    for x, t, length in zip(split[field][:ANSWERS], wanted[:ANSWERS], lengths, strict=False):
        x, t = (x[:length] if x.shape == t.shape else x), t[:length]
        ids = list(answer(model, speaker, [int(i) for i in x], len(t), greedy=True))
        yield f"{decode(x, asked)}  ->  {decode(ids, said)}  (right: {decode(t, said)})"


def decode(ids: Sequence[int] | np.ndarray, vocabulary: Sequence[str]) -> str:
    """Ids as text: characters side by side, words with spaces."""
    return ("" if all(len(symbol) == 1 for symbol in vocabulary) else " ").join(vocabulary[int(i)] for i in ids)
