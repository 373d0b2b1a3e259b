"""Every reading of a sentence of `dataset=entities` with its probability, by enumeration: what no network can exceed."""

from collections import Counter
from itertools import pairwise, permutations, product

import numpy as np

from framework import Field
from framework_datasets._entity_grammar import NAMES, NULL, PATTERNS, TYPES


def likelihood(heard, name, noise):
    """p(heard | name), words replaced by <unk> with the probability `noise`."""
    return np.prod([noise if h == Field.UNKNOWN else (1 - noise) * (h == word) for h, word in zip(heard, name, strict=True)])


def possible(heard, noise):
    """(p, tags, spans, relations): over all patterns, all lengths of their names, and all names of these lengths."""
    for pattern, relations in PATTERNS:
        kinds = [(word, sorted({len(name) for name in NAMES[word]}) if word in NAMES else [1]) for word in pattern.split()]
        for lengths in product(*(allowed for _, allowed in kinds)):
            if sum(lengths) != len(heard):
                continue
            p, tags, spans, ends = 1.0, (), [], np.cumsum((0, *lengths))
            for (word, allowed), (begin, end) in zip(kinds, pairwise(ends), strict=True):
                names = [name for name in NAMES.get(word, [(word,)]) if len(name) == end - begin]
                p *= np.mean([likelihood(heard[begin:end], name, noise) for name in names]) / len(allowed)
                kind = TYPES.get(word)
                tags += tuple(f"{'I' if i else 'B'}-{kind}" if kind else "O" for i in range(end - begin))
                spans += [(int(begin), int(end))] if kind else []
                if not p:
                    break
            if p:
                yield p, tags, spans, relations


def readings(heard, noise):
    """tags -> p(tags | heard)."""
    found = Counter()
    for p, tags, _, _ in possible(heard, noise):
        found[tags] += p
    return normalized(found)


def best_tags(heard, noise):
    """The most probable tag of every word, and its probability."""
    marginals = [Counter() for _ in heard]
    for tags, p in readings(heard, noise).items():
        for marginal, tag in zip(marginals, tags, strict=True):
            marginal[tag] += p
    return zip(*(marginal.most_common(1)[0] for marginal in marginals), strict=True)


def relations(heard, noise, first, second):
    """relation -> p(relation | heard, the pair of spans that is marked)."""
    found = Counter()
    for p, _, spans, held in possible(heard, noise):
        if first in spans and second in spans:
            pair = spans.index(first), spans.index(second)
            found[held.get(pair, NULL)] += p * chance(pair, len(spans), held)
    return normalized(found)


def chance(pair, names, held):
    """p(this pair is marked): every second time one with a relation, if there is one."""
    if not held:
        return 1 / len(list(permutations(range(names), 2)))
    return 0.5 / (len(held) if pair in held else names * (names - 1) - len(held))


def normalized(found):
    total = sum(found.values())
    return {key: p / total for key, p in found.items()}
