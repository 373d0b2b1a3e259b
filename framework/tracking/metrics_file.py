"""Reads the series of a `metrics.jsonl`. Nearly all of its lines are of training steps, with the same names in the same
order: they are read as columns, in chunks, which takes a tenth of the time and memory of a dictionary for each line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import DataError
from framework.core.reading import UnreadableError, affordable, open_regular, parse_json, read_text

OF_STEPS = b'"grad_norm/total"'  # is in the lines of training steps, and in no others
PIECE = 10_000  # lines read at a time
NUMBERS = b"0123456789+-.e"


class LazySeries(Mapping[str, np.ndarray]):
    """name -> (K, 2) of step and value; for rows, the latest and the first (`..._start/...`), of position and value.

    The lines of training steps are parsed when one of their names is read.

    Attributes:
        rows: the names of rows, such as a gradient by lag, whose steps are positions and no training steps.

    Raises:
        DataError: a line is not valid; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.of_steps, self.whole, self.rows = path, list[str](), False, set[str]()
        parts: dict[str, list[np.ndarray]] = {}
        for lines in self._other_pieces():
            latest = {name for line in lines for name, value in line.items() if isinstance(value, list)}
            first = {started(name) for name in latest}
            self.rows |= latest | first
            try:
                found = series(lines)
            except (TypeError, ValueError) as error:
                raise DataError(f"{path}: not a valid metrics file") from error
            for name, points in found.items():
                if name in latest or (name in first and name not in parts):
                    parts[name] = [points]
                elif name not in first:
                    parts.setdefault(name, []).append(points)
        self.found = {name: np.concatenate(parts.pop(name)) for name in list(parts)}

    @property
    def others(self) -> Iterator[dict[str, Any]]:
        """All lines that are not of training steps."""
        for lines in self._other_pieces():
            yield from lines

    def _other_pieces(self) -> Iterator[list[dict[str, Any]]]:
        """The same, parsed in pieces: a long run has very many."""
        with open(open_regular(self.path), "rb") as file:
            lines = self._not_of_steps(file)
            while piece := list(islice(lines, PIECE)):
                yield self._parsed(piece)

    def _not_of_steps(self, file: Iterable[bytes]) -> Iterator[bytes]:
        for line in whole_lines(file):
            if OF_STEPS not in line:
                yield line
            elif not self.of_steps:
                self.of_steps = [name for name in self._parsed([line])[0] if name != "step"]

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.of_steps and not self.whole:
            # They include lines that a running training has appended since.
            self.found, self.whole = {**self._steps(), **self.found}, True
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.of_steps, *self.found]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def pieces(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Chunks of the lines of training steps: names, and (K, 1 + names) of step and values."""
        with open(open_regular(self.path), "rb") as file:
            of_steps = (line for line in whole_lines(file) if OF_STEPS in line)
            while piece := list(islice(of_steps, PIECE)):
                yield from self._tables(piece)

    def _tables(self, piece: Sequence[bytes]) -> Iterator[tuple[list[str], np.ndarray]]:
        found = table(piece)
        if found is not None:
            yield self.of_steps, found
            return
        for names, lines in groupby(self._parsed(piece), key=lambda line: [name for name in line if name != "step"]):
            yield names, np.array([[line["step"], *(line[name] for name in names)] for line in lines])

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
    digits = _digits(rows)
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


def _digits(rows: np.ndarray) -> str:
    """A number format with enough digits to restore each value exactly."""
    return "%.9g" if rows.dtype == np.float32 else "%.17g"


def _word(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
