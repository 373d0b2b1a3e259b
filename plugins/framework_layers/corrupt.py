from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from framework import Array, Context, Params, Shape, option
from framework_layers.one_hot import vocabulary


@dataclass(frozen=True)
class Corrupt:
    """Corrupt windows of words, against which a network learns to score the true ones. Each training step draws others.

    It reads the true windows x and corrupt windows x_c of the data. In training, with j and r drawn for each example n:

        window: y_n = x_c[j], a corrupt window of the batch, whichever example it belongs to: in `dataset=entity_windows` one
            without an entity in its centre (the lecture notes: "Not all museums in Paris")
        word: y_n = x_n with the word r in its centre, any other word of the vocabulary (Collobert & Weston 2008)

    In evaluation y = x_c, so that all networks score the same pairs. Ids have no gradient.

    Shapes: x, x_c, y ids (..., T, N); the centre is the step T // 2.
    """

    kind: Literal["window", "word"] = option("window", help="what is drawn: a whole window, or the word in the centre")
    size: int | Literal["auto"] = option("auto", least=2, help="number of words; auto: from the data")

    @property
    def expected_failures(self) -> dict[str, str]:
        """Checks of the conformance kit that cannot hold."""
        return {"over_batch": "a corrupt window is drawn from the batch"} if self.kind == "window" else {}

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if in_shape != ((None,), (None,)):
            raise ValueError(f"corrupt needs two sequences of ids, the true and the corrupt windows (got {in_shape})")
        vocabulary(self.size)
        return {}, (None,)

    def forward(self, p: Params, x: tuple[Array, Array], ctx: Context) -> tuple[Array, None]:
        true, corrupt = x
        if not ctx.train:
            return corrupt, None
        u = ctx.uniform(true[..., 0, :].astype(np.float64))
        if self.kind == "window":
            return _examples(corrupt, (u * corrupt.shape[-1]).astype(np.int64), ctx), None
        centre = true.shape[-2] // 2
        word = true[..., centre, :]
        other = (u * (vocabulary(self.size) - 1)).astype(np.int64)
        other = other + (other >= word).astype(np.int64)  # every word but the true one, with the same probability
        steps = ctx.xp.arange(true.shape[-2])[:, None]
        return ctx.xp.where(steps == centre, other[..., None, :], true), None

    def backward(
        self, p: Params, cache: None, dy: Array, ctx: Context, need_dx: bool = True
    ) -> tuple[tuple[None, None] | None, Params]:
        return ((None, None) if need_dx else None), {}

    @staticmethod
    def examples() -> list[tuple[Corrupt, Any]]:
        return [(Corrupt(kind, 3), ((None,), (None,))) for kind in ("window", "word")]


def _examples(a: Array, rows: Array, ctx: Context) -> Array:
    """The examples `rows` (..., N) of an array (..., T, N)."""
    by_example = a.swapaxes(-1, -2)
    lead = [ctx.xp.arange(n).reshape(n, *(1,) * (rows.ndim - i - 1)) for i, n in enumerate(a.shape[:-2])]
    return by_example[(*lead, rows)].swapaxes(-1, -2)
