"""One training step of R networks: gradient, penalties, norms, clipping, update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from framework.arena import Arena
from framework.arrays import Array
from framework.components import Params, Regularizer
from framework.context import Context
from framework.data import Data, Feed
from framework.heads import shares, total_loss
from framework.learner import Learner
from framework.measuring import Tally
from framework.stacking import placed, stack, take
from framework.streams import Key
from framework.updating import Update, by_array

Rows = np.ndarray | slice


class Stack:
    """R networks in training: options, tensors, optimizer slots, data and keys, all with a leading axis R."""

    def __init__(self, learners: Sequence[Learner], data: Sequence[Data], keys: Sequence[Key], xp: Any, dtype: Any) -> None:
        if len(data) not in (1, len(learners)):
            raise ValueError(f"{len(data)} data sets for {len(learners)} learners; give one for all, or one for each")
        replicas = [{**learner.network.init(key)[0], **learner.initial} for learner, key in zip(learners, keys, strict=True)]
        self.xp, self.dtype = xp, np.dtype(dtype)
        self.arena: Arena = learners[0].network.arena(replicas[0])
        self.learner: Learner = placed(replace(stack(learners), initial={}), xp)  # they are in the arena now
        self.members, self.keys = np.arange(len(keys)), tuple(keys)
        self._context: Context | None = None
        self.feeds = {split: Feed(data, split, xp, dtype) for split in ("train", "val") if split in data[0].splits}
        self._hold(xp.asarray(self.arena.fill(replicas, dtype)))
        self.state = self.learner.optimizer.init(self.trained)
        self.update: Update = by_array

    def _hold(self, w: Array) -> None:
        self.w, self.p = w, self.arena.views(w)
        self.trained = w[..., : self.arena.P]
        self.g = self.xp.zeros(self.trained.shape, w.dtype)
        self.dp = self.arena.views(self.g)

    def context(self, step: int, **more: Any) -> Context:
        """The context of the whole stack at a step."""
        if self._context is None or self._context.keys is not self.keys:
            self._context = Context(self.xp, (len(self.keys),), self.keys)
        return self._context.but(step=step, **more)

    def take(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped; keep: (R,) of booleans."""
        on_device = self.xp.asarray(keep)
        self._hold(self.w[on_device])
        self.state = take(self.state, on_device)
        self.learner = take(self.learner, on_device)
        self.members, self.keys = self.members[keep], tuple(k for k, kept in zip(self.keys, keep, strict=True) if kept)
        for feed in self.feeds.values():
            feed.take(on_device)


def train_step(s: Stack, rows: Rows, step: int, total: int, tally: Tally, row: Array) -> None:
    """One update of every replica; `row` (R, columns) receives loss, penalty and norms, before clipping."""
    learner, ctx = s.learner, s.context(step)
    optimizer, p = learner.optimizer, s.p
    if hasattr(optimizer, "lookahead"):
        ahead = s.w.copy()
        ahead[..., : s.arena.P] = optimizer.lookahead(s.trained, s.state, ctx)
        p = s.arena.views(ahead)

    loss, caches, ctx = gradient(s, p, rows, ctx, tally)
    penalty = add_penalties(learner.regularizers, p, s.dp, ctx)
    norms = s.arena.norms(s.g, s.xp)
    row[:, 0] = loss
    if learner.regularizers:
        row[:, 1] = 0 if penalty is None else penalty
    row[:, -norms.shape[-1] :] = norms
    if learner.options.clip_norm is not None:
        clip(s.g, norms[..., :1], learner.options.clip_norm, ctx)

    lr = ctx.per(optimizer.lr, s.g) * learner.schedule(step, total)
    s.update(optimizer, s.trained, s.g, s.state, lr, ctx)
    learner.network.after(s.p, caches, ctx)
    for regularizer in learner.regularizers:
        if hasattr(regularizer, "after"):
            for W, _ in penalised(regularizer, s.p, s.dp):
                regularizer.after(W, lr, ctx)


def gradient(
    s: Stack, p: Mapping[str, Params], rows: Rows, ctx: Context, tally: Tally
) -> tuple[Array, dict[str, Any], Context]:
    """The loss (R,) at the tensors p, with its gradient in s.g; and the caches and the context of the last part."""
    net, heads, feed = s.learner.network, s.learner.heads, s.feeds["train"]
    parts = [(rows, 1.0)] if s.learner.options.accumulate == 1 else list(cut(rows, s.learner.options.batch_size, feed.n))
    loss: Any = 0.0
    summed = s.xp.zeros_like(s.g) if len(parts) > 1 else None
    whole = {} if summed is None else feed.batch(rows)
    for i, (part, share) in enumerate(parts):
        ctx = ctx.but(part=i, batch=feed.batch(part))
        values, caches = net.forward(p, ctx)
        of_whole = None if summed is None else shares(heads, ctx.batch, whole, share, ctx)
        value, dvalues = total_loss(heads, values, ctx, of_whole)
        net.backward(p, caches, dvalues, s.dp, ctx)
        loss = value if i == 0 else loss + value
        if tally.measures:
            tally.add(heads, values, ctx)
        if summed is not None:
            summed += s.g
    if summed is not None:
        s.g[...] = summed
    return loss, caches, ctx


def cut(rows: Rows, batch_size: int | str, n: int) -> Iterator[tuple[Rows, float]]:
    """The batches that make one update, with the share of its examples that each holds."""
    start, count = (rows.start, min(rows.stop, n) - rows.start) if isinstance(rows, slice) else (0, rows.shape[-1])
    size = count if isinstance(batch_size, str) else batch_size
    for at in range(0, count, size):
        stop = min(at + size, count)
        part = slice(start + at, start + stop) if isinstance(rows, slice) else rows[:, at:stop]
        yield part, (stop - at) / count


def penalised(regularizer: Regularizer, p: Mapping[str, Params], dp: Mapping[str, Params]) -> Iterator[tuple[Array, Array]]:
    """The trained tensors a regularizer acts on, with their gradients."""
    for node, tensors in dp.items():
        for name, dW in tensors.items():
            if name.startswith(regularizer.tensors):
                yield p[node][name], dW


def add_penalties(
    regularizers: Sequence[Regularizer], p: Mapping[str, Params], dp: Mapping[str, Params], ctx: Context
) -> Array | None:
    """Add the gradient of every penalty in place; return their sum (R,), or None where there is no regularizer."""
    total = None
    for regularizer in regularizers:
        for W, dW in penalised(regularizer, p, dp):
            penalty, d = regularizer(W, ctx)
            dW += d
            total = penalty if total is None else total + penalty
    return total


def clip(g: Array, norm: Array, largest: float | Array, ctx: Context) -> None:
    """g <- g min(1, largest / |g|) in place, each replica by its own norm (..., 1)."""
    largest = ctx.per(largest, g)
    g *= ctx.xp.where(norm > largest, largest / norm, ctx.xp.ones_like(norm))
