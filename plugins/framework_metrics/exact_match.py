from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, Context


@dataclass(frozen=True)
class ExactMatch:
    """The fraction of sequences that are right at every step: argmax_k y_k = t at every step that counts, for a single
    column (y > 0.5) = t.

    Shapes: y predictions (..., [T,] N, K); t integers (..., [T,] N); mask (..., [T,] N): a step counts where it is
    above 0, and a sequence without any such step does not count; counts (..., 2): right sequences, sequences. Without
    time it is accuracy. An unmasked prediction of NaN makes it NaN.

    A decoder that reads the right previous word (teacher forcing) and one that reads its most likely words have the same
    fraction: up to the first wrong word both read the same.
    """

    expected_failures: ClassVar[dict[str, str]] = {"weights": "a sequence counts or does not count"}
    targets: ClassVar[tuple[str, ...]] = ("label",)

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        answer = y.argmax(-1) if y.shape[-1] > 1 else y[..., 0] > 0.5
        right = answer == t
        counts = right | True if mask is None else (mask > 0) | (right & False)
        wrong = counts & ~right
        undefined = ((y != y).any(-1) & counts).any(tuple(range(len(ctx.replicas) - right.ndim, 0)))
        if right.ndim - len(ctx.replicas) == 2:
            wrong, counts = wrong.any(-2), counts.any(-2)
        totals = ctx.xp.stack([(counts & ~wrong).sum(-1), counts.sum(-1)], -1).astype(y.dtype)
        return ctx.xp.where(undefined[..., None], ctx.xp.full_like(totals, ctx.xp.nan), totals)

    def value(self, counts: Array) -> Array:
        return counts[..., 0] / counts[..., 1]
