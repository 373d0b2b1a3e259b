"""Studies with one fault each."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from framework import Findings, option
from tests.kit.faults import Faults

FAULTS = fault = Faults("study")


def losses(experiment, steps=3):
    learner = experiment.learner
    options = replace(learner.options, steps=steps)
    outcomes = experiment.train([replace(learner, options=options)], [experiment.data], [experiment.settings.seed], [])
    return np.array([[o.step, o.best] for o in outcomes], float)


class Right:
    """One training of three steps."""

    def __call__(self, experiment):
        return self.findings(losses(experiment))

    def findings(self, values):
        return Findings(summary="trained", series={"study/loss": np.nan_to_num(values)})


@fault("run")
class Unfinished(Right):
    """A name that does not exist."""

    def findings(self, values):
        return Findings(summary=undefined_name)  # noqa: F821


@fault("run")
class ReturnsADict(Right):
    """A dictionary in place of Findings."""

    def findings(self, values):
        return {"loss": 1.0}


@fault("run")
class ReturnsNothing(Right):
    """No return."""

    def __call__(self, experiment):
        losses(experiment)


@fault("run")
class SeriesWithoutSteps(Right):
    """A series of values only."""

    def findings(self, values):
        return Findings(summary="trained", series={"study/loss": np.zeros(3)})


@fault("run")
class ColumnsAndRows(Right):
    """Two columns, three values in a row."""

    def findings(self, values):
        return Findings(summary="trained", columns=("a", "b"), rows=np.zeros((2, 3)))


@fault("run")
class SummaryIsNoText(Right):
    """The summary is a list of lines."""

    def findings(self, values):
        return Findings(summary=["trained"])


@fault("run")
class FileIsNoText(Right):
    """A file of bytes."""

    def findings(self, values):
        return Findings(summary="trained", files={"a.csv": b"1"})


@fault("run")
class FileOutside(Right):
    """A file outside the folder of the run."""

    def findings(self, values):
        return Findings(summary="trained", files={"../a.csv": "1"})


@fault("run")
class FigureIsAFunction(Right):
    """A function that would draw."""

    def findings(self, values):
        return Findings(summary="trained", figures={"loss": lambda: None})


@fault("run")
class ArrayOfObjects(Right):
    """An array that an npz cannot hold without code."""

    def findings(self, values):
        return Findings(summary="trained", arrays={"a": np.array([{}, []], dtype=object)})


@fault("run")
class FigureOfNothing(Right):
    """The sweep's figure names a metric that the study does not record."""

    figure: ClassVar = {"y": ["study/accuracy"]}


@fault("run")
class RateOfNothing(Right):
    """The direction of a metric that does not exist."""

    lower_is_better: ClassVar = {"study/los": True}


@fault("run")
class RejectsEverything(Right):
    """check raises for any experiment."""

    def check(self, experiment):
        raise ValueError("study: not today")


@fault("run")
class CheckFails(Right):
    """check raises another error than ValueError."""

    def check(self, experiment):
        raise KeyError("loss")


@fault("run")
class ChangesTheData(Right):
    """The training data are changed in place."""

    def __call__(self, experiment):
        experiment.data.splits["train"]["x"][...] *= 0.5
        return super().__call__(experiment)


@fault("run")
class ChangesTheExperiment(Right):
    """The learner of the experiment is replaced."""

    def __call__(self, experiment):
        object.__setattr__(
            experiment, "learner", replace(experiment.learner, options=replace(experiment.learner.options, steps=3))
        )
        return super().__call__(experiment)


@fault("run")
class Random(Right):
    """A random number among the results."""

    def findings(self, values):
        return Findings(summary="trained", series={"study/loss": np.array([[0, np.random.random()]])})


@fault("run")
class KeepsResults(Right):
    """Results pile up on the object."""

    def findings(self, values):
        object.__setattr__(self, "_all", [*getattr(self, "_all", []), values])
        return Findings(summary="trained", series={"study/loss": np.array([[i, 0.0] for i in range(len(self._all))])})


@fault("asked")
class TwoArguments(Right):
    """It wants a folder too."""

    def __call__(self, experiment, folder):
        return Findings(summary="trained")


@fault("run")
class NeedsValidation(Right):
    """It reads a split that a data set need not have, without `check`."""

    def __call__(self, experiment):
        experiment.data.splits["test"]
        return super().__call__(experiment)


@fault("run")
class NamesOfTraining(Right):
    """It records val/loss, which belongs to trainings."""

    def findings(self, values):
        return Findings(summary="trained", series={"": np.zeros((1, 2))})


@fault("choices")
class OptionBreaks(Right):
    """The second value of an option fails."""

    quick: bool = option(True)

    def __call__(self, experiment):
        return super().__call__(experiment) if self.quick else self.slow(experiment)


@fault("run")
class StepIsNan(Right):
    """A series without a step."""

    def findings(self, values):
        return Findings(summary="trained", series={"study/loss": np.array([[np.nan, 1.0]])})
