"""What a key of a search may be, and how it is written in an override."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor, log
from typing import Protocol

Trial = Mapping[str, str]  # key -> its value, as an override says it
DIGITS = 6  # of a number in an override


class Searcher(Protocol):
    """Is asked for trials, and told their losses before it is asked again. The same seed and losses give the same trials."""

    def ask(self, count: int) -> list[Trial]:
        """What to try next."""
        ...

    def tell(self, losses: Sequence[float]) -> None:
        """What came of them, in their order; inf where nothing did."""
        ...


@dataclass(frozen=True)
class Number:
    """A number from low to high, both included.

    Attributes:
        log: ratios count, not differences.
        step: from one value to the next; None: any number.
        whole: 3 is written `3`, and a step is there.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all its values are whole."""
        return isinstance(self.low, int) and isinstance(self.step, int)

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the coordinate in which it is searched: the number or its logarithm. Where there are steps, half of one beyond
        either end, so that every value has its share."""
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
        """The outermost values."""
        return self.word(self.bounds[0]), self.word(self.bounds[1])


@dataclass(frozen=True)
class Choice:
    """One of several words, in no order."""

    words: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """All of them."""
        return self.words


Dimension = Number | Choice
Space = Mapping[str, Dimension]


def fault(dimension: Number) -> str | None:
    """What is wrong with a range of numbers, if anything."""
    low, high, step = dimension.low, dimension.high, dimension.step
    if not low < high:
        return f"{low} to {high} holds no numbers; the smaller one comes first"
    if step is not None and step <= 0:
        return f"a step of {step} leads nowhere; it must be above 0"
    if dimension.log and (low <= 0 or (step is not None and not (dimension.whole and step == 1))):
        return "log needs numbers above 0, and whole ones in steps of 1 where there are steps"
    return None
