from __future__ import annotations

from dataclasses import dataclass

from framework import Array
from framework_metrics._entities import EntityMetric
from framework_metrics._ratio import ratio


@dataclass(frozen=True)
class EntityF1(EntityMetric):
    """F1 = 2 P R / (P + R) of whole entities: P is the fraction of predicted entities that are right, R the fraction of true
    entities that were found. An entity is right if its first word, its last word and its type are.

    Shapes: y predictions (..., [T,] N, K), whose largest value is the tag; t tags (..., [T,] N); mask (..., [T,] N): a
    step counts where it is above 0, others are O; counts (..., 3 E) for E types: right, predicted and true entities. Types
    are counted together (micro average); F1 is 0 if no entity is right. A prediction of NaN that counts makes it NaN.

    Tags are O, or a prefix and a type (B-PER), in IOB1, IOB2 or BIOES. An entity begins at B and S. It also begins at I and
    E after O, after the end of an entity, and after another type, so that any sequence has a value. These are the rules of
    conlleval (Tjong Kim Sang & Buchholz 2000). `stackprop evaluate` also shows each type.
    """

    def of(self, counts: Array) -> Array:
        return ratio(2 * counts[..., 0], counts[..., 1] + counts[..., 2])

    @staticmethod
    def examples() -> list[tuple[EntityF1, None]]:
        return [(EntityF1(("O", "B-PER", "I-PER", "B-LOC")), None), (EntityF1(("O", "B-A", "E-A", "S-B")), None)]
