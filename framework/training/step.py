"""One training step of R networks: gradient, penalties, norms, clipping, update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from framework.config.options import TrainerOptions
from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.protocols import Regularizer
from framework.core.random import Key
from framework.core.stacking import keep_replicas, stack, to_device
from framework.core.types import Params
from framework.data.augmentation import Augmenter
from framework.data.dataset import Data
from framework.data.loader import DataLoader
from framework.inference.evaluation import MetricAccumulator
from framework.nn.arena import Arena
from framework.nn.contracts import check_penalty
from framework.nn.heads import part_weights, single, total_loss
from framework.nn.microbatch import MicrobatchedNetwork, in_blocks
from framework.nn.network import Network, Values, slice_carry
from framework.nn.training_step import TrainingStep
from framework.training.check import check_changes
from framework.training.groups import grouped, is_wide
from framework.training.learner import Learner
from framework.training.schedules import Schedules
from framework.training.update import Update, by_array, check_state, rate

Rows = np.ndarray | slice


class Batch(NamedTuple):
    """The input of an update: rows of the training split, time steps of sequences (None: all), and whether they continue the
    previous batch."""

    rows: Rows
    times: slice | None = None
    goes_on: bool = False


class TrainState:
    """R networks in training: options, tensors, optimizer slots, data and keys, all with a leading axis R.

    Attributes:
        learner: with the options that were set; `training` is the one of a step, with those that schedules drive.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        data: Sequence[Data],
        keys: Sequence[Key],
        xp: Any,
        dtype: Any,
        threads: int | None = None,
    ) -> None:
        if len(data) not in (1, len(learners)):
            raise ValueError(f"{len(data)} data sets for {len(learners)} learners; give one for all, or one for each")
        drawn = [learner.network.init(key) for learner, key in zip(learners, keys, strict=True)]
        replicas = [{**tensors, **learner.initial} for (tensors, _), learner in zip(drawn, learners, strict=True)]
        self.xp, self.dtype, self.data = xp, np.dtype(dtype), data[0]
        self.threads, self.shapes = threads, drawn[0][1]
        self.arena: Arena = learners[0].network.arena(replicas[0])
        stacked: Learner = stack([replace(learner, initial={}) for learner in learners])
        self.learner: Learner = to_device(stacked, xp)
        self.schedules = Schedules(stacked, len(keys), xp)
        self._plan()
        self.members, self.keys = np.arange(len(keys)), tuple(keys)
        self._context: Context | None = None
        self.feeds = {split: DataLoader(data, split, xp, dtype) for split in ("train", "val") if split in data[0].splits}
        chosen = [learner.augmentations for learner in learners]
        self.augmenter = Augmenter(self.feeds["train"], data, chosen, single(learners[0].heads)) if any(chosen) else None
        if self.augmenter:
            check_changes(learners[0], self.augmenter.changed, data[0])
        self.soft = self.augmenter.soft if self.augmenter else ()
        self._hold(xp.asarray(self.arena.fill(replicas, dtype)))
        self.state = self.learner.optimizer.init(self.trained)
        check_state(self.learner.optimizer, self.state)
        self.update: Update = by_array
        self.carry: Mapping[str, Array] = {}  # final states of the previous batch, for stateful sequences and chunks

    def _plan(self) -> None:
        learner, groups = self.learner, self.learner.groups
        if groups:
            where = (self.arena.tensors, self.schedules.replicas, self.arena.P, self.xp)
            learner = replace(learner, optimizer=grouped(learner.optimizer, groups, *where))
        self.training = self.schedules.attach(learner)
        self.network = self.passes_of(self.training)
        self.watched = self.passes_of(self.training, watched=True) if self.learner.probes else self.network
        self.evaluated = self.network if self.training is self.learner else self.passes_of(self.learner)

    def passes_of(self, learner: Learner, watched: bool = False) -> Network | MicrobatchedNetwork:
        """The network that runs the forward and backward passes of a stack, on the CPU in blocks if possible.

        Args:
            watched: whether every node's output is needed.
        """
        learner.network.know(self.shapes)
        if self.xp is not np:
            return learner.network
        read = {name for head in learner.heads.values() for name in head.sources}
        return in_blocks(learner.network, self.shapes, set(learner.network.nodes) if watched else read, self.threads)

    def blas_threads(self, examples: int) -> int | None:
        """BLAS threads for a batch of this many examples: one if several blocks run at once, since a second BLAS thread,
        waiting for its next product, would occupy the core of another block."""
        at_once = isinstance(self.network, MicrobatchedNetwork) and len(self.network.blocks(examples, len(self.keys))) > 1
        return 1 if at_once else self.threads

    def _hold(self, w: Array) -> None:
        self.w, self.p = w, self.arena.views(w)
        self.trained = w[..., : self.arena.P]
        self.g = self.xp.zeros(self.trained.shape, w.dtype)
        self.dp = self.arena.views(self.g)

    def context(self, step: int, **more: Any) -> Context:
        """The context of the whole stack at a step."""
        if self._context is None or self._context.keys is not self.keys:
            self._context = Context(self.xp, (len(self.keys),), self.keys, tensors=self.arena.tensors)
        return self._context.but(step=step, **more)

    def batch(self, batch: Batch, step: int, part: int = 0) -> dict[str, Array]:
        """The fields of a batch of the training split, augmented if the learners have augmentations."""
        feed, rows, times = self.feeds["train"], batch.rows, batch.times
        fields = feed.batch(rows)
        if self.augmenter is not None:
            changed = self.augmenter.batch(rows, self.keys, step, part)
            fields |= {name: self.xp.asarray(a) for name, a in changed.items()}
        if times is not None:
            fields |= {name: fields[name][:, times] for name in feed.time_major}
        return fields

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped; keep: (R,) of booleans."""
        on_device = self.xp.asarray(keep)
        self._hold(self.w[on_device])
        self.state, self.carry = keep_replicas(self.state, on_device), keep_replicas(self.carry, on_device)
        self.learner = keep_replicas(self.learner, on_device)
        self.schedules.keep_replicas(keep)
        self._plan()
        self.members, self.keys = self.members[keep], tuple(k for k, kept in zip(self.keys, keep, strict=True) if kept)
        for feed in self.feeds.values():
            feed.keep_replicas(on_device)
        if self.augmenter is not None:
            self.augmenter.keep_replicas(keep)


class Pass(NamedTuple):
    """A forward and backward pass: the loss (R,); outputs, caches, gradients of outputs and the context of its last part."""

    loss: Array
    values: Values
    caches: Mapping[str, Any]
    dvalues: Values
    ctx: Context


def train_step(
    s: TrainState, batch: Batch, step: int, total: int, tally: MetricAccumulator, row: Array, watched: bool = False
) -> TrainingStep | None:
    """One update of every replica; `row` (R, columns) receives loss, penalty and norms, before clipping.

    Returns:
        The training step for probes, if `watched`.
    """
    learner = s.training
    s.schedules.apply(step, total)
    ctx = s.context(step, lag=learner.options.bptt.lag)
    if batch.goes_on:
        ctx = ctx.but(carry=s.carry if isinstance(batch.rows, slice) else slice_carry(s.carry, batch.rows.shape[-1], ctx))
    optimizer, p = learner.optimizer, s.p
    before = look = s.w.copy() if watched else s.w
    if hasattr(optimizer, "lookahead"):
        look = s.w.copy()
        look[..., : s.arena.P] = optimizer.lookahead(s.trained, s.state, ctx)
        p = s.arena.views(look)

    done = gradient(s, p, batch, ctx, tally, watched)
    ctx = done.ctx
    s.carry = learner.network.carry(done.caches) if s.data.stateful or batch.times is not None else {}
    penalty = add_penalties(learner.regularizers, p, s.dp, ctx)
    norms = s.arena.norms(s.g, s.xp)
    row[:, 0] = done.loss
    if learner.regularizers:
        row[:, 1] = 0 if penalty is None else penalty
    row[:, -norms.shape[-1] :] = norms
    clip(s.g, norms[..., :1], learner.options, ctx)

    lr = rate(optimizer, s.schedules.factor(step, total), s.g, ctx)
    s.update(optimizer, s.trained, s.g, s.state, lr, ctx)
    learner.network.after(s.p, done.caches, ctx)
    for regularizer in learner.regularizers:
        if hasattr(regularizer, "after"):
            if is_wide(lr):  # a number for each column
                for W, own in penalised(regularizer, s.p, s.arena.views(lr)):
                    regularizer.after(W, own, ctx)
                continue
            for W, _ in penalised(regularizer, s.p, s.dp):
                regularizer.after(W, ctx.per(lr, W), ctx)  # (..., 1, 1): it broadcasts with W
    if not watched:
        return None
    w = before[..., : s.arena.P]
    seen = (learner.network, look, s.dp, done.values, done.caches, done.dvalues, done.ctx, s.arena, w, s.trained)
    return TrainingStep(*seen, learner.heads, done.loss, lr, s.g, time_major=s.feeds["train"].time_major)


def gradient(
    s: TrainState, p: Mapping[str, Params], batch: Batch, ctx: Context, tally: MetricAccumulator, watched: bool = False
) -> Pass:
    """The loss (R,) at the tensors p, with its gradient in s.g, and the pass of the last part."""
    net, heads, feed = s.watched if watched else s.network, s.training.heads, s.feeds["train"]
    rows = batch.rows
    parts = [(rows, 1.0)] if s.learner.options.accumulate == 1 else list(cut(rows, s.learner.options.batch_size, feed.n))
    loss: Any = 0.0
    summed = s.xp.zeros_like(s.g) if len(parts) > 1 else None
    whole = {} if summed is None else feed.batch(rows)
    for i, (part, share) in enumerate(parts):
        ctx = ctx.but(part=i, batch=s.batch(Batch(part, batch.times), ctx.step, i), soft=s.soft)
        values, caches = net.forward(p, ctx)
        of_whole = None if summed is None else part_weights(heads, ctx.batch, whole, share, ctx)
        value, dvalues = total_loss(heads, values, ctx, of_whole)
        dvalues = net.backward(p, caches, dvalues, s.dp, ctx)
        loss = value if i == 0 else loss + value
        if tally.measures:
            tally.add(heads, values, ctx)
        if summed is not None:
            summed += s.g
    if summed is not None:
        s.g[...] = summed
    return Pass(loss, values, caches, dvalues, ctx)


def cut(rows: Rows, batch_size: int | str, n: int) -> Iterator[tuple[Rows, float]]:
    """The batches that make one update, each with its fraction of the examples."""
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
    """Add the gradient of every penalty in place; return their sum (R,), or None without a regularizer."""
    total = None
    for regularizer in regularizers:
        for W, dW in penalised(regularizer, p, dp):
            result = regularizer(W, ctx)
            check_penalty(regularizer, result, W)
            penalty, d = result
            dW += d
            total = penalty if total is None else total + penalty
    return total


def clip(g: Array, norm: Array, options: TrainerOptions, ctx: Context) -> None:
    """g <- g min(1, clip_norm / |g|), each replica by its own norm (..., 1), or g <- max(-clip_value, min(clip_value, g));
    in place."""
    if options.clip_norm is not None:
        largest = ctx.per(options.clip_norm, g)
        g *= ctx.xp.where(norm > largest, largest / norm, ctx.xp.ones_like(norm))
    if options.clip_value is not None:
        largest = ctx.per(options.clip_value, g)
        ctx.xp.minimum(g, largest, out=g)
        ctx.xp.maximum(g, -largest, out=g)
