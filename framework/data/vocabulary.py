"""Words and their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framework.core.errors import DataError, did_you_mean
from framework.data.dataset import Field


def ids_of(words: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    """The ids of words; a word that is not in the vocabulary has that of the unknown word.

    Args:
        vocabulary: word -> id; the unknown word is `Field.UNKNOWN`.

    Raises:
        DataError: a word has no id, and the vocabulary has no unknown word.
    """
    unknown = vocabulary.get(Field.UNKNOWN)
    for word in words:
        if word not in vocabulary and unknown is None:
            raise DataError(f"unknown word {word!r}, not in the training data{did_you_mean(word, vocabulary)}")
    return [vocabulary.get(word, unknown or 0) for word in words]
