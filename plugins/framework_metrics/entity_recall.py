from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._entities import EntityMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class EntityRecall(EntityMetric):
    """R = right entities / true entities: the fraction of the true entities that were found.

    An entity is right if its first word, its last word and its type are. Shapes, tags and rules are those of entity_f1. It
    is 0 if there is no true entity.
    """

    def of(self, counts: Array) -> Array:
        return ratio(counts[..., 0], counts[..., 2])

    @staticmethod
    def examples() -> list[tuple[EntityRecall, None]]:
        return [(EntityRecall(("O", "B-PER", "I-PER", "B-LOC")), None)]
