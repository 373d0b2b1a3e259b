from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context, option
from framework_metrics import _entities as entities


@dataclass(frozen=True)
class EntityPrecision:
    """P = right entities / predicted entities: the fraction of the predicted entities that are right.

    An entity is right if its first word, its last word and its type are. Shapes, tags and rules are those of entity_f1. It
    is 0 if there is no predicted entity.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    tags: entities.Tags = option("auto", help="the names of the classes; auto: from the data")

    def __post_init__(self) -> None:
        entities.check(self.tags)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        return entities.count(self.tags, y, t, ctx, mask)

    def value(self, counts: Array) -> Array:
        return _precision(entities.total(counts, self.tags))

    def parts(self, counts: Array) -> Mapping[str, Array]:
        """type -> its precision."""
        return {kind: _precision(own) for kind, own in entities.by_type(counts, self.tags).items()}

    @staticmethod
    def examples() -> list[tuple[EntityPrecision, None]]:
        return [(EntityPrecision(("O", "B-PER", "I-PER", "B-LOC")), None)]


def _precision(counts: Array) -> Array:
    return entities.ratio(counts[..., 0], counts[..., 1])
