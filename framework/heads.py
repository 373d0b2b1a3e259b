"""Where a network meets its targets: one or several losses, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework.arrays import Array
from framework.components import Loss, option
from framework.context import Context


@dataclass(frozen=True)
class Head:
    """A loss and what it compares.

    Attributes:
        loss: the loss.
        source: the node whose output it judges, several as a tuple.
        target: the batch field it is judged against, or None (a pair loss has no target).
        mask: the batch field with the weights of the examples; ignored where the batch has none.
        weight: its share in the sum of the heads.
    """

    loss: Loss
    source: str | tuple[str, ...]
    target: str | None = "y"
    mask: str | None = "mask"
    weight: float | Array = option(1.0, stackable=True)

    @property
    def sums(self) -> bool:
        """Whether the loss sums over examples instead of averaging."""
        return getattr(self.loss, "reduction", "mean") == "sum"

    def output(self, values: Mapping[str, Array]) -> Any:
        """What the loss judges: one output, or a tuple of them."""
        return values[self.source] if isinstance(self.source, str) else tuple(values[s] for s in self.source)

    def judge(self, values: Mapping[str, Array], ctx: Context) -> tuple[Array, Any]:
        """The loss per replica (...) and dy, unweighted."""
        t = None if self.target is None else ctx.batch[self.target]
        mask = None if self.mask is None else ctx.batch.get(self.mask)
        return self.loss(self.output(values), t, ctx, mask)

    def prediction(self, values: Mapping[str, Array], ctx: Context) -> Any:
        """The output as the loss reads it (softmax, sigmoid), or as it is."""
        y = self.output(values)
        predict = getattr(self.loss, "predict", None)
        return y if predict is None else predict(y, ctx)


def total_loss(
    heads: Mapping[str, Head], values: Mapping[str, Array], ctx: Context, share: float = 1.0
) -> tuple[Array, dict[str, Array]]:
    """sum_h weight_h loss_h per replica, and its gradient with respect to every output that a head reads.

    Args:
        share: the part of the step's batch that this is; means over examples are scaled by it, so that parts add up.
    """
    total: Any = None
    dvalues: dict[str, Array] = {}
    for head in heads.values():
        value, dy = head.judge(values, ctx)
        factor = head.weight if head.sums else head.weight * share
        weighted = not (isinstance(factor, float | int) and factor == 1)
        if weighted:
            value = ctx.per(factor, value) * value
        total = value if total is None else total + value
        sources, dys = ((head.source,), (dy,)) if isinstance(head.source, str) else (head.source, dy)
        for source, d in zip(sources, dys, strict=True):
            if weighted:
                d = ctx.per(factor, d) * d
            dvalues[source] = dvalues[source] + d if source in dvalues else d
    return total, dvalues
