"""One sentence of words: as the fields that a network reads, and its answer for every word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.core.errors import DataError, did_you_mean
from framework.data.dataset import Field
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
    fields = {first: np.array([_ids(words, about[first].names)])}
    fields |= {name: np.ones((1, len(words))) for name, field in about.items() if field.kind == "mask" and field.time_major}
    read = {source for node in model.network.nodes.values() for source in node.sources} & about.keys()
    others = sorted(read - fields.keys())
    if others:
        raise DataError(f"besides '{first}' the network reads {', '.join(others)}, which a sentence does not give")
    return fields


def _ids(words: Sequence[str], names: Sequence[str]) -> list[int]:
    """The ids of words; an unknown word has the id of `<unk>`, if the names have it."""
    ids = {name: i for i, name in enumerate(names)}
    for word in words:
        if word not in ids and Field.UNKNOWN not in ids:
            raise DataError(f"unknown word {word!r}, not in the training data{did_you_mean(word, names)}")
    return [ids.get(word, ids.get(Field.UNKNOWN, 0)) for word in words]


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
