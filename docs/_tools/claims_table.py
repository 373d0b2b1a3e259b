"""Tables of the pages on claims, and how a number of a page is compared with a measured one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
CELL = re.compile(rf"({NUMBER})(?: ?± ?({NUMBER}))?(?:[^(]*\((\d+) of (\d+)\))?")
SIGMAS = 3.0


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: None if no seed has a value.
        std: standard deviation over the seeds with a value; None: not given.
        have: the seeds with a value, where it is known.
        seeds: all seeds, where they are known.
        unit: one unit of the last digit shown.
        standard_error: of the mean, where it does not follow from `std`.
    """

    mean: float | None
    std: float | None = None
    have: int | None = None
    seeds: int | None = None
    unit: float = 0.0
    standard_error: float | None = None

    def __str__(self) -> str:
        if self.mean is None:
            return "none"
        counted = f" ({self.have} of {self.seeds})" if self.have != self.seeds else ""
        return rounded(self.mean, self.std if self.standard_error is None else self.standard_error) + counted


def measured(values: np.ndarray) -> Estimate:
    """The estimate of one value per seed, (S,); NaN and inf: the seed has none."""
    there = values[np.isfinite(values)]
    mean, std = (float(there.mean()), float(there.std())) if len(there) else (None, None)
    return Estimate(mean, std if len(values) > 1 else None, len(there), len(values))


def rounded(mean: float, std: float | None) -> str:
    """A mean to the digits that its deviation allows: `0.339 ± 0.012`, `1710 ± 960`."""
    if not std or std < 1e-6 * abs(mean):
        return f"{mean:.3g}"
    leading = int(np.floor(np.log10(std)))
    digits = leading - 1 if std / 10.0**leading < 2 else leading
    if (mean and abs(mean) < 1e-3) or digits > 2:
        power = int(np.floor(np.log10(abs(mean) or 1)))
        places = max(0, power - digits)
        return f"{mean / 10.0**power:.{places}f}e{power} ± {std / 10.0**power:.{places}f}e{power}"
    places = max(0, -digits)
    return f"{round(mean, -digits):.{places}f} ± {round(std, -digits):.{places}f}"


def parsed(cell: str) -> Estimate | None:
    """What a cell of a page says; None: it has no number, and does not say that there is none."""
    text = cell.replace("*", "").strip()
    if re.match(r"never|diverged|-$", text):
        return Estimate(None)
    found = CELL.search(text)
    if found is None:
        return None
    mean, std, have, seeds = found.groups()
    deviation = None if std is None else number(std)
    return Estimate(number(mean), deviation, have and int(have), seeds and int(seeds), last_digit(mean))


def number(text: str) -> float:
    """`33,000` and `7.9e-7` as numbers."""
    return float(text.replace(",", ""))


def last_digit(text: str) -> float:
    """One unit of the last digit of a number: 0.01 for `0.25`, 1e-8 for `7.9e-7`; of `33,000`, 1000."""
    digits, _, power = text.replace(",", "").partition("e")
    whole, _, places = digits.partition(".")
    shown = -len(places) if places or "," not in text else len(whole) - len(whole.rstrip("0"))
    return float(10.0 ** (shown + int(power or 0)))


def student(freedom: float) -> float:
    """The quantile of Student's t distribution that a normal value reaches at 3 (Cornish-Fisher expansion)."""
    z, v = SIGMAS, max(freedom, 2.0)
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + sum(term / v**k for k, term in enumerate(terms, 1))


def agree(page: Estimate, now: Estimate) -> bool:
    """Whether two estimates are equal within three standard errors of their difference, and at least one unit of the last
    digit that the page shows. With few seeds, Student's t distribution widens that. The numbers of seeds without a value
    are compared as fractions in the same way; of several seeds, one with a value has no standard error, so that only the
    fractions are compared."""
    if not same_fraction(page, now):
        return False
    if page.mean is None or now.mean is None or (now.have == 1 and (now.seeds or 1) > 1):
        return True
    return abs(page.mean - now.mean) <= max(1.001 * page.unit, widest_difference(page, now))


def widest_difference(page: Estimate, now: Estimate) -> float:
    """Three standard errors of the difference of two means; a page without a deviation has that of the measurement."""
    if now.standard_error is not None:
        return SIGMAS * float(np.hypot(now.standard_error if page.std is None else page.std, now.standard_error))
    spread = now.std or 0.0
    seeds = [page.have or now.have or 1, now.have or 1]
    freedoms = [max(1, n - 1) for n in seeds]
    parts = [(spread if page.std is None else page.std) ** 2 / freedoms[0], spread**2 / freedoms[1]]
    if not sum(parts):
        return 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / n for part, n in zip(parts, freedoms, strict=True))
    return student(freedom) * float(np.sqrt(sum(parts)))


def same_fraction(page: Estimate, now: Estimate) -> bool:
    """Whether the fractions of seeds with a value differ by at most three standard errors. All and none always differ."""
    seeds = now.seeds or 1
    before = page.have / page.seeds if page.have is not None and page.seeds else float(page.mean is not None)
    after = (now.have or 0) / seeds
    both, difference = (before + after) / 2, abs(before - after)
    return difference < 1 and difference <= SIGMAS * float(np.sqrt(2 * both * (1 - both) / seeds))


@dataclass(frozen=True)
class Table:
    """A table of a page: its header and its rows, as cells without `|`."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(text: str) -> Iterator[Table]:
    """The tables of a text in Markdown, in order."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.M):
        header, _, *rows = (cells(line) for line in block.splitlines())
        yield Table(header, tuple(rows))


def cells(line: str) -> tuple[str, ...]:
    """The cells of a line of a table."""
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def with_cells(row: Sequence[str], new: Mapping[int, Estimate], spread: bool = True) -> str:
    """A line of a table with other estimates in some of its columns, with or without the spread; bold cells stay bold."""
    texts = {i: str(one) if spread else str(one).partition(" ±")[0] for i, one in new.items()}
    out = [mark(row[i], texts[i]) if i in texts else row[i] for i in range(len(row))]
    return f"| {' | '.join(out)} |"


def mark(old: str, new: str) -> str:
    """The new text, bold as far as the old one was."""
    if not old.startswith("**"):
        return new
    mean, _, rest = new.partition(" ")
    return f"**{mean}**{' ' * bool(rest)}{rest}"
