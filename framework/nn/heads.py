"""`Head`: a loss, the outputs and targets that it compares, and its weight in the total loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework.core.arrays import Array
from framework.core.blame import blame
from framework.core.context import Context
from framework.core.options import option
from framework.core.protocols import Loss
from framework.core.signatures import has_method
from framework.nn.contracts import check_loss


@dataclass(frozen=True)
class Head:
    """A loss, and what it compares.

    Attributes:
        loss: the loss.
        source: the node whose output it compares, several as a tuple.
        target: the field of the batch it is compared with, or None (a pair loss has no target).
        mask: the batch field with the weights of the examples; ignored where the batch has none.
        weight: its weight in the sum of the heads.
    """

    loss: Loss
    source: str | tuple[str, ...]
    target: str | None = "y"
    mask: str | None = "mask"
    weight: float | Array = option(1.0, stackable=True)

    def __str__(self) -> str:
        """`SoftmaxCrossEntropy of out, target y`."""
        target = f", target {self.target}" if self.target else ""
        return f"{type(self.loss).__name__} of {', '.join(self.sources)}{target}"

    @property
    def sources(self) -> tuple[str, ...]:
        """The nodes that the loss reads."""
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def sums(self) -> bool:
        """Whether the loss sums over examples instead of averaging."""
        return getattr(self.loss, "reduction", "mean") == "sum"

    def weights(self, batch: Mapping[str, Array], ctx: Context) -> Array | None:
        """The weights of the examples by whose sum the loss divides; None if it divides by their number, or does not
        divide."""
        if getattr(self.loss, "reduction", "mean") != "mean":
            return None
        mask, loss = None if self.mask is None else batch.get(self.mask), self.loss
        if self.target is None or not has_method(loss, "example_weights"):
            return mask
        return loss.example_weights(batch[self.target], ctx, mask)  # type: ignore[attr-defined]

    def output(self, values: Mapping[str, Array]) -> Any:
        """The input of the loss: one output, or a tuple of them."""
        return values[self.source] if isinstance(self.source, str) else tuple(values[s] for s in self.source)

    def loss_and_gradient(self, values: Mapping[str, Array], ctx: Context) -> tuple[Array, Any]:
        """The loss per replica (...) and dy, unweighted."""
        t = None if self.target is None else ctx.batch[self.target]
        mask = None if self.mask is None else ctx.batch.get(self.mask)
        return self.loss(self.output(values), t, ctx, mask)

    def prediction(self, values: Mapping[str, Array], ctx: Context) -> Any:
        """The output as the loss interprets it (softmax, sigmoid, best path), or unchanged."""
        y, loss = self.output(values), self.loss
        if getattr(loss, "predicts_by_mask", False):
            return loss.predict(y, ctx, None if self.mask is None else ctx.batch.get(self.mask))  # type: ignore[attr-defined]
        predict = getattr(loss, "predict", None)
        return y if predict is None else predict(y, ctx)


def single(heads: Mapping[str, Head]) -> tuple[str, ...]:
    """The targets whose losses read one column for two classes: that of the probability of class 1."""
    accepts = {head.target: True for head in heads.values() if "label" in getattr(head.loss, "targets", ("label",))}
    return tuple({head.target for head in heads.values() if head.target and head.target not in accepts})


def total_loss(
    heads: Mapping[str, Head], values: Mapping[str, Array], ctx: Context, shares: Mapping[str, float | Array] | None = None
) -> tuple[Array, dict[str, Array]]:
    """The weighted sum of the losses per replica, and its gradient with respect to every output that a head reads.

    Args:
        shares: head -> the factor of its loss where the batch is one part of several, see `part_weights`.
    """
    total: Any = None
    dvalues: dict[str, Array] = {}
    for name, head in heads.items():
        value, dy = _checked(name, head, values, ctx)
        factor = head.weight if shares is None else head.weight * shares[name]
        weighted = not (isinstance(factor, float | int) and factor == 1)
        if weighted:
            value = ctx.per(factor, value) * value
        total = value if total is None else total + value
        for source, d in zip(head.sources, (dy,) if isinstance(head.source, str) else dy, strict=True):
            if weighted:
                d = ctx.per(factor, d) * d
            dvalues[source] = dvalues[source] + d if source in dvalues else d
    return total, dvalues


def _checked(name: str, head: Head, values: Mapping[str, Array], ctx: Context) -> tuple[Array, Any]:
    """The loss and its gradient, whose shapes are checked at the first batch."""
    try:
        result = head.loss_and_gradient(values, ctx)
        if "is_checked" not in vars(head):
            check_loss(_called(name, head), result, head.output(values), ctx.replicas)
            vars(head)["is_checked"] = True
    except Exception as error:
        blame(error, _called(name, head))
        raise
    return result


def _called(name: str, head: Head) -> str:
    """How messages call a loss: `loss (Mse)`, or `heads.price (Mse)`."""
    return f"{name if name == 'loss' else f'heads.{name}'} ({type(head.loss).__name__})"


def part_weights(
    heads: Mapping[str, Head], part: Mapping[str, Array], whole: Mapping[str, Array], share: float, ctx: Context
) -> dict[str, float | Array]:
    """The factor per head for one part of a batch, so that the weighted parts add up to the whole batch.

    Args:
        part, whole: fields of the part, and (masks and targets at least) of the whole.
        share: the part's fraction of the examples.
    """
    out: dict[str, float | Array] = {}
    for name, head in heads.items():
        out[name] = 1.0 if head.sums else share
        own, of_whole = head.weights(part, ctx), head.weights(whole, ctx)
        if own is not None and of_whole is not None:
            total = _sum(of_whole, ctx)
            out[name] = _sum(own, ctx) / ctx.xp.where(total > 0, total, ctx.xp.ones_like(total))
    return out


def _sum(mask: Array, ctx: Context) -> Array:
    """Sum of the weights per replica (...)."""
    total = mask.sum(tuple(range(len(ctx.replicas) - mask.ndim, 0)))
    return ctx.xp.broadcast_to(total, ctx.replicas)
