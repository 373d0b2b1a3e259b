"""Sequences from a trained network: it reads a prompt, says what may come next, one symbol is drawn, and it reads that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from framework.context import Context
from framework.model import Model
from framework.registry import nearest
from framework.streams import generator


def symbols(model: Model) -> list[str]:
    """The vocabulary, in the order of its ids.

    Raises:
        ValueError: the network does not read symbols and say the next; the message says why.
    """
    fields, head = model.about.fields, model.head
    first = next(iter(fields))
    target = fields.get(str(head.target))
    if fields[first].kind != "id" or not fields[first].time_major:
        raise ValueError(f"its input '{first}' is no sequence of symbols")
    if target is None or target.kind != "label" or target.size != fields[first].size or not target.time_major:
        raise ValueError("it does not say a next symbol at every step")
    others = {s for node in model.learner.network.nodes.values() for s in node.sources} & set(fields) - {first}
    if others:
        raise ValueError(f"beside '{first}' it reads {', '.join(sorted(others))}")
    backwards = [name for name, node in model.learner.network.nodes.items() if getattr(node.layer, "reverse", False)]
    if backwards:
        raise ValueError(f"its layer '{backwards[0]}' reads from the end, which is not there yet")
    return list(model.about.names) or [str(i) for i in range(target.size)]


def spelled(prompt: str, vocabulary: Sequence[str]) -> list[int]:
    """The ids of a prompt: characters where every symbol is one, words otherwise.

    Raises:
        ValueError: the prompt is empty, or a symbol of it is unknown.
    """
    words = list(prompt) if all(len(symbol) == 1 for symbol in vocabulary) else prompt.split()
    if not words:
        raise ValueError(f"prompt: it needs at least one symbol{nearest('', vocabulary)}")
    for word in words:
        if word not in vocabulary:
            raise ValueError(f"prompt: {word!r} was never seen in training{nearest(word, vocabulary)}")
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
    net, field = model.learner.network, next(iter(model.about.fields))
    ctx, p, ids = Context(train=False), np.zeros(0), list(prompt)
    for i in range(len(prompt) + length):
        if i >= len(prompt):
            ids.append(int(p.argmax()) if greedy else drawn(p, temperature, generator(seed, "generate", i).random()))
            yield ids[-1]
        ctx = ctx.but(batch={field: np.array([[ids[i]]])})
        values, caches = net.forward(model.weights, ctx)
        p = np.asarray(model.head.prediction(values, ctx), float)[0, 0]
        ctx = ctx.but(carry=net.carry(caches))


def drawn(p: np.ndarray, temperature: float, u: float) -> int:
    """The symbol that a number u from U[0, 1) chooses: the first whose cumulative probability exceeds it."""
    with np.errstate(divide="ignore"):
        logs = np.log(p) / temperature
    q = np.exp(logs - logs.max())
    return int(np.searchsorted(np.cumsum(q), u * q.sum(), side="right"))
