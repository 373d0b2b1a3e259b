from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class R2:
    """R^2 = 1 - sum of (t - y)^2 / sum of (t - mean t)^2: the fraction of the variance of the targets that is predicted.

    1 is perfect, 0 is as good as the mean of the targets of this split, below 0 is worse. Of several columns it is the mean
    of theirs. A column whose targets are all equal has 1 if every prediction is right, else 0. Both are so in scikit-learn.

    Shapes: y predictions and t (..., [T,] N, F); mask (..., [T,] N) weights; counts (..., B, 5 F): a row for each of B
    batches. It has sums over the batch, for each column: the weights, a centre c, d = t - c, d^2, and (t - y)^2. c is the
    mean of the batch. So no large numbers are subtracted: targets near 1e5 keep all digits, also in float32, and the rows
    are joined without a loss (Chan et al. 1979).
    """

    rows: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("real",)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        xp, lead = ctx.xp, len(ctx.replicas)
        examples = tuple(range(lead - t.ndim, -1))
        w = xp.ones_like(t) if mask is None else mask[..., None].astype(t.dtype) * xp.ones_like(t)
        total, there = w.sum(examples, keepdims=True), w > 0
        largest = xp.where(there, t, xp.full_like(t, -xp.inf)).max(examples, keepdims=True)
        smallest = xp.where(there, t, xp.full_like(t, xp.inf)).min(examples, keepdims=True)
        mean = (w * t).sum(examples, keepdims=True) / xp.where(total > 0, total, xp.ones_like(total))
        # Between the two the mean is right to the last digit where all targets are equal.
        centre = xp.where(total > 0, xp.minimum(xp.maximum(mean, smallest), largest), xp.zeros_like(mean))
        d, e = t - centre, xp.where(there, y - t, xp.zeros_like(y))
        sums = (total, centre, *((w * a).sum(examples, keepdims=True) for a in (d, d * d, e * e)))
        shape = (*ctx.replicas, t.shape[-1])
        columns = [xp.broadcast_to(a.reshape(*a.shape[:lead], a.shape[-1]), shape).astype(y.dtype) for a in sums]
        return xp.concatenate(columns, -1)[..., None, :]

    def value(self, counts: Array, ctx: Context) -> Array:
        xp, F = ctx.xp, counts.shape[-1] // 5
        rows = counts.astype(xp.float64)
        w, c, d, d2, e2 = (rows[..., i * F : (i + 1) * F] for i in range(5))
        total = w.sum(-2)
        safe = total + (total == 0)
        c = c - xp.where(w > 0, c, xp.full_like(c, -xp.inf)).max(-2, keepdims=True)
        c = xp.where(w > 0, c, xp.zeros_like(c))
        shift = c - ((w * c + d).sum(-2) / safe)[..., None, :]
        variance, error = (d2 + 2 * shift * d + w * shift * shift).sum(-2), e2.sum(-2)
        usual = 1 - error / (variance + (variance == 0))
        equal = xp.where(error > 0, xp.zeros_like(error), 1 - error)
        values = xp.where(variance > 0, usual, equal)
        return xp.where(total > 0, values, xp.full_like(values, xp.nan)).mean(-1)
