"""Text generation: a network reads a prompt, predicts the next token, one is chosen, and the network reads it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from framework.core.context import Context
from framework.core.errors import did_you_mean
from framework.core.random import generator
from framework.data.dataset import Field
from framework.inference.beam import beam_search, decoder_step, text_step
from framework.inference.decoding import Decoder, decoder_of
from framework.inference.model import Model


def symbols(model: Model) -> list[str]:
    """The vocabulary of a network that predicts the next token at every step, in the order of its ids.

    Raises:
        ValueError: the network does not predict the next token; the message gives the reason.
    """
    fields, head = model.about.fields, model.head
    first = source(model)
    target = fields.get(str(head.target))
    if target is None or target.kind != "label" or target.size != fields[first].size or not target.time_major:
        raise ValueError("it does not predict the next token at every step")
    others = read(model) - {first}
    if others:
        raise ValueError(f"besides '{first}' it reads {', '.join(sorted(others))}")
    backwards = [name for name, node in model.network.nodes.items() if getattr(node.layer, "reverse", False)]
    if backwards:
        raise ValueError(f"its layer '{backwards[0]}' reads in reverse, but later steps are not known yet")
    whole = [name for name, node in model.network.nodes.items() if getattr(node.layer, "whole_sequences", False)]
    if whole:
        raise ValueError(f"its layer '{whole[0]}' reads whole sequences, and carries no state from step to step")
    return vocabulary_of(model, target.size)


def source(model: Model) -> str:
    """The field that holds the prompt.

    Raises:
        ValueError: it is not a sequence of symbols.
    """
    first = next(iter(model.about.fields))
    about = model.about.fields[first]
    if about.kind != "id" or not about.time_major:
        raise ValueError(f"its input '{first}' is not a sequence of symbols")
    return first


def read(model: Model) -> set[str]:
    """The fields that the network reads."""
    return {s for node in model.network.nodes.values() for s in node.sources} & set(model.about.fields)


def vocabulary_of(model: Model, size: int) -> list[str]:
    """The symbols of a field of that size: the names of the data set if they fit, otherwise the ids."""
    return list(model.about.names) if len(model.about.names) == size else [str(i) for i in range(size)]


def decoder(model: Model) -> Decoder | None:
    """The decoder of a network that maps one sequence to another; None if it only reads the prompt.

    Raises:
        ValueError: it reads something else, or cannot be run step by step.
    """
    others = read(model) - {next(iter(model.about.fields))}
    if not others:
        return None
    source(model)
    network, fields = model.network, model.about.fields
    found = decoder_of(network, fields, model.head.target)
    if others != {found.field}:
        raise ValueError(f"besides the prompt and '{found.field}' it reads {', '.join(sorted(others - {found.field}))}")
    return found


def encode_prompt(prompt: str, vocabulary: Sequence[str]) -> list[int]:
    """The ids of a prompt: characters if every symbol is one, words otherwise; a word without an id is the unknown word if
    there is one.

    Raises:
        ValueError: the prompt is empty, or a symbol of it is unknown.
    """
    words = list(prompt) if all(len(symbol) == 1 for symbol in vocabulary) else prompt.split()
    shown = [symbol if symbol.isprintable() and not symbol.isspace() else repr(symbol) for symbol in vocabulary]
    if not words:
        raise ValueError(f"prompt: at least one symbol is needed{did_you_mean('', shown)}")
    for word in words:
        if word not in vocabulary and Field.UNKNOWN not in vocabulary:
            raise ValueError(f"prompt: unknown symbol {word!r}, not in the training data{did_you_mean(word, shown)}")
    ids = {word: i for i, word in enumerate(vocabulary)}
    return [ids.get(word, ids.get(Field.UNKNOWN, 0)) for word in words]


def generate(
    model: Model, prompt: Sequence[int], length: int, temperature: float = 1.0, greedy: bool = False, seed: int = 0
) -> Iterator[int]:
    """`length` ids that follow the prompt, one after the other. The state is carried on, so that every step takes the same
    time for any length of the text.

    Args:
        temperature: p is replaced by p^(1 / temperature), normalised: below 1, likely symbols become more likely.
        greedy: the most likely symbol instead of a random draw.
        seed: of the random draws; equal seeds give equal text.
    """
    net, field = model.network, next(iter(model.about.fields))
    ctx, p, ids = Context(train=False), np.zeros(0), list(prompt)
    for i in range(len(prompt) + length):
        if i >= len(prompt):
            ids.append(next_token(p, temperature, greedy, seed, i))
            yield ids[-1]
        ctx = ctx.but(batch={field: np.array([[ids[i]]])})
        values, caches = net.forward(model.weights, ctx)
        p = np.asarray(model.head.prediction(values, ctx), float)[0, 0]
        ctx = ctx.but(carry=net.carry(caches))


def answer(
    model: Model,
    decoder: Decoder,
    prompt: Sequence[int],
    length: int,
    temperature: float = 1.0,
    greedy: bool = False,
    seed: int = 0,
) -> Iterator[int]:
    """`length` ids from a decoder, after the encoder has read the whole prompt; otherwise as `generate`.

    Raises:
        ValueError: the prompt is longer than every training sequence.
    """
    first = source(model)
    _check_length(model, prompt)
    steps = itertools.count()

    def choose(y: np.ndarray) -> np.ndarray:
        return np.array([next_token(np.asarray(y, float)[0], temperature, greedy, seed, next(steps))])

    batch = {first: np.array(prompt)[:, None], decoder.field: np.zeros((1, 1), int)}
    decoded = decoder.says(model.network, model.weights, model.head, Context(train=False, batch=batch), choose)
    return (int(ids[0]) for ids, _ in itertools.islice(decoded, length))


def most_probable(model: Model, speaker: Decoder | None, prompt: Sequence[int], length: int, width: int) -> list[int]:
    """`length` ids that follow the prompt, or that a decoder answers: the most probable sequence of a beam search.

    Raises:
        ValueError: the prompt is longer than every training sequence.
    """
    ids, first = np.array(prompt)[:, None], source(model)
    if speaker is None:
        step = text_step(model.network, model.weights, model.head, first, ids)
    else:
        _check_length(model, prompt)
        ctx = Context(train=False, batch={first: ids, speaker.field: np.zeros((1, 1), int)})
        step = decoder_step(speaker, model.network, model.weights, model.head, ctx)
    return [int(i) for i in beam_search(step, 1, length, width).paths[0, 0]]


def _check_length(model: Model, prompt: Sequence[int]) -> None:
    longest = model.about.splits["train"][source(model)].shape[1]
    if len(prompt) > longest:
        raise ValueError(f"prompt: too long (got {len(prompt)} symbols); the network was trained on at most {longest}")


def next_token(p: np.ndarray, temperature: float, greedy: bool, seed: int, i: int) -> int:
    """The most likely symbol, or the i-th random draw."""
    return int(p.argmax()) if greedy else sample_token(p, temperature, generator(seed, "generate", i).random())


def sample_token(p: np.ndarray, temperature: float, u: float) -> int:
    """The symbol for a number u from U[0, 1): the first whose cumulative probability exceeds it."""
    with np.errstate(divide="ignore"):
        logs = np.log(p) / temperature
    q = np.exp(logs - logs.max())
    return int(np.searchsorted(np.cumsum(q), u * q.sum(), side="right"))
