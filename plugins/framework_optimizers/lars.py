from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import Array, Context, option
from framework_optimizers._tensors import norm, of, quotient, tensors


@dataclass(frozen=True)
class Lars:
    """M <- alpha M + lr r (g + decay w),  w <- w - M,  with r = |w| trust / (|w| decay + |g|) for each tensor
    (You, Gitman & Ginsburg 2017).

    Shapes: w, g, M (..., P); M starts at 0. A step of plain gradient descent then has lr trust times the length of the
    tensor, whatever the size of its gradient; for large batches. r is 1 where w or g is 0, and for tensors whose names do
    not start with `tensors`: by default biases, as usual. Defaults: the paper's trust and alpha.
    """

    lr: float | Array = option(1.0, above=0, stackable=True, help="learning rate")
    alpha: float | Array = option(0.9, least=0, below=1, stackable=True, help="fraction of the last step that is kept")
    trust: float | Array = option(0.001, above=0, stackable=True, help="length of a step at lr 1, relative to the tensor")
    decay: float | Array = option(0.0, least=0, stackable=True, help="weight decay, part of the gradient")
    tensors: str = option("W", help="first letters of the tensors with a trust ratio")

    def init(self, w: Array) -> dict[str, Any]:
        return {"M": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        M, decay, trust = state["M"], ctx.per(self.decay, w), ctx.per(self.trust, w)
        step = g + decay * w
        for part in tensors(w, ctx, self.tensors):
            size = norm(w, part, ctx)
            below = norm(g, part, ctx) + of(decay, part) * size
            r = quotient(of(trust, part) * size, below, ctx)
            step[..., part.start : part.stop] *= r
        M *= ctx.per(self.alpha, w)
        M += lr * step
        w -= M
