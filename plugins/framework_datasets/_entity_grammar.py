"""Sentences of a small grammar, with named entities and the relations between them; several words are of several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np

from framework import Field

FIRST = ("Ada", "Emmy", "Otto", "Jordan", "Paris")
LAST = ("Berg", "Stone", "Ford", "Washington", "Lincoln")
CITIES = ("Paris", "Oslo", "Lima", "Washington", "Lincoln", "New York", "New Delhi", "Rio de Janeiro", "Salt Lake City")
COUNTRIES = ("Jordan", "Norway", "Peru", "America", "New Zealand", "South Africa")
OWNERS = ("Stone", "Jordan", "Paris", "Washington", "New York", "South Lake")
FIRMS = ("Bank", "Motors", "Press")
# Kind in a pattern -> its names, each a tuple of words.
NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "person": (
        *((name,) for name in FIRST),
        *product(FIRST, LAST),
        *((a, b, last) for a, b, last in product(FIRST, FIRST, LAST) if a != b),
    ),
    "organization": (("Ford",), ("Acme",), *((*owner.split(), firm) for owner, firm in product(OWNERS, FIRMS))),
    "city": tuple(tuple(name.split()) for name in CITIES),
    "country": tuple(tuple(name.split()) for name in COUNTRIES),
}
TYPES = {"person": "PER", "organization": "ORG", "city": "LOC", "country": "LOC"}
TAGS = ("O", *(f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC") for prefix in "BI"))  # IOB2
NULL = "NULL"
RELATIONS = (NULL, "WORKS_FOR", "LIVES_IN", "LOCATED_IN", "PART_WHOLE")

Pairs = Mapping[tuple[int, int], str]
# The words of a sentence and the relations (i, j) of its i-th and j-th name: "WORKS_FOR" from the person to the employer.
PATTERNS: tuple[tuple[str, Pairs], ...] = (
    ("person works for organization", {(0, 1): "WORKS_FOR"}),
    ("person of organization met person", {(0, 1): "WORKS_FOR"}),
    ("person of city met person", {(0, 1): "LIVES_IN"}),
    ("person left organization for organization", {(0, 2): "WORKS_FOR"}),
    ("organization in city hired person", {(0, 1): "LOCATED_IN", (2, 0): "WORKS_FOR"}),
    ("person moved from city to city", {(0, 2): "LIVES_IN"}),
    ("person , born in country , works for organization", {(0, 2): "WORKS_FOR"}),
    ("we flew from city country to city", {(0, 1): "PART_WHOLE"}),
    ("organization moved to city country", {(0, 1): "LOCATED_IN", (0, 2): "LOCATED_IN", (1, 2): "PART_WHOLE"}),
    ("we like country and its capital city", {(1, 0): "PART_WHOLE"}),
    ("not all museums in city are like those in city", {}),
    ("person met person in country", {}),
    ("organization of city sold organization to person", {(0, 1): "LOCATED_IN"}),
)
_NAMED = (word for names in NAMES.values() for name in names for word in name)
_OTHERS = (word for pattern, _ in PATTERNS for word in pattern.split() if word not in NAMES)
WORDS = tuple(dict.fromkeys((Field.PADDING, Field.UNKNOWN, *_OTHERS, *_NAMED)))
LONGEST = max(sum(max(map(len, NAMES[word])) if word in NAMES else 1 for word in pattern.split()) for pattern, _ in PATTERNS)


class Sentence(NamedTuple):
    """A sentence.

    Attributes:
        words, tags: one of each for every step; the tags are IOB2.
        spans: the first step of each name, and the step after its last.
        relations: (i, j) -> the relation of the i-th name to the j-th.
    """

    words: list[str]
    tags: list[str]
    spans: list[tuple[int, int]]
    relations: Pairs


def drawn(rng: np.random.Generator, noise: float) -> Sentence:
    """A sentence: a pattern, then each of its names as often of one word as of two and of three, where there are such names.
    Each word is then replaced by the unknown word with the probability `noise`."""
    pattern, relations = PATTERNS[rng.integers(len(PATTERNS))]
    words: list[str] = []
    tags: list[str] = []
    spans: list[tuple[int, int]] = []
    for word in pattern.split():
        name = (word,)
        if word in NAMES:
            lengths = sorted({len(name) for name in NAMES[word]})
            length = lengths[rng.integers(len(lengths))]
            fitting = [name for name in NAMES[word] if len(name) == length]
            name = fitting[rng.integers(len(fitting))]
            spans.append((len(words), len(words) + len(name)))
        words += name
        tags += [f"{'I' if i else 'B'}-{TYPES[word]}" if word in TYPES else "O" for i in range(len(name))]
    heard = [Field.UNKNOWN if u < noise else word for u, word in zip(rng.random(len(words)), words, strict=True)]
    return Sentence(heard, tags, spans, relations)
