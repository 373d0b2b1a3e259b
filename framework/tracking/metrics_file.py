"""Reads the series of a `metrics.jsonl`. Nearly all of its lines are of training steps, with the same names in the same
order: they are read as columns, in chunks, which takes a tenth of the time and memory of a dictionary for each line."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import DataError
from framework.core.reading import UnreadableError, affordable, open_regular, parse_json, read_text
from framework.tracking.thinning import Curves, Means, Reading, Summary

OF_STEPS = b'"grad_norm/total"'  # is in the lines of training steps, and in no others
PIECE = 1 << 20  # bytes of lines that are read at a time
WHOLE = 10_000  # points of a series that are kept in memory
SIZES = (100, 150, 400)  # groups of figures: a file is read once for all of them
NUMBERS = b"0123456789+-.e"


class LazySeries(Curves):
    """name -> (K, 2) of step and value; for rows, the latest and the first (`..._start/...`), of position and value.

    The lines of training steps are parsed when one of their names is read. Series of more than `most` points are not kept:
    they are read again in pieces, all at once for their means and summaries. Lines that a running training appends are not
    read.

    Attributes:
        rows: the names of rows, such as a gradient by lag, whose steps are positions and no training steps.

    Raises:
        DataError: a line is not valid; the message names it.
    """

    def __init__(self, path: Path, most: float = WHOLE) -> None:
        self.path, self.most, self.of_steps, self.rows = path, most, list[str](), set[str]()
        self.steps, self.end = 0, math.inf  # lines of training steps; the bytes of all lines
        self.long = dict[str, int]()  # name -> points, of other lines
        self.read = dict[int, dict[str, Reading]]()  # number of groups -> long series
        parts: dict[str, list[np.ndarray]] = {}
        self.order, end = dict[str, None](), 0  # the names of other lines
        for piece in self._pieces():
            end += sum(map(len, piece))
            lines = self._parsed(self._counted(piece))
            latest = {name for line in lines for name, value in line.items() if isinstance(value, list)}
            first = {started(name) for name in latest}
            self.rows |= latest | first
            for name, points in self._of_others(lines).items():
                self.order[name] = None
                if name in latest or (name in first and name not in parts):
                    parts[name] = [points]
                elif name not in first:
                    self._keep(name, points, parts)
        found = {name: np.concatenate(parts.pop(name)) for name in list(parts)}
        self.found = {name: a for name, a in found.items() if len(a)}
        self.order = {name: None for name in self.order if name in self.found or name in self.long}
        self.whole, self.end = not self.steps, end

    def _counted(self, piece: Sequence[bytes]) -> list[bytes]:
        """The other lines, after those of training steps were counted."""
        others = [line for line in piece if OF_STEPS not in line]
        self.steps += len(piece) - len(others)
        if not self.of_steps and len(others) < len(piece):
            line = next(line for line in piece if OF_STEPS in line)
            self.of_steps = [name for name in self._parsed([line])[0] if name != "step"]
        return others

    def _keep(self, name: str, points: np.ndarray, parts: dict[str, list[np.ndarray]]) -> None:
        if name in self.long:
            self.long[name] += len(points)
        elif (count := len(points) + sum(map(len, parts.get(name, [])))) > self.most:
            self.long[name] = count
            parts.pop(name, None)
        else:
            parts.setdefault(name, []).append(points)

    @property
    def others(self) -> Iterator[dict[str, Any]]:
        """All lines that are not of training steps."""
        for lines in self._pieces():
            yield from self._parsed([line for line in lines if OF_STEPS not in line])

    def _pieces(self) -> Iterator[list[bytes]]:
        """The lines of the file in pieces, up to what was its end at first, without an incomplete last line."""
        left = self.end
        with open(open_regular(self.path), "rb") as file:
            # readlines stops behind the line that makes it more than so many bytes
            while left > 0 and (piece := list(whole_lines(file.readlines(int(min(PIECE, left - 1)))))):
                left -= sum(map(len, piece))
                yield piece

    def __getitem__(self, name: str) -> np.ndarray:
        if self.is_long(name):
            return np.concatenate(list(self.parts(name)))
        if name in self.of_steps and not self.whole:  # few enough to be kept
            self.found, self.whole = {**self._steps(), **self.found}, True
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.of_steps, *self.order, *self.found]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.of_steps or name in self.found or name in self.long

    def is_long(self, name: str) -> bool:
        """Whether a series has too many points to be kept."""
        return name in self.long or (self.steps > self.most and name in self.of_steps and name not in self.found)

    def parts(self, name: str) -> Iterator[np.ndarray]:
        """A series in pieces."""
        if self.is_long(name):
            yield from (points for _, points in self._points(name))
        else:
            yield self[name]

    def thinned(self, name: str, most: int, upto: int | None = None) -> np.ndarray:
        """Means of groups of its points, or of the first `upto` of them; all long series are read at once."""
        if not self.is_long(name):
            return super().thinned(name, most, upto)
        if upto is None or upto == self._reading(most)[name].seen:
            return self._reading(most)[name].groups[most].result()
        kept = Means(upto, most)
        for points in self.parts(name):
            kept.add(points)
        return kept.result()

    def summary(self, name: str) -> Summary:
        """What is known of a series."""
        if not self.is_long(name):
            return super().summary(name)
        return self._reading(next(iter(self.read), SIZES[0]))[name].summary

    def _reading(self, most: int) -> dict[str, Reading]:
        """The long series in groups. The number of points of each is assumed, and read again where it is another one."""
        counts = {**dict.fromkeys(self.of_steps if self.steps > self.most else (), self.steps), **self.long}
        for _ in range(0 if most in self.read else 2):
            found = {name: Reading(count, {*SIZES, most}) for name, count in counts.items()}
            for name, points in self._points():
                found.setdefault(name, Reading(0, ())).add(points)
            if all(each.seen == each.count for each in found.values()):
                self.read |= dict.fromkeys((*SIZES, most), found)
                self.of_steps += [name for name in found if name not in self]
                break
            counts = {name: each.seen for name, each in found.items()}
            if not all(counts.values()):
                break
        if most not in self.read:
            raise DataError(f"{self.path}: it changed while it was read")
        return self.read[most]

    def _points(self, only: str | None = None) -> Iterator[tuple[str, np.ndarray]]:
        """The long series in pieces, or one of them."""
        for lines in self._pieces():
            if self.steps > self.most and only not in self.long:
                for names, numbers in self._tables([line for line in lines if OF_STEPS in line]):
                    own = [i for i, name in enumerate(names) if only in (None, name) and not self._elsewhere(name)]
                    yield from ((names[i], numbers[:, [0, i + 1]]) for i in own)
            if self.long and (only is None or only in self.long):
                others = self._of_others(self._parsed([line for line in lines if OF_STEPS not in line]))
                yield from ((name, others[name]) for name in others if name in self.long and only in (None, name))

    def _elsewhere(self, name: str) -> bool:
        """Whether a name of the training steps is in other lines too, whose series it then is."""
        return name in self.found or name in self.long

    def pieces(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Chunks of the lines of training steps: names, and (K, 1 + names) of step and values."""
        for lines in self._pieces():
            yield from self._tables([line for line in lines if OF_STEPS in line])

    def _tables(self, piece: Sequence[bytes]) -> Iterator[tuple[list[str], np.ndarray]]:
        if not piece:
            return
        found = table(piece)
        if found is not None:
            yield list(json.loads(piece[0]))[1:], found
            return
        for names, lines in groupby(self._parsed(piece), key=lambda line: [name for name in line if name != "step"]):
            with self._valid():
                yield names, np.array([[line["step"], *(line[name] for name in names)] for line in lines], float)

    def _of_others(self, lines: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        with self._valid():
            return series(lines)

    @contextlib.contextmanager
    def _valid(self) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path}: not a valid metrics file") from error

    def _steps(self) -> dict[str, np.ndarray]:
        found: dict[str, list[np.ndarray]] = {}
        for names, numbers in self.pieces():
            for i, name in enumerate(names, 1):
                found.setdefault(name, []).append(numbers[:, [0, i]])
        return {name: np.concatenate(found.pop(name)) for name in list(found)}

    def _parsed(self, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        try:
            return parsed([line.decode(errors="replace") for line in lines])
        except ValueError as error:
            read_lines(self.path)  # names the line
            raise DataError(f"{self.path}: not a valid metrics file") from error


def whole_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """Skip an incomplete last line of a run that is still writing."""
    return (line for line in file if line.endswith(b"\n"))


def table(lines: Sequence[bytes]) -> np.ndarray | None:
    """(K, 1 + names) of step and values, of lines with the names of the first line in the same order and only finite
    numbers; None for others."""
    try:
        names = list(json.loads(lines[0]))
    except ValueError:
        return None
    text, marks = b"".join(lines), bytes(range(128, 128 + len(names) % 128))
    if names[0] != "step" or len(names) > len(marks):
        return None
    for name, mark in zip(names, marks, strict=True):
        text = text.replace(b"%s%s: " % (b"{" if name == "step" else b", ", json.dumps(name).encode()), b"%c" % mark)
    if text.translate(None, NUMBERS) != (marks + b"}\n") * len(lines):
        return None
    numbers = text.replace(b"}\n", b"").translate(bytes.maketrans(marks, b"," * len(marks)))
    try:
        return np.array(json.loads(b"[%s]" % numbers[1:]), float).reshape(len(lines), len(names))
    except ValueError:
        return None


def series(lines: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The series of some lines, as in `LazySeries`."""
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if isinstance(value, list):
                points.setdefault(started(name), list(enumerate(value)))
                points[name] = list(enumerate(value))
            elif name != "step":
                points.setdefault(name, []).append((line["step"], value))
    return {name: np.array(values, float) for name, values in points.items()}


def started(metric: str) -> str:
    """The name of a row at the start of a training: `gradient_by_lag/rnn` -> `gradient_by_lag_start/rnn`."""
    head, slash, rest = metric.partition("/")
    return f"{head}_start{slash}{rest}"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, with "NaN" and "Infinity" as numbers; an incomplete last line is skipped.

    Raises:
        DataError: another line is not valid, or it is not a regular file.
    """
    try:
        text = read_text(path, affordable(), errors="replace")
    except UnreadableError as error:
        raise DataError(str(error)) from error
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        return parsed(lines)
    except ValueError as error:
        raise DataError(
            f"{path}: line {_broken(lines)} is not valid; the file was changed after the run wrote it"
        ) from error


def _broken(lines: Sequence[str]) -> int:
    """The number of the first line that is not JSON, from 1."""
    for number, line in enumerate(lines, 1):
        try:
            parsed([line])
        except ValueError:
            return number
    return len(lines)


def parsed(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Complete lines of a `metrics.jsonl`.

    Raises:
        ValueError: a line is not valid.
    """
    text = ",".join(lines)
    # All lines as one list: a third of the time of one call per line.
    found: list[dict[str, Any]] = parse_json(f"[{text}]", "lines")
    if not all(type(line) is dict and type(line.get("step")) is int for line in found):
        raise ValueError("a line is not valid")
    if ': "' not in text and "[" not in text:  # numbers only
        return found
    return [{k: _number(v) for k, v in line.items()} for line in found]


def _number(value: Any) -> Any:
    return [_number(v) for v in value] if isinstance(value, list) else float(value) if isinstance(value, str) else value


def lines(steps: Iterable[int], columns: Sequence[str], rows: np.ndarray) -> str:
    """A row per step as lines of JSON."""
    digits = number_format(rows)
    numbers = rows.tolist()
    if not np.isfinite(rows).all():
        return "".join(
            json.dumps({"step": int(step), **{c: _word(v) for c, v in zip(columns, row, strict=True)}}) + "\n"
            for step, row in zip(steps, numbers, strict=True)
        )
    # One format for the whole block: a step takes two microseconds instead of ten.
    template = '{"step": %d, ' + ", ".join(f"{json.dumps(c).replace('%', '%%')}: {digits}" for c in columns) + "}\n"
    flat = [x for step, row in zip(steps, numbers, strict=True) for x in (step, *row)]
    return template * len(numbers) % tuple(flat)


def number_format(rows: np.ndarray) -> str:
    """A number format with enough digits to restore each value exactly."""
    return "%.9g" if rows.dtype == np.float32 else "%.17g"


def _word(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
