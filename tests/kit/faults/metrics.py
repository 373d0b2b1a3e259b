"""Metrics with one fault each."""

from typing import ClassVar

import numpy as np

from framework import option
from framework_metrics.accuracy import Accuracy
from framework_metrics.perplexity import Perplexity
from tests.kit.faults import Faults

FAULTS = fault = Faults("metric")


def core(a, ctx):
    return tuple(range(len(ctx.replicas) - a.ndim, 0))


def right_of(y, t):
    return (y.argmax(-1) == t) if y.shape[-1] > 1 else ((y[..., 0] > 0.5) == t)


class Labels:
    """The fraction of right labels."""

    targets: ClassVar = ("label",)

    def right(self, y, t):
        return right_of(y, t)

    def weight(self, right, ctx, mask):
        return ctx.xp.ones_like(right, dtype=float) if mask is None else mask + 0.0 * right

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t)
        weight = self.weight(right, ctx, mask).astype(y.dtype)
        return ctx.xp.stack([(right * weight).sum(core(right, ctx)), weight.sum(core(right, ctx))], -1)

    def value(self, counts):
        return counts[..., 0] / counts[..., 1]


@fault("counts")
class MeanOfMeans(Labels):
    """Each batch counts once, whatever its size."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        return counts / counts[..., 1:]


@fault("mask")
class IgnoresTheMask(Labels):
    """Padding counts."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t, ctx)


@fault("weights")
class MaskIsYesOrNo(Labels):
    """A weight of 2 counts as 1."""

    def weight(self, right, ctx, mask):
        return super().weight(right, ctx, None if mask is None else (mask > 0).astype(float))


@fault("weights")
class MaskIsInteger(Labels):
    """A weight of 1/2 counts as 0."""

    def weight(self, right, ctx, mask):
        return super().weight(right, ctx, None if mask is None else ctx.xp.floor(mask))


@fault("mask")
class DividesByAll(Labels):
    """Right answers by weight, but all steps in the denominator."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        counts[..., 1] = super().count(y, t, ctx)[..., 1]
        return counts


@fault("weights")
class MaskTwice(Labels):
    """The mask is applied to the weights twice: a weight of 2 counts as 4."""

    def weight(self, right, ctx, mask):
        return super().weight(right, ctx, None if mask is None else mask * mask)


@fault("mask")
class EmptyBatch(Labels):
    """A batch of padding alone is NaN, and so is the whole split."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        return counts / counts[..., 1:] * counts[..., 1:]


@fault("mask")
class ReadsPadding(Labels):
    """Predictions after the end of a sequence shift the threshold."""

    def right(self, y, t):
        return (y[..., 0] > y[..., 0].mean()) == (t > 0)


@fault("mask")
class OneStepCounts(Labels):
    """Of a sequence only the last step counts, without saying so."""

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t)
        if right.ndim > len(ctx.replicas) + 1:
            right = right[..., -1, :]
            mask = None if mask is None else mask[..., -1, :]
        weight = self.weight(right, ctx, mask)
        return ctx.xp.stack([(right * weight).sum(core(right, ctx)), weight.sum(core(right, ctx))], -1)


@fault("mask")
class DividesByN(Labels):
    """The denominator ignores the time axis."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        counts[..., 1] = t.shape[-1]
        return counts


@fault("counts")
class NoTimeAxis(Labels):
    """It sums over one axis only."""

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t)
        weight = self.weight(right, ctx, mask)
        return ctx.xp.stack([(right * weight).sum(-1), weight.sum(-1)], -1)


@fault("targets")
class BinaryIsNotRead(Labels):
    """It declares binary targets and takes the largest of one column."""

    targets: ClassVar = ("label", "binary")

    def right(self, y, t):
        return y.argmax(-1) == t


@fault("targets")
class ColumnsAreNotRead(Labels):
    """It declares columns of labels, and fails on them."""

    targets: ClassVar = ("label", "columns")


@fault("targets")
class OnlyTheFirstColumn(Accuracy):
    """Of several columns it reads the first."""

    targets: ClassVar = ("columns",)

    def count(self, y, t, ctx, mask=None):
        return super().count(y[..., :1], t[..., :1], ctx, mask)


@fault("targets")
class UnknownTarget(Labels):
    """A kind of target that does not exist."""

    targets: ClassVar = ("labels",)


@fault("targets")
class LastClassIsLost(Labels):
    """The last class is never right."""

    def right(self, y, t):
        return (y[..., :-1].argmax(-1) == t) if y.shape[-1] > 2 else super().right(y, t)


@fault("stack_law")
class OverAllReplicas(Labels):
    """The counts of all replicas together."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        return counts * 0 + counts.reshape(-1, 2).sum(0)


@fault("neighbours")
class NeighboursNan(Labels):
    """A replica of NaN spoils the others."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t, ctx, mask) + 0 * y.sum()


@fault("stack_law")
class ValueOfTheFirst(Labels):
    """The value of the first replica for all."""

    def value(self, counts):
        flat = counts.reshape(-1, 2)
        return counts[..., 0] * 0 + flat[0, 0] / flat[0, 1]


@fault("targets")
class ValueIsAColumn(Labels):
    """The value keeps an axis."""

    def value(self, counts):
        return counts[..., :1] / counts[..., 1:]


@fault("counts")
class CountsWithoutAxis(Labels):
    """The counts have no axis k."""

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t)
        return (right * self.weight(right, ctx, mask)).sum(core(right, ctx))

    def value(self, counts):
        return counts


@fault("pure")
class ChangesPredictions(Labels):
    """y is clipped in place."""

    def count(self, y, t, ctx, mask=None):
        y += 1
        return super().count(y, t, ctx, mask)


@fault("pure")
class ChangesCounts(Labels):
    """The value divides the counts in place; the next batch is added to the quotient."""

    def value(self, counts):
        counts[..., 0] /= counts[..., 1]
        return counts[..., 0].copy()


@fault("pure")
class ChangesTheMask(Labels):
    """The mask is normalised in place."""

    def count(self, y, t, ctx, mask=None):
        if mask is not None:
            mask /= 2
        return super().count(y, t, ctx, mask)


@fault("pure")
class SumsOnItself(Labels):
    """The counts are summed on the object."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        object.__setattr__(self, "_sum", getattr(self, "_sum", 0) + counts)
        return self._sum


@fault("device")
class HostValue(Labels):
    """float(...) in value: a transfer for every replica."""

    def value(self, counts):
        return np.asarray(counts)[..., 0] / np.asarray(counts)[..., 1]


@fault("device")
class HostCounts(Labels):
    """NumPy in count."""

    def count(self, y, t, ctx, mask=None):
        return super().count(np.asarray(y), np.asarray(t), ctx, mask)


@fault("direction")
class ErrorWithoutDirection(Labels):
    """The fraction of errors, without lower_is_better: early stopping keeps the worst."""

    def value(self, counts):
        return 1 - counts[..., 0] / counts[..., 1]


@fault("direction")
class PerplexityUpwards(Perplexity):
    """Perplexity as if more were better."""

    lower_is_better: ClassVar = False


@fault("counts")
class LargestOfABatch(Labels):
    """The largest number of right answers in a batch is no sum."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        counts[..., 0] = counts[..., 0] ** 2 / counts[..., 1]
        return counts


@fault("counts")
class FirstExampleTwice(Labels):
    """The first example of a batch counts twice."""

    def weight(self, right, ctx, mask):
        weight = super().weight(right, ctx, mask)
        weight[..., :1] *= 2
        return weight


@fault("counts")
class AdjustsForTheBatch(Labels):
    """n - 1 in place of n, for each batch."""

    def count(self, y, t, ctx, mask=None):
        counts = super().count(y, t, ctx, mask)
        counts[..., 1] -= 0.5
        return counts


@fault("counts")
class NeedsTwo(Labels):
    """A batch of one example has no spread."""

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t) * 1.0
        return super().count(y, t, ctx, mask) + 0 * right.std(-1, ddof=1).sum(core(right, ctx)[1:])[..., None]


@fault("numbers")
class Overflows(Labels):
    """exp of a raw output of 1000."""

    raw: ClassVar = True

    def count(self, y, t, ctx, mask=None):
        e = ctx.xp.exp(y)
        return super().count(e / e.sum(-1, keepdims=True), t, ctx, mask) + 0 * (e / e.sum(-1, keepdims=True)).sum()


@fault("parts")
class PartsOfAll(Labels):
    """parts has no replica axes."""

    def parts(self, counts):
        return {"right": counts[..., 0].sum()}


@fault("options")
class RawThreshold(Labels):
    """The mean of an option in which replicas differ."""

    threshold: float = option(0.5, stackable=True)

    def right(self, y, t):
        return (y[..., 0] > np.mean(self.threshold)) == (t > 0)


@fault("strides")
class FlattensByReshape(Labels):
    """Labels are read in the order of memory, predictions in that of their axes."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t.ravel("K").reshape(t.shape), ctx, mask)


@fault("pure")
class Subsamples(Labels):
    """It measures a random half."""

    def weight(self, right, ctx, mask):
        return super().weight(right, ctx, mask) * (np.random.random(right.shape) < 0.5)


@fault("stack_law")
class DenominatorOfTheFirst(Labels):
    """All replicas are divided by the weights of the first."""

    def value(self, counts):
        return counts[..., 0] / counts.reshape(-1, 2)[0, 1]


@fault("pure")
class CountsInTrainingOnly(Labels):
    """Nothing counts in evaluation."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t, ctx, mask) * float(ctx.train)


class Ordered(Labels):
    """The fraction of right labels, from a row for each example."""

    rows: ClassVar = True

    def count(self, y, t, ctx, mask=None):
        right = self.right(y, t)
        rows = ctx.xp.stack([right * 1.0, self.weight(right, ctx, mask)], -1).astype(y.dtype)
        return rows.reshape(*ctx.replicas, -1, 2)

    def value(self, counts):
        return (counts[..., 0] * counts[..., 1]).sum(-1) / counts[..., 1].sum(-1)


@fault("counts")
class LaterRowsCountLess(Ordered):
    """The value depends on the order of the rows."""

    def value(self, counts):
        weight = counts[..., 1] / np.arange(1, 1 + counts.shape[-2])
        return (counts[..., 0] * weight).sum(-1) / weight.sum(-1)


@fault("mask")
class RowsOfPaddingCount(Ordered):
    """The value is divided by the number of rows."""

    def value(self, counts):
        return (counts[..., 0] * counts[..., 1]).mean(-1)


@fault("counts")
class SumsItsRows(Ordered):
    """The rows are summed already."""

    def count(self, y, t, ctx, mask=None):
        return super().count(y, t, ctx, mask).sum(-2)
