"""One sentence of words: as the fields that a network reads, its answer for every word, and for pairs of entities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from framework.core.errors import DataError
from framework.data.vocabulary import ids_of
from framework.inference.model import Model


def read_sentence(model: Model, words: Sequence[str]) -> dict[str, np.ndarray]:
    """The fields of one sentence, by the encoding of the training data if it reads sentences. Otherwise the ids of the
    words, and masks of ones.

    Raises:
        DataError: there are no words, one of them is unknown, or the network reads something else.
    """
    if not words:
        raise DataError("at least one word is needed")
    encoding, about = model.about.encoding, model.about.fields
    if encoding is not None and hasattr(encoding, "sentence"):
        found: dict[str, np.ndarray] = encoding.sentence(words)
        return found
    named = [name for name, field in about.items() if field.kind == "id" and field.axes == "NT" and field.names]
    if not named:
        raise DataError("the data set has no words: no field of ids (n, T) has names")
    first = named[0]
    fields = {first: np.array([ids_of(words, {name: i for i, name in enumerate(about[first].names)})])}
    fields |= {name: np.ones((1, len(words))) for name, field in about.items() if field.kind == "mask" and field.time_major}
    read = {source for node in model.network.nodes.values() for source in node.sources} & about.keys()
    others = sorted(read - fields.keys())
    if others:
        raise DataError(f"besides '{first}' the network reads {', '.join(others)}, which a sentence does not give")
    return fields


def answers(model: Model, y: np.ndarray, words: int) -> list[str] | None:
    """What a prediction says of every word: the name of its class, or its value, of a pair of scores that of the true
    example. None if the sentence has one answer.

    Args:
        y: the prediction (1, words, K) for the steps of a sequence, or (words, K) for windows around them.
    """
    target, head = model.about.fields.get(str(model.head.target)), model.head
    by_step = y.ndim == 3
    if not by_step and (target is not None or len(y) != words):
        return None
    y = y[0] if by_step else y
    if target is not None and target.kind == "label":
        names = model.about.names_of(head.target)
        return [names[int(row.argmax() if len(row) > 1 else row[0] > 0.5)] for row in y]
    return [" ".join(f"{value:.4g}" for value in row[: len(row) // len(head.sources) or 1]) for row in y]


def heads_of_pairs(model: Model) -> list[str]:
    """The heads that answer for a marked pair of entities: those with one class for a sentence, if pairs can be marked."""
    if not hasattr(model.about.encoding, "marked"):
        return []
    about = {name: model.about.fields.get(str(head.target)) for name, head in model.heads.items()}
    return [name for name, field in about.items() if field is not None and (field.axes, field.kind) == ("N", "label")]


def relations(model: Model, words: Sequence[str], tags: Sequence[str] | None) -> Iterator[str]:
    """A line for each ordered pair of the entities of tagged words: `first -> second RELATION`. Pairs with the first class,
    for no relation, have none."""
    encoding: Any = model.about.encoding
    heads = heads_of_pairs(model)
    if heads and tags:
        yield from _related(model, words, list(permutations(encoding.spans(tags), 2)), skipped=0)


def relation_of(model: Model, words: Sequence[str], first: str, second: str) -> Iterator[str]:
    """The line on one ordered pair of entities, whatever its class.

    Raises:
        DataError: the network does not read pairs, or the sentence has no such words, or has them twice.
    """
    if not heads_of_pairs(model):
        raise DataError("the network does not answer for a pair of entities")
    pair = _span(words, first.split()), _span(words, second.split())
    if max(pair[0][0], pair[1][0]) < min(pair[0][1], pair[1][1]):
        raise DataError(f"'{first}' and '{second}' overlap; the entities of a pair are different words")
    yield from _related(model, words, [pair], skipped=None)


def _span(words: Sequence[str], wanted: Sequence[str]) -> tuple[int, int]:
    """Where some words are in a sentence: the first, and the one after the last."""
    n = len(wanted)
    found = [t for t in range(len(words) - n + 1) if n and list(words[t : t + n]) == list(wanted)]
    if len(found) != 1:
        raise DataError(f"'{' '.join(wanted)}' is {'twice' if found else 'not'} in the sentence; its words are needed once")
    return found[0], found[0] + n


def _related(model: Model, words: Sequence[str], pairs: Sequence[Any], skipped: int | None) -> Iterator[str]:
    """first -> second RELATION, without pairs of the class `skipped`."""
    encoding: Any = model.about.encoding
    if not pairs:
        return
    fields = encoding.marked(words, pairs)
    for head in heads_of_pairs(model):
        names = model.about.names_of(model.heads[head].target)
        for pair, row in zip(pairs, model.predict(fields, head), strict=True):
            k = int(row.argmax() if len(row) > 1 else row[0] > 0.5)
            if k != skipped:
                first, second = (" ".join(words[start:stop]) for start, stop in pair)
                yield f"{first} -> {second} {names[k]}"
