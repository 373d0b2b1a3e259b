from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from framework import Array, Context, Initializer, Params, Shape, T, option, registered
from framework_layers._word_vectors import WordVectors, word_vectors
from framework_layers.one_hot import are_ids, chosen, vocabulary

PRODUCT = 256  # up to this many symbols, a product with the one-hot ids is faster on a CPU


@dataclass(frozen=True)
class Embedding:
    """y = W[x], row x of a table: one trained vector for each symbol, the same as one_hot(x) W without the zeros.

    dW[v] = the sum of dy over all positions where x = v: one_hot(x)^T dy in one product, or, for a large vocabulary on a
    CPU, one weighted count. Ids have no gradient.

    Shapes: x ids (..., [T,] N [, L]) from 0 to size - 1, W (..., size, units), y (..., [T,] N [, L], units). Initial values
    N(0, 1), as a vector is not a sum over the vocabulary. Bengio et al. (2003).

    `vectors` is a text file of trained vectors: a word and its numbers per line, after a first line with their counts
    (word2vec) or without (GloVe). Of a word that is not in it, the vector of its lower case is taken; other words keep the
    drawn values. The file is read line by line. `frozen: true` of the node keeps all vectors as they are.
    """

    units: int = option(least=1, help="size of a vector")
    size: int | Literal["auto"] = option("auto", least=1, help="number of symbols; auto: from the data")
    initializer: Initializer = registered("initializer", "normal", inherit=False, help="initial values of W")
    vectors: str | None = option(None, help="a text file of word vectors, relative to the current folder")
    words: tuple[str, ...] | Literal["auto"] = option("auto", help="the words by id, for vectors; auto: from the data")

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if not are_ids(in_shape):
            raise ValueError(f"embedding needs ids (got features {in_shape}); use a dense layer for features")
        W = self.initializer(rng, (vocabulary(self.size), self.units))
        if self.vectors is not None:
            found = self._found
            W[found.ids] = found.rows
        return {"W": W}, (*in_shape, self.units)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line on the words that were found in the file."""
        if self.vectors is None:
            return ()
        found, n = self._found, len(self.words)
        more = [f"{found.lowered} of them in lower case"] * bool(found.lowered)
        more += [f"{found.repeated} lines repeat a word and are not used"] * bool(found.repeated)
        return (f"{self.vectors}: vectors of {len(found.ids)} of {n} symbols{''.join(f', {line}' for line in more)}",)

    @property
    def _found(self) -> WordVectors:
        if self.words == "auto":
            raise ValueError(
                "vectors: it needs the words of the ids; the data name none, so give them as words: [a, b, ...]"
            )
        if len(self.words) != vocabulary(self.size):
            raise ValueError(f"words: {len(self.words)} words for {self.size} symbols; every id needs one")
        return word_vectors(str(self.vectors), self.words, self.units)

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Array]:
        W, xp = p["W"], ctx.xp
        lead = [xp.arange(n).reshape(n, *(1,) * (x.ndim - i - 1)) for i, n in enumerate(W.shape[:-2])]
        return W[(*lead, x)], x

    def backward(self, p: Params, cache: Array, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[None, Params]:
        lead = dy.shape[: len(ctx.replicas)]
        x, rows = cache.reshape(*cache.shape[: len(lead)], -1), dy.reshape(*lead, -1, self.units)
        size = p["W"].shape[-2]
        if size <= PRODUCT or ctx.xp is not np:
            return None, {"W": T(chosen(x, size, rows.dtype, ctx)) @ rows}
        return None, {"W": counted(x, rows, size)}

    @staticmethod
    def examples() -> list[tuple[Embedding, Shape]]:
        return [(Embedding(3, 5), (None,)), (Embedding(2, PRODUCT + 1), ()), (Embedding(2, 4), (None, None))]


def counted(x: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Rows (..., M, units) summed by their ids (..., M), on the host: (..., size, units). Sums are in float64."""
    lead, units = rows.shape[:-2], rows.shape[-1]
    replica = size * np.arange(np.prod(lead, dtype=int)).reshape(*lead, 1)
    places = (x + replica)[..., None] * units + np.arange(units)
    sums = np.bincount(places.ravel(), rows.ravel(), replica.size * size * units)
    return sums.reshape(*lead, size, units).astype(rows.dtype)
