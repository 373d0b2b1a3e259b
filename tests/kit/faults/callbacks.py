"""Callbacks with one fault each."""

from typing import ClassVar

import numpy as np

from framework import Callback, option
from tests.kit.faults import Faults

FAULTS = fault = Faults("callback")


@fault("methods")
class Misspelt(Callback):
    """on_step is never called."""

    def on_step(self, member, first, columns, rows):
        return None


@fault("methods")
class NotAMethod(Callback):
    """on_end is a value."""

    on_end: ClassVar = "end"


@fault("calls")
class TooFewArguments(Callback):
    """on_metrics lacks the member."""

    def on_metrics(self, step, values):
        return None


@fault("calls")
class NeedsStart(Callback):
    """framework.train calls no on_start."""

    def on_start(self, runs):
        object.__setattr__(self, "names", [run.name for run in runs])

    def on_steps(self, member, first, columns, rows):
        self.names[member]


@fault("calls")
class OneMember(Callback):
    """It fails for the second network of a stack."""

    def on_steps(self, member, first, columns, rows):
        ["only"][member]


@fault("calls")
class NeedsLoss(Callback):
    """It needs a column that not every training has."""

    def on_steps(self, member, first, columns, rows):
        list(columns).index("train/accuracy")


@fault("calls")
class NeedsValidation(Callback):
    """It reads val/loss, which may be missing."""

    def on_metrics(self, member, step, values):
        values["val/loss"]


@fault("calls")
class ChangesRows(Callback):
    """The rows are smoothed in place; other callbacks see it."""

    def on_steps(self, member, first, columns, rows):
        rows *= 0.5


@fault("calls")
class ChangesMetrics(Callback):
    """The metrics are renamed in place."""

    def on_metrics(self, member, step, values):
        values["mine"] = 1.0


@fault("calls")
class ChangesWeights(Callback):
    """The trained weights are rounded in place."""

    def on_end(self, outcome):
        for tensors in outcome.weights.values():
            for a in tensors.values():
                a[...] = np.round(a)


@fault("calls")
class ChangesTheResult(Callback):
    """The result gets another status."""

    def on_end(self, outcome):
        outcome.status = "finished"
        outcome.metrics["mine"] = 1.0


@fault("calls")
class FinishNeedsSteps(Callback):
    """A training that failed at once has no steps."""

    def on_steps(self, member, first, columns, rows):
        object.__setattr__(self, "_last", rows[-1])

    def on_finish(self):
        self._last


@fault("calls")
class OneStepAtATime(Callback):
    """It expects one row per call."""

    def on_steps(self, member, first, columns, rows):
        (_row,) = rows


@fault("calls")
class NanFails(Callback):
    """A loss of NaN is an error."""

    def on_steps(self, member, first, columns, rows):
        [int(v) for v in rows[:, 0]]


@fault("calls")
class DivergedFails(Callback):
    """It knows two of the three statuses."""

    def on_end(self, outcome):
        {"finished": 1, "stopped_early": 2}[outcome.status]


@fault("calls")
class SharedList(Callback):
    """All instances append to one list; the second training sees the first."""

    kept: ClassVar[list] = []

    def on_steps(self, member, first, columns, rows):
        if any(kept == (member, first) for kept in self.kept):
            raise RuntimeError("seen twice")
        self.kept.append((member, first))


@fault("calls")
class ProbesOfOneColumn(Callback):
    """It expects one probe."""

    def on_probe(self, member, steps, columns, rows):
        (_name,) = columns


@fault("choices")
class OptionBreaks(Callback):
    """`every: null` fails at run time."""

    every: int | None = option(2)

    def on_steps(self, member, first, columns, rows):
        rows[:: self.every + 0]


@fault("calls")
class GlobalSeed(Callback):
    """It seeds NumPy's global generator."""

    def on_steps(self, member, first, columns, rows):
        np.random.seed(0)
