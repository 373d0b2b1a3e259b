"""Windows of words, one around every word of a sentence, and pairs of a true and a corrupt window for `max_margin`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from framework import DataError, ids_of

Tagged = tuple[Sequence[str], Sequence[str]]  # the words of a sentence, and a tag for each of them
Kind = Literal["window", "word"]


def windows_of(ids: Sequence[int], width: int) -> np.ndarray:
    """The windows (n, width) around each of n words; beyond the ends of the sentence they hold 0, the padding."""
    half = width // 2
    around = np.concatenate([np.zeros(half, int), np.array(ids, int), np.zeros(half, int)])
    return np.lib.stride_tricks.sliding_window_view(around, width).copy()


def pairs_of(
    sentences: Sequence[Tagged], vocabulary: Mapping[str, int], width: int, kind: Kind, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """x (n, width), the windows whose centre has a tag other than O, and a corrupt window for each: `corrupt` (n, width).

    Args:
        sentences: words and tags.
        kind: window: any window whose centre has the tag O; word: x with any other word of the vocabulary in its centre.

    Raises:
        DataError: there is no entity, or nothing else; or a word has no id.
    """
    every = [windows_of(ids_of(words, vocabulary), width) for words, _ in sentences]
    inside = np.array([tag != "O" for _, tags in sentences for tag in tags])
    if inside.all() or not inside.any():
        raise DataError(f"entities: {inside.sum()} of {inside.size} words are part of one; some must be, and some must not")
    whole = np.concatenate(every)
    x, others = whole[inside], whole[~inside]
    if kind == "window":
        return {"x": x, "corrupt": others[rng.integers(len(others), size=len(x))]}
    corrupt, centre = x.copy(), width // 2
    word = rng.integers(len(vocabulary) - 1, size=len(x))
    corrupt[:, centre] = word + (word >= x[:, centre])
    return {"x": x, "corrupt": corrupt}
