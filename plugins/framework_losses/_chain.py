"""A linear chain of tags: its partition function, marginals and best path, by loops over time.

The scores are x_t of a tag at a step (..., T, N, K), and y_t (..., T, N, K K + 2 K) of transitions, of first and of last
tags, at each step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from framework import Array, scan


class Chain(NamedTuple):
    """The scores of all sequences.

    Attributes:
        xp: the array module.
        x: of the tags, (..., T, N, K).
        A: of tag j after tag i, (..., T, N, K, K).
        start, end: of first and of last tags, (..., T, N, K).
        there: True where a step counts, (..., T, N, 1).
    """

    xp: Any
    x: Array
    A: Array
    start: Array
    end: Array
    there: Array

    @classmethod
    def of(cls, xp: Any, x: Array, y: Array, mask: Array | None) -> Chain:
        """The scores x and y as they come from their nodes."""
        K = x.shape[-1]
        A = y[..., : K * K].reshape(*y.shape[:-1], K, K)
        there = xp.ones((1,) * (x.ndim - 3) + (*x.shape[-3:-1], 1), bool) if mask is None else (mask > 0)[..., None]
        return cls(xp, x, A, y[..., K * K : K * K + K], y[..., K * K + K :], there)

    def first_state(self) -> tuple[Array, Array, Array]:
        """Before the first step: nothing is reached, no step was there, nothing would end."""
        zero = self.xp.zeros_like(self.x[..., 0, :, :] + self.start[..., 0, :, :])
        return zero, zero[..., :1], zero

    def after(self, t: Any, state: tuple[Array, Array, Array], reached: Array) -> tuple[Array, Array, Array]:
        """The state after step t.

        Args:
            reached: the scores of each tag at t by the steps before it, without x_t, (..., N, K).
        """
        xp, there, (scores, started, end) = self.xp, self.there[..., t, :, :], state
        new = xp.where(started > 0, reached, self.start[..., t, :, :]) + self.x[..., t, :, :]
        kept = (xp.where(there, new, scores), xp.where(there, xp.ones_like(started), started))
        return *kept, xp.where(there, self.end[..., t, :, :], end)


def log_sum(z: Array, xp: Any, axis: int) -> Array:
    """log of the sum of e^z over an axis, which stays, with length 1."""
    m = z.max(axis, keepdims=True)
    return m + xp.log(xp.exp(z - m).sum(axis, keepdims=True))


class Forward(NamedTuple):
    """The forward algorithm's result.

    Attributes:
        log_z: log Z, (..., N).
        score: of the given tags, (..., N).
        last: the marginals of the last tag, (..., N, K).
        steps: by step, the probability of i before j, given j and the steps before (..., N, K, K); 1 if a step was there
            before (..., N, 1); the tag given before (..., N, K), 0 if none was.
    """

    log_z: Array
    score: Array
    last: Array
    steps: Any


def forward(chain: Chain, tags: Array) -> Forward:
    """alpha_t(j) = x_t(j) + log sum_i e^(alpha_{t-1}(i) + A_ij);  log Z = log sum_j e^(alpha_T(j) + end_j).

    Args:
        tags: one-hot, (..., T, N, K).
    """
    xp = chain.xp

    def step(t: Any, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
        alpha, started, end, before, score = state
        z = alpha[..., :, None] + chain.A[..., t, :, :, :]
        total = log_sum(z, xp, -2)
        now, there = tags[..., t, :, :], chain.there[..., t, :, :]
        pair = before[..., :, None] * now[..., None, :]
        own = ((chain.x[..., t, :, :] + (1 - started) * chain.start[..., t, :, :]) * now).sum(-1, keepdims=True)
        more = own + (pair * chain.A[..., t, :, :, :]).sum((-2, -1))[..., None]
        after = chain.after(t, (alpha, started, end), total[..., 0, :])
        told = (xp.where(there, now, before), score + xp.where(there, more, xp.zeros_like(more)))
        return (*after, *told), (xp.exp(z - total), started, before)

    alpha, started, end = chain.first_state()
    (alpha, _, end, before, score), steps = scan(xp, chain.x.shape[-3], step, (alpha, started, end, alpha, started))
    log_z = log_sum(alpha + end, xp, -1)
    return Forward(log_z[..., 0], score[..., 0] + (end * before).sum(-1), xp.exp(alpha + end - log_z), steps)


def expected_minus_given(chain: Chain, tags: Array, found: Forward) -> tuple[Array, Array]:
    """The gradient of log Z - score: the marginals of tags, pairs, first and last tags, minus those of the given tags.

    From the last step to the first: p_{t-1}(i) = sum_j p(i, j), p(i, j) = p_t(j) p(i before j | j).

    Returns:
        dx (..., T, N, K) and dy (..., T, N, K K + 2 K).
    """
    xp = chain.xp

    def step(t: Any, state: tuple[Array, Array]) -> tuple[tuple[Array, Array], Any]:
        p, ended = state
        given_next, started, before = found.steps[t]
        there, now = chain.there[..., t, :, :], tags[..., t, :, :]
        pairs = started[..., None] * given_next * p[..., None, :]
        zero, d = xp.zeros_like(p), p - now
        dx = xp.where(there, d, zero)
        dA = xp.where(there[..., None], pairs - before[..., :, None] * now[..., None, :], xp.zeros_like(pairs))
        dy = (dA.reshape(*dA.shape[:-2], -1), (1 - started) * dx, (1 - ended) * dx)
        p_before = xp.where(there & (started > 0), pairs.sum(-1), p)
        return (p_before, xp.where(there, xp.ones_like(ended), ended)), (dx, xp.concatenate(dy, -1))

    ended = xp.zeros_like(found.last[..., :1])
    _, steps = scan(xp, chain.x.shape[-3], step, (found.last, ended), reverse=True)
    return steps.part(0).stacked(), steps.part(1).stacked()


def best_path(chain: Chain) -> Array:
    """The path of the highest score (Viterbi), one-hot (..., T, N, K). A step that does not count repeats a neighbour."""
    xp, K = chain.xp, chain.x.shape[-1]
    ids = xp.arange(K)

    def ahead(t: Any, state: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array, Array], Any]:
        z = state[0][..., :, None] + chain.A[..., t, :, :, :]
        return chain.after(t, state, z.max(-2)), (z.argmax(-2), state[1])

    (best, _, end), steps = scan(xp, chain.x.shape[-3], ahead, chain.first_state())

    def back(t: Any, tag: Array) -> tuple[Array, Array]:
        pointer, started = steps[t]
        before = ((pointer[..., None, :] == ids[:, None]) * tag[..., None, :]).sum(-1)
        return xp.where(chain.there[..., t, :, :] & (started > 0), before, tag), tag

    last = ((best + end).argmax(-1)[..., None] == ids).astype(best.dtype)
    return scan(xp, chain.x.shape[-3], back, last, reverse=True)[1].stacked()
