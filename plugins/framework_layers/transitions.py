from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, registered


@dataclass(frozen=True)
class Transitions:
    """The scores of a linear chain, for the loss `crf`: A_ij of tag j after tag i, start_j of a first tag, end_j of a last.

    The output is the same at every step of every sequence: y_tn = (A_11, A_12 ... A_KK, start_1 ... start_K, end_1 ...
    end_K). It reads the emissions for their shape alone, so dx = 0; dA is the sum of dy over steps and sequences.

    Shapes: x (..., T, N, K), the emissions, one column per tag; A (..., K, K), start and end (..., 1, K); y, dy (..., T, N,
    K K + 2 K). Initial values 0: all sequences of tags are alike, and the first step of training is that of a softmax.
    With `loss: auto`, a head that reads this layer has the loss crf, and reads the emissions too.
    """

    loss: ClassVar[str] = "crf"
    initializer: Initializer = registered("initializer", "zeros", inherit=False, help="initial values of A, start and end")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 2 or isinstance(in_shape[0], tuple):
            raise ValueError(f"transitions reads the emissions of a sequence (T, K) (got {in_shape}); dense computes them")
        steps, K = in_shape
        draw = self.initializer
        return {"A": draw(rng, (K, K)), "start": draw(rng, (1, K)), "end": draw(rng, (1, K))}, (steps, K * K + 2 * K)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array]:
        A, xp = p["A"], ctx.xp
        flat = xp.concatenate((A.reshape(*A.shape[:-2], 1, -1), p["start"], p["end"]), -1)
        return xp.broadcast_to(flat[..., None, :, :], (*A.shape[:-2], *x.shape[-3:-1], flat.shape[-1])), x

    def backward(
        self, p: Params, cache: Array, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[Array | None, Params]:
        K = cache.shape[-1]
        d = dy.sum((-3, -2))[..., None, :]
        dA = d[..., : K * K].reshape(p["A"].shape)
        grads = {"A": dA, "start": d[..., K * K : K * K + K], "end": d[..., K * K + K :]}
        return (ctx.xp.zeros_like(cache) if need_dx else None), grads

    @staticmethod
    def examples() -> list[tuple[Transitions, Shape]]:
        return [(Transitions(), (None, 3))]
