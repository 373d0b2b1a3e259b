from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_metrics import _entities as entities


@dataclass(frozen=True)
class EntityRecall:
    """R = right entities / true entities: the fraction of the true entities that were found.

    An entity is right if its first word, its last word and its type are. Shapes, tags and rules are those of entity_f1. It
    is 0 if there is no true entity.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    tags: entities.Tags = option("auto", help="the names of the classes; auto: from the data")

    def __post_init__(self) -> None:
        entities.check(self.tags)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        return entities.count(self.tags, y, t, ctx, mask)

    def value(self, counts: Array) -> Array:
        return _recall(entities.total(counts, self.tags))

    def parts(self, counts: Array) -> Mapping[str, Array]:
        """type -> its recall."""
        return {kind: _recall(own) for kind, own in entities.by_type(counts, self.tags).items()}

    @staticmethod
    def examples() -> list[tuple[EntityRecall, None]]:
        return [(EntityRecall(("O", "B-PER", "I-PER", "B-LOC")), None)]


def _recall(counts: Array) -> Array:
    return entities.ratio(counts[..., 0], counts[..., 2])
