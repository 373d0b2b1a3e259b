"""Tags of words as entities: the schemes IOB1, IOB2 and BIOES, read, checked and written.

A tag is O, or a prefix and a type: B-PER. B begins an entity, I is inside, E ends one, S is one of a single word.

IOB1: every word of an entity is I; B only where an entity follows another one of the same type. IOB2: the first word is B.
BIOES: the first word is B, the last E, a single one S.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["IOB1", "IOB2", "BIOES"]
PREFIXES = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES"}


class Entity(NamedTuple):
    """An entity: its type, its first word, and the first word after it."""

    type: str
    start: int
    stop: int


@functools.lru_cache(4096)  # a file has a few tags, many times
def parts(tag: str) -> tuple[str, str]:
    """The prefix and the type of a tag."""
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def is_of_a_scheme(tag: str) -> bool:
    """Whether it is O, or one of the prefixes with a type."""
    return tag == "O" or parts(tag)[0] in tuple("BIES")


def begins(before: str, tag: str) -> bool:
    """Whether an entity begins at a tag, by the rules of conlleval: at B and S; and at I and E after O, after the end of an
    entity, and after another type."""
    (last, last_type), (prefix, kind) = parts(before), parts(tag)
    return prefix in ("B", "S") or (prefix in ("I", "E") and (last in ("O", "E", "S") or kind != last_type))


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of a sentence, in order; any tags of any scheme have some."""
    found: list[Entity] = []
    before, open_type, start = "O", "", -1
    for t, tag in enumerate([*tags, "O"]):
        starts = begins(before, tag)
        if start >= 0 and (tag == "O" or starts):
            found.append(Entity(open_type, start, t))
            start = -1
        if starts:
            open_type, start = parts(tag)[1], t
        before = tag
    return found


def written(found: Iterable[Entity], n: int, scheme: Scheme) -> list[str]:
    """The tags of n words."""
    tags, last = ["O"] * n, Entity("", -1, -1)
    for entity in found:
        kind, start, stop = entity
        adjacent = last.stop == start and last.type == kind
        first = "B" if scheme != "IOB1" or adjacent else "I"
        prefixes = [first] + ["I"] * (stop - start - 1)
        if scheme == "BIOES":
            prefixes = [*prefixes[:-1], "E"] if stop - start > 1 else ["S"]
        tags[start:stop] = [f"{prefix}-{kind}" if kind else prefix for prefix in prefixes]
        last = entity
    return tags


def names(types: Iterable[str], scheme: Scheme) -> list[str]:
    """All tags of a scheme: O first, then those of each type."""
    each = [(kind, prefix) for kind in sorted(set(types)) for prefix in PREFIXES[scheme]]
    return ["O", *(f"{prefix}-{kind}" if kind else prefix for kind, prefix in each)]


def fault(tags: Sequence[str], scheme: Scheme) -> tuple[int, str] | None:
    """The first tag that breaks a scheme, as its index and the reason; None if there is none. IOB1 allows any order."""
    for t, tag in enumerate([*tags, "O"]):
        before, at = ("O", 0) if t == 0 else (tags[t - 1], t)
        (last, last_type), (prefix, kind) = parts(before), parts(tag)
        if t < len(tags) and (not is_of_a_scheme(tag) or prefix not in ("O", *PREFIXES[scheme])):
            return t, f"'{tag}' is not a tag of {scheme} ({', '.join(('O', *(f'{p}-...' for p in PREFIXES[scheme])))})"
        if scheme == "IOB2" and prefix == "I" and (last == "O" or kind != last_type):
            return t, f"'{tag}' follows {_shown(before, at)}; in IOB2 an entity begins with B"
        if scheme == "BIOES":
            inside = last in ("B", "I")
            if prefix in ("I", "E") and not (inside and kind == last_type):
                return t, f"'{tag}' follows {_shown(before, at)}; in BIOES {prefix} continues an entity of its type"
            if inside and prefix not in ("I", "E"):
                return t - 1, f"'{before}' is the last word of an entity; in BIOES it ends with E, a single word is S"
    return None


def _shown(tag: str, t: int) -> str:
    return f"'{tag}'" if t else "nothing"


def detected(sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """The scheme of a file: BIOES if it has E or S, IOB2 if every entity begins with B, else IOB1; None if no tag is of a
    scheme (parts of speech). IOB1 is chosen only if B stands between entities of one type alone, as it must there; a file
    that mixes both ways is taken for IOB2, so that `fault` finds the tag that breaks it."""
    tags = [list(sentence) for sentence in sentences]
    prefixes = {parts(tag)[0] for sentence in tags for tag in sentence}
    if not prefixes & set("BIES"):
        return "IOB2" if prefixes == {"O"} else None
    if prefixes & {"E", "S"}:
        return "BIOES"
    if all(fault(sentence, "IOB2") is None for sentence in tags):
        return "IOB2"
    strict = all(written(entities(sentence), len(sentence), "IOB1") == sentence for sentence in tags)
    return "IOB1" if strict else "IOB2"
