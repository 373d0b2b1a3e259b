from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._entities import EntityMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class EntityPrecision(EntityMetric):
    """P = right entities / predicted entities: the fraction of the predicted entities that are right.

    An entity is right if its first word, its last word and its type are. Shapes, tags and rules are those of entity_f1. It
    is 0 if there is no predicted entity.
    """

    def of(self, counts: Array) -> Array:
        return ratio(counts[..., 0], counts[..., 1])

    @staticmethod
    def examples() -> list[tuple[EntityPrecision, None]]:
        return [(EntityPrecision(("O", "B-PER", "I-PER", "B-LOC")), None)]
