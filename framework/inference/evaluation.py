"""Loss and metrics of a split, computed batch by batch, for every replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.blame import blame
from framework.core.context import Context
from framework.core.protocols import Metric
from framework.core.signatures import accepts_argument
from framework.core.types import Params
from framework.data.loader import BatchSampler, DataLoader
from framework.data.scaling import Scale
from framework.inference.units import Unit, unit_of
from framework.nn.contracts import check_counts, check_value
from framework.nn.heads import Head, part_weights, total_loss
from framework.nn.microbatch import MicrobatchedNetwork
from framework.nn.network import Network, Values, slice_carry

EVALUATION_BATCH = 1024  # examples per batch, ...
EVALUATION_STEPS = 4096  # ... or steps of sequences; limits the memory for activations
STREAM = 10  # for stateful sequences: at least this many windows per stream, since the first one starts without a state


@dataclass(frozen=True)
class HeadMetric:
    """A metric, the head whose predictions it reads, and the unit of the target if that is scaled."""

    metric: Metric
    head: str
    unit: Unit | None = None

    def count(self, heads: Mapping[str, Head], values: Values, ctx: Context) -> Array:
        """The metric's counts on these outputs (..., k)."""
        head = heads[self.head]
        raw = getattr(self.metric, "raw", False)
        y = head.output(values) if raw else head.prediction(values, ctx)
        t = ctx.batch[head.target] if head.target else None
        if head.target in ctx.soft and not getattr(self.metric, "soft_labels", False):
            t = _most_likely(t)
        if self.unit is not None:
            y, t = self.unit(y, ctx), self.unit(t, ctx)
        return self.metric.count(y, t, ctx, ctx.batch.get(head.mask) if head.mask else None)


def in_units(measures: Mapping[str, HeadMetric], heads: Mapping[str, Head], scale: Scale) -> dict[str, HeadMetric]:
    """Metrics that read targets and predictions in the unit of the data. A metric of raw outputs keeps the scaled ones if
    they hold more than predictions, such as variances."""
    units = {name: unit_of(head, scale) for name, head in heads.items()}
    kept = [m for m in measures.values() if getattr(m.metric, "raw", False) and hasattr(heads[m.head].loss, "width")]
    return {name: m if m in kept else replace(m, unit=units[m.head]) for name, m in measures.items()}


def _most_likely(t: Any) -> Array:
    """The most likely classes (..., N) of probabilities (..., N, K), or of those of class 1 (..., N, 1)."""
    classes: Array = (t[..., 0] > 0.5).astype(np.int64) if t.shape[-1] == 1 else t.argmax(-1)
    return classes


def value_of(metric: Any, counts: Array, ctx: Context) -> Array:
    """The value (...) of a metric, which may ask for the context."""
    found: Array = metric.value(counts, ctx) if accepts_argument(metric, "value", "ctx") else metric.value(counts)
    return found


def keeps_rows(metric: Any) -> bool:
    """Whether a metric reads all examples at once: its counts are rows (..., M, k), which are concatenated over batches."""
    return bool(getattr(metric, "rows", False))


def over_batches(metric: Any, found: np.ndarray) -> np.ndarray:
    """The counts (R, ...) of several batches (R, batches, ...) together."""
    if keeps_rows(metric):
        return found.reshape(found.shape[0], -1, found.shape[-1])
    total: np.ndarray = found.sum(1, dtype=found.dtype)
    return total


def parts_of(metric: Any, counts: Array, ctx: Context) -> Mapping[str, Array]:
    """The values of the parts of a metric, which may ask for the context."""
    found: Mapping[str, Array] = (
        metric.parts(counts, ctx) if accepts_argument(metric, "parts", "ctx") else metric.parts(counts)
    )
    return found


def _called(name: str, metric: Any) -> str:
    """How messages call a metric: `metrics.top (TopK)`."""
    return f"metrics.{name} ({type(metric).__name__})"


class MetricAccumulator:
    """Counts of several metrics over batches, on the device: summed, or rows that are concatenated when they are read."""

    def __init__(self, measures: Mapping[str, HeadMetric]) -> None:
        self.measures = measures
        self.found: dict[str, list[Array]] = {}
        self.xp: Any = np

    @property
    def counts(self) -> dict[str, Array]:
        """The counts of every metric so far."""
        for each in self.found.values():
            if len(each) > 1:
                each[:] = [self.xp.concatenate(each, -2)]
        return {name: each[0] for name, each in self.found.items()}

    def add(self, heads: Mapping[str, Head], values: Values, ctx: Context) -> None:
        """Add the counts of a batch."""
        for name, measure in self.measures.items():
            metric = measure.metric
            try:
                counts = measure.count(heads, values, ctx)
                if name not in self.found:
                    check_counts(_called(name, metric), counts, ctx.replicas, keeps_rows(metric))
            except Exception as error:
                blame(error, f"{_called(name, metric)}: count")
                raise
            self.add_counts(name, counts, ctx.xp)

    def add_counts(self, name: str, counts: Array, xp: Any) -> None:
        """Add counts of one metric."""
        self.xp, each = xp, self.found.setdefault(name, [])
        if each and not keeps_rows(self.measures[name].metric):
            each[0] = each[0] + counts
        else:
            each.append(counts)

    def values(self, ctx: Context, parts: bool = False) -> dict[str, Array]:
        """The value (...) of every metric, by name, and as <name>/<part> the values of its parts."""
        found: dict[str, Array] = {}
        for name, counts in self.counts.items():
            metric: Any = self.measures[name].metric
            try:
                found[name] = value_of(metric, counts, ctx)
                check_value(_called(name, metric), found[name], ctx.replicas)
            except Exception as error:
                blame(error, f"{_called(name, metric)}: value")
                raise
            if parts and hasattr(metric, "parts"):
                found |= {f"{name}/{part}": value for part, value in parts_of(metric, counts, ctx).items()}
        return found

    def keep_replicas(self, keep: Array) -> None:
        """Drop the replicas that have stopped."""
        self.found = {name: [counts[keep] for counts in each] for name, each in self.found.items()}


def evaluate(
    network: Network | MicrobatchedNetwork,
    heads: Mapping[str, Head],
    measures: Mapping[str, HeadMetric],
    p: Mapping[str, Params],
    feed: DataLoader,
    ctx: Context,
    parts: bool = False,
) -> dict[str, Array]:
    """`loss` and every metric over a split, (...) each; with `parts` also those of its parts."""
    tally, loss = MetricAccumulator(measures), 0.0
    size = min(EVALUATION_BATCH, max(1, EVALUATION_STEPS // feed.longest))
    if feed.stateful:
        size = max(1, min(size, feed.n // STREAM))
    order = BatchSampler(feed.n, size, (), 0, shuffle=False, stateful=feed.stateful)
    carry: Mapping[str, Array] = {}
    for start in order.starts:
        n = min(size, feed.n - start)
        here = ctx.but(train=False, batch=feed.batch(order.at(start)), carry=slice_carry(carry, n, ctx))
        share = n / feed.n
        whole = here.batch if share == 1 else feed.batch(slice(0, feed.n))
        value, caches = measure(network, heads, p, whole, share, here, tally)
        carry = network.carry(caches) if feed.stateful else carry
        loss = loss + value
    return {"loss": loss, **tally.values(ctx, parts)}


def measure(
    network: Network | MicrobatchedNetwork,
    heads: Mapping[str, Head],
    p: Mapping[str, Params],
    whole: Mapping[str, Array],
    share: float,
    ctx: Context,
    tally: MetricAccumulator,
) -> tuple[Array, Mapping[str, Any]]:
    """The loss of a batch (...), weighted so that the batches of a split add up, and its caches; metrics go to the tally.

    Args:
        whole: the fields of the split.
        share: the batch's fraction of the split's examples.
    """
    values, caches = network.forward(p, ctx)
    loss, _ = total_loss(heads, values, ctx, part_weights(heads, ctx.batch, whole, share, ctx))
    tally.add(heads, values, ctx)
    return loss, caches
