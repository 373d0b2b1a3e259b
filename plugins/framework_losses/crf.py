from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option
from framework_losses._chain import Chain, best_path, expected_minus_given, forward
from framework_losses._reduction import Reduction, weighted_sum, weights


@dataclass(frozen=True)
class Crf:
    """J = mean over sequences of log Z - score(t): the negative log-probability of the correct tags, as a whole sequence.

    score(t) = start_{t_1} + sum_t x_t(t_t) + sum_t A_{t_{t-1}, t_t} + end_{t_T}; Z is the sum of e^score over all K^T
    sequences of tags (the forward algorithm, in logarithms). The gradients are marginals minus counts: dx_t(k) = p(tag t is
    k) - [t_t = k], dA_ij = sum over t of p(i at t - 1, j at t) - [the same], likewise start and end.

    Shapes: y = (x, s): x (..., [T,] N, K) the emissions, s (..., [T,] N, K K + 2 K) the output of the layer `transitions`;
    dy the same; t integers (..., [T,] N); mask (..., [T,] N): a step whose weight is 0 is not there, with padding on
    either side, and a sequence has the mean weight of its steps; J (...). Its head names both nodes, `{type: crf, from:
    [out, transitions]}`; `loss: auto` does so after a layer `transitions`.

    The prediction is the most probable sequence (Viterbi) as ones and zeros, not the probabilities of single tags. With
    A = start = end = 0 it is softmax_cross_entropy, for any reduction. Lafferty et al. (2001); on an LSTM, Huang et al.
    (2015). `mean` divides by the number of steps, not of sequences.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)
    sources: ClassVar[int] = 2
    outputs: ClassVar[str] = "raw"
    predicts_by_mask: ClassVar[bool] = True
    whole_sequences: ClassVar[bool] = True
    reduction: Reduction = option("sum_over_time", help="mean over steps, sum, or sum over time and mean over sequences")

    @staticmethod
    def columns(K: int) -> tuple[int, int]:
        """The columns of x and s for K tags."""
        return K, K * K + 2 * K

    def __call__(
        self, y: tuple[Array, Array], t: Array, ctx: Context, mask: Array | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        chain, with_time = _chain(y, ctx, mask), y[0].ndim > len(ctx.replicas) + 2
        t, mask = (a if with_time or a is None else a[..., None, :] for a in (t, mask))
        tags = (t[..., None] == ctx.xp.arange(chain.x.shape[-1])).astype(chain.x.dtype)
        found = forward(chain, tags)
        w = self._of_sequences(chain, ctx, mask)
        value = weighted_sum(found.log_z - found.score, w, ctx)
        by_tag = w if isinstance(w, float) else w[..., None, :, None]
        dx, dy = (d * by_tag for d in expected_minus_given(chain, tags, found))
        return value, (dx, dy) if with_time else (dx[..., 0, :, :], dy[..., 0, :, :])

    def _of_sequences(self, chain: Chain, ctx: Context, mask: Array | None) -> Any:
        """The weight of each sequence, a number or (..., N): the mean of its steps' weights."""
        w = weights(chain.x.shape[:-1], ctx, mask, self.reduction)
        if isinstance(w, float):
            return w
        steps = chain.there[..., 0].sum(-2)
        return w.sum(-2) / ctx.xp.where(steps > 0, steps, ctx.xp.ones_like(steps)).astype(w.dtype)

    def predict(self, y: tuple[Array, Array], ctx: Context, mask: Array | None = None) -> Array:
        """The best path, one-hot (..., [T,] N, K)."""
        path = best_path(_chain(y, ctx, mask))
        return path if y[0].ndim > len(ctx.replicas) + 2 else path[..., 0, :, :]


def _chain(y: tuple[Array, Array], ctx: Context, mask: Array | None) -> Chain:
    """The scores of the sequences; without a time axis, each is one step."""
    K, s = y[0].shape[-1], y[1].shape
    if s[-1] != K * K + 2 * K or s[-2] != y[0].shape[-2] or len(s) != y[0].ndim:
        raise ValueError(f"the emissions {y[0].shape} need transitions of shape (..., [T,] N, K K + 2 K) (got {s})")
    if y[0].ndim == len(ctx.replicas) + 2:
        y = y[0][..., None, :, :], y[1][..., None, :, :]
        mask = None if mask is None else mask[..., None, :]
    return Chain.of(ctx.xp, *y, mask)
