"""The search space: possible values of a key, and their form in an override."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, log
from typing import Protocol

Trial = Mapping[str, str]  # key -> its value, in the form of an override
DIGITS = 6  # of a number in an override


class Searcher(Protocol):
    """Proposes trials and receives their losses before the next proposals. Equal seeds and losses give equal trials."""

    def ask(self, count: int) -> list[Trial]:
        """The next trials."""
        ...

    def tell(self, losses: Sequence[float]) -> None:
        """Receive the losses, in order; inf for a trial without a value."""
        ...


@dataclass(frozen=True)
class Number:
    """A number from low to high, both included.

    Attributes:
        log: search ratios, not differences.
        step: distance between values; None: any number.
        whole: integers, written as `3`, with a step.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all values are integers."""
        return isinstance(self.low, int) and isinstance(self.step, int)

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds of the search coordinate: the number or its logarithm. With steps, half a step is added at both ends, so
        that every value is equally likely."""
        margin = (self.step or 0) / 2
        low, high = self.low - margin, self.high + margin
        return (log(low), log(high)) if self.log else (low, high)

    def word(self, x: float) -> str:
        """The value at a coordinate."""
        value = exp(x) if self.log else x
        if self.step is None:
            return f"{min(max(value, self.low), self.high):.{DIGITS}g}"
        most = floor((self.high - self.low) / self.step * (1 + 1e-12))
        value = self.low + self.step * min(max(ceil((value - self.low) / self.step - 0.5), 0), most)
        return str(value) if self.whole else f"{value:.10g}"

    @property
    def ends(self) -> tuple[str, str]:
        """The smallest and the largest value."""
        return self.word(self.bounds[0]), self.word(self.bounds[1])


@dataclass(frozen=True)
class Choice:
    """One of several words, without an order."""

    words: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """All values."""
        return self.words


Dimension = Number | Choice
Space = Mapping[str, Dimension]


def fault(dimension: Number) -> str | None:
    """The error in a range of numbers, or None."""
    low, high, step = dimension.low, dimension.high, dimension.step
    if not low < high:
        return f"{low} to {high} contains no numbers; give the smaller one first"
    if step is not None and step <= 0:
        return f"the step must be above 0 (got {step})"
    if dimension.log and (low <= 0 or (step is not None and not (dimension.whole and step == 1))):
        return "log needs numbers above 0, and with a step, integers in steps of 1"
    return None
