"""The series of a `metrics.jsonl`. Nearly all of its lines are of training steps and hold the same names in the same order:
they are read as columns of numbers, in pieces, which takes a tenth of the time and memory of a dictionary for each line."""

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

OF_STEPS = b'"grad_norm/total"'  # stands in the lines of training steps, and in no other
PIECE = 20_000  # lines read at a time
NUMBERS = b"0123456789+-.e"


class LazySeries(Mapping[str, np.ndarray]):
    """name -> (K, 2) of step and value; of a row, the latest and the first (`..._start/...`), of place and value.

    The lines of training steps are not parsed unless one of their names is asked for.

    Attributes:
        others: all lines but those.

    Raises:
        DataError: a line is not what a run writes; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.of_steps, self.whole = path, list[str](), False
        others: list[bytes] = []
        with open(open_regular(path), "rb") as file:
            for line in whole_lines(file):
                if OF_STEPS not in line:
                    others.append(line)
                elif not self.of_steps:
                    self.of_steps = [name for name in self._parsed([line])[0] if name != "step"]
        self.others = self._parsed(others)
        try:
            self.found = series(self.others)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: it is not what a run writes") from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.of_steps and not self.whole:
            # What a run that goes on has appended since belongs to them too.
            self.found, self.whole = {**self._steps(), **self.found}, True
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.of_steps, *self.found]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def pieces(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """The lines of training steps, some at a time: names, and (K, 1 + names) of step and values."""
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
        return {name: np.concatenate(points) for name, points in found.items()}

    def _parsed(self, lines: Sequence[bytes]) -> list[dict[str, Any]]:
        try:
            return parsed([line.decode(errors="replace") for line in lines])
        except ValueError as error:
            read_lines(self.path)  # names the line
            raise DataError(f"{self.path}: it is not what a run writes") from error


def whole_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """The last line of a run that goes on may be half a line."""
    return (line for line in file if line.endswith(b"\n"))


def table(lines: Sequence[bytes]) -> np.ndarray | None:
    """(K, 1 + names) of step and values, of lines that hold the names of the first one in its order and nothing but finite
    numbers; None of others."""
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
    """The series of some lines, as `Recorded` has them."""
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
    """The lines of a `metrics.jsonl`, "NaN" and "Infinity" as numbers again; a line cut short at the end is left out.

    Raises:
        DataError: another line is not what a run writes, or this is no file.
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
            f"{path}: line {_broken(lines)} cannot be read; the file was changed after the run wrote it"
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
    """Whole lines of a `metrics.jsonl`.

    Raises:
        ValueError: a line is not what a run writes.
    """
    text = ",".join(lines)
    # All lines as one list: a third of the time that a call for each line takes.
    found: list[dict[str, Any]] = parse_json(f"[{text}]", "lines")
    if not all(type(line) is dict and type(line.get("step")) is int for line in found):
        raise ValueError("a line is not what a run writes")
    if ': "' not in text and "[" not in text:  # all numbers
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
    # One format for the whole block: a step costs two microseconds instead of ten.
    template = '{"step": %d, ' + ", ".join(f"{json.dumps(c).replace('%', '%%')}: {digits}" for c in columns) + "}\n"
    flat = [x for step, row in zip(steps, numbers, strict=True) for x in (step, *row)]
    return template * len(numbers) % tuple(flat)


def _digits(rows: np.ndarray) -> str:
    """As many digits as bring a number back exactly."""
    return "%.9g" if rows.dtype == np.float32 else "%.17g"


def _word(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
