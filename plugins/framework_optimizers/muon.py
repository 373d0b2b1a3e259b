from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array, Context, option
from framework_optimizers._tensors import tensors

A, B, C = 3.4445, -4.7750, 2.0315  # of the polynomial; it brings singular values to about 1 within five steps


@dataclass(frozen=True)
class Muon:
    """M <- alpha M + g,  W <- W - lr sqrt(max(1, o / i)) O(g + alpha M),  with O(G) = U V^T of G = U S V^T: the step of a
    matrix has all singular values about 1 (Jordan et al. 2024).

    O is computed by the Newton-Schulz steps X <- a X + (b X X^T + c (X X^T)^2) X from X = G / |G|, without a decomposition.

    Shapes: w, g, M (..., P); W, G (..., i, o) tensors whose names start with `tensors`. The others, and those with a single
    row or column, take the step lr others (g + alpha M), momentum with look-ahead. Defaults: those of the authors' code,
    which leaves other tensors to another optimizer; here they have the learning rate 0.01.
    """

    lr: float | Array = option(0.02, above=0, stackable=True, help="learning rate of matrices")
    alpha: float | Array = option(0.95, least=0, below=1, stackable=True, help="fraction of M that is kept")
    others: float | Array = option(0.5, least=0, stackable=True, help="learning rate of other tensors, relative to lr")
    steps: int = option(5, least=1, most=20, help="Newton-Schulz steps")
    tensors: str = option("W", help="first letters of the matrices")

    def init(self, w: Array) -> dict[str, Any]:
        return {"M": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        M, alpha = state["M"], ctx.per(self.alpha, w)
        M *= alpha
        M += g
        ahead = g + alpha * M
        step = ahead * ctx.per(self.others, w)
        for part in tensors(w, ctx, self.tensors):
            i, o = part.shape
            if min(i, o) > 1:
                G = ahead[..., part.start : part.stop].reshape(*w.shape[:-1], i, o)
                U = self._orthogonal(G, ctx) * max(1.0, o / i) ** 0.5
                step[..., part.start : part.stop] = U.reshape(*w.shape[:-1], i * o)
        w -= lr * step

    def _orthogonal(self, G: Array, ctx: Context) -> Array:
        """About U V^T (..., i, o); 0 where G is 0."""
        turned = G.shape[-2] > G.shape[-1]
        X = G.swapaxes(-1, -2) if turned else G
        size = ctx.xp.sqrt((X * X).sum((-2, -1), keepdims=True))
        X = X / ctx.xp.where(size > 0, size, ctx.xp.ones_like(size))
        for _ in range(self.steps):
            S = X @ X.swapaxes(-1, -2)
            X = A * X + (B * S + C * (S @ S)) @ X
        return X.swapaxes(-1, -2) if turned else X
