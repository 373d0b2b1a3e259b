"""Counts of entities in tagged sequences, by the rules of conlleval: right ones, predicted ones, true ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from framework import Array, Context, option, scan

Tags = tuple[str, ...] | Literal["auto"]


@dataclass(frozen=True)
class EntityMetric(ABC):
    """What the metrics of entities share: the tags, the counts of each type, and a value of all types or of one."""

    expected_failures: ClassVar[dict[str, str]] = {"weights": "a step counts or does not count"}
    targets: ClassVar[tuple[str, ...]] = ("label",)
    tags: Tags = option("auto", help="the names of the classes; auto: from the data")

    def __post_init__(self) -> None:
        check(self.tags)

    @abstractmethod
    def of(self, counts: Array) -> Array:
        """The value (...) of right, predicted and true entities (..., 3)."""

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """For each type right, predicted and true entities, (..., 3 E)."""
        return count(self.tags, y, t, ctx, mask)

    def value(self, counts: Array) -> Array:
        """The value of all types together."""
        return self.of(total(counts, self.tags))

    def parts(self, counts: Array) -> Mapping[str, Array]:
        """type -> its value."""
        return {kind: self.of(own) for kind, own in by_type(counts, self.tags).items()}


def types_of(tags: Tags) -> list[str]:
    """The types of entities, in alphabetical order.

    Raises:
        ValueError: the names of the tags are missing.
    """
    if tags == "auto":
        raise ValueError(
            "tags: the names of the classes are needed, and the data set has none; give them: [O, B-PER, I-PER]"
        )
    return sorted({kind for prefix, kind in map(_parts, tags) if prefix != "O"})


def check(tags: Tags) -> None:
    """Check that the classes are tags of entities.

    Raises:
        ValueError: one is not, or all are O.
    """
    if tags == "auto":
        return
    for tag in tags:
        if tag != "O" and _parts(tag)[0] not in tuple("BIES"):
            raise ValueError(f"tags: unknown tag '{tag}'; allowed: O, and B, I, E or S with a type: B-PER")
    if not types_of(tags):
        raise ValueError("tags: no class is an entity; give those of at least one type: [O, B-PER, I-PER]")


def count(tags: Tags, y: Array, t: Array, ctx: Context, mask: Array | None) -> Array:
    """For each type: entities that are right, predicted, and true: (..., 3 E), or NaN after a prediction of NaN."""
    xp, lead = ctx.xp, len(ctx.replicas)
    shown = (t >= 0) if mask is None else mask > 0
    answer = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0.5).astype(t.dtype)
    undefined = ((y != y).any(-1) & shown).any(tuple(range(lead - shown.ndim, 0)))
    if t.ndim == lead + 1:  # without time, every example is a sequence of one word
        shown, answer, t = (a[..., None, :] for a in (shown, answer, t))
    guessed, true = (_Chunks(xp, tags, ids, shown) for ids in (answer, t))
    right = _right(ctx, guessed, true)
    kinds = xp.arange(len(types_of(tags)))
    counts = [
        (starts[..., None] & (kind[..., None] == kinds)).sum((-3, -2))
        for starts, kind in ((right, true.kind), (guessed.begin, guessed.kind), (true.begin, true.kind))
    ]
    shape = (*ctx.replicas, kinds.shape[0])
    totals = xp.concatenate([xp.broadcast_to(a, shape) for a in counts], -1).astype(y.dtype)
    return xp.where(undefined[..., None], xp.full_like(totals, xp.nan), totals)


def by_type(counts: Array, tags: Tags) -> dict[str, Array]:
    """type -> its counts (..., 3)."""
    types = types_of(tags)
    return {kind: counts[..., i :: len(types)] for i, kind in enumerate(types)}


def total(counts: Array, tags: Tags) -> Array:
    """The counts of all types together (..., 3)."""
    return counts.reshape(*counts.shape[:-1], 3, max(1, len(types_of(tags)))).sum(-1)


class _Chunks:
    """Where entities begin and continue, by step: booleans (..., T, N), and the type of each step.

    An entity begins at B and S; and at I and E after O, after E or S, and after another type. It continues at any other I
    and E. A step that does not count is O.
    """

    def __init__(self, xp: Any, tags: Sequence[str], ids: Array, shown: Array) -> None:
        types = types_of(tuple(tags))
        found = [_parts(tag) for tag in tags]
        kinds = np.array([types.index(kind) if prefix != "O" else -1 for prefix, kind in found])
        opens, ends = (np.array([prefix in those for prefix, _ in found]) for those in ("BS", "ES"))
        inside = shown & (xp.asarray(kinds) >= 0)[ids]
        self.kind = xp.where(inside, xp.asarray(kinds)[ids], xp.full_like(ids, -1))
        opens, ends = (xp.asarray(a)[ids] & inside for a in (opens, ends))
        first = inside[..., :1, :]
        fresh = (self.kind[..., 1:, :] != self.kind[..., :-1, :]) | ends[..., :-1, :]
        self.begin = inside & (opens | xp.concatenate([first | True, fresh], -2))
        self.go_on = inside & ~self.begin


def _right(ctx: Context, guessed: _Chunks, true: _Chunks) -> Array:
    """Where an entity begins that is predicted from its first to its last word, with its type: (..., T, N)."""
    both = guessed.begin & true.begin & (guessed.kind == true.kind)
    on, off = guessed.go_on & true.go_on, ~guessed.go_on & ~true.go_on

    def step(t: Any, ends: Array) -> tuple[Array, Array]:
        """ends: whether entities that reach step t end together there or later."""
        before = on[..., t, :, None] & ends | off[..., t, :, None]
        return before, ends

    last = ctx.xp.ones_like(both[..., 0, :, None])
    _, ends = scan(ctx.xp, both.shape[-2], step, last, reverse=True)
    return both & ends.stacked()[..., 0]


def _parts(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    return prefix, kind
