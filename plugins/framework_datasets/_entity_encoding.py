"""Encodes sentences with entities, and the pairs of entities that are marked in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework import DataError, ids_of
from framework_datasets._files import text_of
from framework_datasets._tag_schemes import entities
from framework_datasets._windows import padded

PLACES = ("outside", "first", "between", "second")

Span = tuple[int, int]  # the first word of an entity, and the word after its last


@dataclass(frozen=True)
class EntityEncoding:
    """The words, tags and relations by number."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    relations: tuple[str, ...]

    def sentence(self, words: Sequence[str]) -> dict[str, np.ndarray]:
        """The fields of one sentence. No pair is marked, so pair_mask is 1 at every word."""
        return self._fields([words], [[0] * len(words)])

    def spans(self, tags: Sequence[str]) -> list[Span]:
        """Where the entities of tagged words are."""
        return [(entity.start, entity.stop) for entity in entities(tags)]

    def marked(self, words: Sequence[str], pairs: Sequence[tuple[Span, Span]]) -> dict[str, np.ndarray]:
        """The fields of one sentence, a row for each ordered pair, which is marked in it."""
        return self._fields([words] * len(pairs), [places(*pair, len(words)) for pair in pairs])

    def _fields(self, sentences: Sequence[Sequence[str]], pairs: list[list[int]]) -> dict[str, np.ndarray]:
        known, steps = {word: i for i, word in enumerate(self.words)}, max(len(words) for words in sentences)
        x, mask = padded([ids_of(words, known) for words in sentences], steps)
        pair, _ = padded(pairs, steps)
        inside = np.where(pair.any(1, keepdims=True), pair > 0, mask)
        return {"x": x, "mask": mask, "pair": pair, "pair_mask": inside.astype(float)}

    def read(self, path: str | Path, with_target: bool) -> dict[str, np.ndarray]:
        """A text with one sentence in each line, without marked pairs.

        Raises:
            DataError: the file cannot be read or is empty, or targets are asked for.
        """
        if with_target:
            raise DataError(f"{path}: a text has no tags; use dataset=conll for a file of tagged words")
        sentences = [words for words in map(str.split, text_of(path).splitlines()) if words]
        if not sentences:
            raise DataError(f"{path}: no words; one sentence in each line is needed")
        return self._fields(sentences, [[0] * len(words) for words in sentences])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: list(getattr(self, name)) for name in ("words", "tags", "relations")} | {"type": "entities"}


def places(first: Span, second: Span, steps: int) -> list[int]:
    """The place of every step: 1 in the first span, 3 in the second, 2 between them, 0 outside."""
    t, at = np.arange(steps), np.zeros(steps, int)
    at[(t >= min(first[1], second[1])) & (t < max(first[0], second[0]))] = 2
    at[first[0] : first[1]], at[second[0] : second[1]] = 1, 3
    return [int(place) for place in at]
