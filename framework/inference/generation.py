"""Sequences from a trained network: it reads a prompt, says what may come next, one symbol is drawn, and it reads that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from framework.core.context import Context
from framework.core.errors import did_you_mean
from framework.core.random import generator
from framework.inference.decoding import Decoder, decoder_of
from framework.inference.model import Model


def symbols(model: Model) -> list[str]:
    """The vocabulary of what a network writes that says a next symbol at every step, in the order of its ids.

    Raises:
        ValueError: the network does not read symbols and say the next; the message says why.
    """
    fields, head = model.about.fields, model.head
    first = source(model)
    target = fields.get(str(head.target))
    if target is None or target.kind != "label" or target.size != fields[first].size or not target.time_major:
        raise ValueError("it does not say a next symbol at every step")
    others = read(model) - {first}
    if others:
        raise ValueError(f"beside '{first}' it reads {', '.join(sorted(others))}")
    backwards = [name for name, node in model.network.nodes.items() if getattr(node.layer, "reverse", False)]
    if backwards:
        raise ValueError(f"its layer '{backwards[0]}' reads from the end, which is not there yet")
    return vocabulary_of(model, target.size)


def source(model: Model) -> str:
    """The field that a prompt is.

    Raises:
        ValueError: it is no sequence of symbols.
    """
    first = next(iter(model.about.fields))
    about = model.about.fields[first]
    if about.kind != "id" or not about.time_major:
        raise ValueError(f"its input '{first}' is no sequence of symbols")
    return first


def read(model: Model) -> set[str]:
    """The fields that the network reads."""
    return {s for node in model.network.nodes.values() for s in node.sources} & set(model.about.fields)


def vocabulary_of(model: Model, size: int) -> list[str]:
    """The symbols of a field with so many of them: the names of the data set where they fit, otherwise the ids."""
    return list(model.about.names) if len(model.about.names) == size else [str(i) for i in range(size)]


def decoder(model: Model) -> Decoder | None:
    """The decoder of a network that says one sequence for another; None where it reads nothing but the prompt.

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
        raise ValueError(f"beside the prompt and '{found.field}' it reads {', '.join(sorted(others - {found.field}))}")
    return found


def encode_prompt(prompt: str, vocabulary: Sequence[str]) -> list[int]:
    """The ids of a prompt: characters where every symbol is one, words otherwise.

    Raises:
        ValueError: the prompt is empty, or a symbol of it is unknown.
    """
    words = list(prompt) if all(len(symbol) == 1 for symbol in vocabulary) else prompt.split()
    shown = [symbol if symbol.isprintable() and not symbol.isspace() else repr(symbol) for symbol in vocabulary]
    if not words:
        raise ValueError(f"prompt: it needs at least one symbol{did_you_mean('', shown)}")
    for word in words:
        if word not in vocabulary:
            raise ValueError(f"prompt: {word!r} was never seen in training{did_you_mean(word, shown)}")
    return [list(vocabulary).index(word) for word in words]


def generate(
    model: Model, prompt: Sequence[int], length: int, temperature: float = 1.0, greedy: bool = False, seed: int = 0
) -> Iterator[int]:
    """`length` ids that follow the prompt, one after the other. The state is carried on, so that a step costs the same
    however long the text has become.

    Args:
        temperature: p is replaced by p^(1 / temperature), normalised: below 1 the likely becomes likelier.
        greedy: the likeliest symbol instead of a draw.
        seed: of the draws; the same one gives the same text.
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
    """`length` ids that a decoder says to a prompt, which the encoder has read as a whole; as `generate` otherwise.

    Raises:
        ValueError: the prompt is longer than any that the network was trained on.
    """
    first = source(model)
    longest = model.about.splits["train"][first].shape[1]
    if len(prompt) > longest:
        raise ValueError(f"prompt: {len(prompt)} symbols; the network was trained on at most {longest}")
    steps = itertools.count()

    def choose(y: np.ndarray) -> np.ndarray:
        return np.array([next_token(np.asarray(y, float)[0], temperature, greedy, seed, next(steps))])

    batch = {first: np.array(prompt)[:, None], decoder.field: np.zeros((1, 1), int)}
    told = decoder.says(model.network, model.weights, model.head, Context(train=False, batch=batch), choose)
    return (int(ids[0]) for ids, _ in itertools.islice(told, length))


def next_token(p: np.ndarray, temperature: float, greedy: bool, seed: int, i: int) -> int:
    """The likeliest symbol, or the i-th draw."""
    return int(p.argmax()) if greedy else sample_token(p, temperature, generator(seed, "generate", i).random())


def sample_token(p: np.ndarray, temperature: float, u: float) -> int:
    """The symbol that a number u from U[0, 1) chooses: the first whose cumulative probability exceeds it."""
    with np.errstate(divide="ignore"):
        logs = np.log(p) / temperature
    q = np.exp(logs - logs.max())
    return int(np.searchsorted(np.cumsum(q), u * q.sum(), side="right"))
