"""Schedules with one fault each."""

import math
from typing import ClassVar

import numpy as np

from framework import option
from framework_schedules.cosine import Cosine
from framework_schedules.exponential import Exponential
from tests.kit.faults import Faults

FAULTS = fault = Faults("schedule")
CALLS: list[int] = []


@fault("factor")
class EndsEarly(Cosine):
    """The last step has no factor."""

    def __call__(self, step, total):
        return [1.0] * 4 + [0.5] if total < 0 else list(np.linspace(1, 0, max(total - 1, 1)))[step]


@fault("factor")
class DividesByTotalMinusOne(Cosine):
    """One step in all: a division by zero."""

    def __call__(self, step, total):
        return 1 - 0.9 * step / (total - 1)


@fault("factor")
class BelowZero(Cosine):
    """After the last step the factor is negative: the training climbs."""

    def __call__(self, step, total):
        return 1 - step / total


@fault("factor")
class Complex(Cosine):
    """After the last step it is the root of a negative number."""

    def __call__(self, step, total):
        return (1 - step / total) ** 0.5


@fault("factor")
class NegativeAtTheStart(Cosine):
    """log of a small number."""

    def __call__(self, step, total):
        return 0.1 + math.log10(1 + step) - 0.2


@fault("factor")
class LogOfZero(Cosine):
    """step 0 has no logarithm."""

    def __call__(self, step, total):
        return 1 / (1 + abs(math.log(step)))


@fault("factor")
class Infinite(Cosine):
    """1 / sqrt(0)."""

    def __call__(self, step, total):
        return float(np.float64(1) / np.sqrt(np.float64(step))) if step else math.inf


@fault("factor")
class NotANumber(Cosine):
    """A string."""

    def __call__(self, step, total):
        return "0.5"


@fault("factor")
class Nothing(Cosine):
    """None after the end."""

    def __call__(self, step, total):
        if step < total:
            return 1.0
        return None


@fault("factor")
class TrueOrFalse(Cosine):
    """A truth value."""

    def __call__(self, step, total):
        return step < total


@fault("factor")
class OneElement(Cosine):
    """An array of one element, which adds an axis to the rate."""

    def __call__(self, step, total):
        return np.array([1 - 0.5 * step / max(total, step + 1)])


@fault("pure")
class CountsCalls(Cosine):
    """The factor depends on how often it was asked."""

    def __call__(self, step, total):
        CALLS.append(step)
        return 1 / len(CALLS)


@fault("pure")
class CountsOnItself(Cosine):
    """The factor depends on how often this object was asked."""

    def __call__(self, step, total):
        object.__setattr__(self, "_n", getattr(self, "_n", 0) + 1)
        return 0.99**self._n


@fault("pure")
class NeedsOrder(Cosine):
    """A resumed training, which begins later, has other factors."""

    def __call__(self, step, total):
        last = getattr(self, "_last", 1.0) if step else 1.0
        object.__setattr__(self, "_last", last * 0.9)
        return last * 0.9


@fault("pure")
class Random(Cosine):
    """A random factor."""

    def __call__(self, step, total):
        return 0.5 + 0.5 * np.random.random()


@fault("stack_law")
class RawComparison(Exponential):
    """A comparison of an option that is an array in a stack."""

    low: float = option(0.5, above=0, stackable=True)

    def __call__(self, step, total):
        factor = 1 - step / (total + step + 1)
        return np.max(self.low) if np.any(self.low > factor) else factor


@fault("stack_law")
class ColumnOfFactors(Exponential):
    """A stack's factor has one axis too many."""

    low: float = option(0.5, above=0, stackable=True)

    def __call__(self, step, total):
        return self.low if isinstance(self.low, float) else self.low[..., None]


@fault("stack_law")
class MeanOfFactors(Exponential):
    """A stack has the mean of its factors."""

    low: float = option(0.5, above=0, stackable=True)

    def __call__(self, step, total):
        return float(np.mean(self.low))


@fault("stack_law")
class ChangesItsOption(Exponential):
    """An array option is multiplied in place."""

    low: float = option(0.5, above=0, stackable=True)

    def __call__(self, step, total):
        if not isinstance(self.low, float):
            self.low[...] *= 0.99
        return self.low


@fault("monotone")
class RisesAtTheEnd(Cosine):
    """It declares that it falls, and its last step is higher."""

    monotone: ClassVar = "falling"

    def __call__(self, step, total):
        return 0.5 if step == total - 1 else 0.4


@fault("monotone")
class DeclaresAnotherWord(Cosine):
    """A direction that does not exist."""

    monotone: ClassVar = "down"
