"""Records every metric of a training in the run's folder, line by line.

`metrics.jsonl` is the source of truth; it is only ever appended to. A line is `{"step": 12, "train/loss": 0.31, ...}`;
values that are not finite are the strings "NaN", "Infinity", "-Infinity". A tracking server gets the same values,
downsampled to `max_points` per series.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from framework.core.callback import MEASURED, Callback
from framework.core.log import log
from framework.core.writing import NO_LINK, appending, to_disk
from framework.tracking.metrics_file import LazySeries, _word, lines, number_format, started
from framework.tracking.points import Point, PointTable

FLUSH_BYTES, FLUSH_SECONDS = 1 << 16, 1.0  # lines that wait longer, or are more, are written
LAYERS_SHOWN = 20  # norms of further layers are only in the run folder: a thousand metric names freeze a tracking UI
PROBED_SHOWN = 120  # and so do more names from probes


class MetricSink(Protocol):
    """A receiver of downsampled series.

    Attributes:
        before_sending: is called before points leave this process.
    """

    before_sending: Callable[[], None]

    def points(self, points: Sequence[Point] | PointTable) -> None: ...


class Downsampler:
    """Reduces a series to at most `most` of `expected` points, evenly spaced, the first and the last among them."""

    def __init__(self, expected: int, most: int) -> None:
        self.stride = max(1, math.ceil((expected - 1) / (most - 1)))
        self.seen = 0
        self.last: tuple[int, Any] | None = None  # the newest point, if it was not sent

    def add(self, step: int, value: Any) -> bool:
        """Whether this point is selected now."""
        kept = self.seen % self.stride == 0
        self.seen += 1
        self.last = None if kept else (step, value)
        return kept


class MetricsRecorder(Callback):
    """Writes the metrics of one run and sends them to its sink; a callback of the training.

    Nothing is lost on a full disk: lines are buffered in memory until there is space, with one warning.

    Args:
        folder: the folder of the run.
        steps, validations: their maximum numbers.
        sink: receives downsampled series, if given.
        max_points: maximum per series, for the sink.
        probe_every: steps between samples of the probes.
        upto: for a resumed run, how many bytes of its `metrics.jsonl` are valid; later lines are cut off, and the sink gets
            what it lacks of the others.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        validations: int,
        sink: MetricSink | None = None,
        max_points: int = 100,
        upto: int | None = None,
        probe_every: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.sink = folder / "metrics.jsonl", sink
        self.steps, self.validations, self.max_points = steps, validations, max_points
        self.looks = steps // probe_every + 2  # the first and last step are always sampled
        self.columns: tuple[str, ...] = ()
        self.shown, self.shown_names = list[int](), tuple[str, ...]()  # the columns that the sink gets
        self.complained, self.flushed = False, time.monotonic()
        self.latest, self.had = dict[str, int](), dict[str, int]()  # name -> step of its latest point in the sink, ...
        self._begin()
        if sink is not None:
            sink.before_sending = self.flush  # so that the folder never holds less than the store
        os.close(appending(self.path))  # closed again: a sweep of 300 jobs would need 300 files at once
        if upto is not None:
            os.truncate(self.path, upto)
            self.feed(LazySeries(self.path))

    def _begin(self) -> None:
        self.per_step = Downsampler(self.steps, self.max_points)
        self.measures: dict[str, Downsampler] = {}
        self.probed_names, self.pending = 0, bytearray()
        self.rows: dict[str, tuple[list[float], list[float]]] = {}  # metric -> first and latest row

    def restart(self) -> None:
        """Remove all lines: the training starts again. The sink keeps the points that it has, and gets the later ones.

        Raises:
            OSError: the file cannot be emptied.
        """
        self._begin()
        self.had = dict(self.latest)
        os.truncate(self.path, 0)

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Append a line per training step."""
        if len(rows):
            self._write(lines(range(first, first + len(rows)), columns, rows))
            self._feed_steps(first, columns, rows)

    def on_probe(self, member: int, steps: np.ndarray, columns: Sequence[str], rows: np.ndarray) -> None:
        """Append a line per sampled step."""
        self._write(lines(steps, columns, rows))
        if self.sink is not None:
            digits = number_format(rows)
            for step, row in zip(steps.tolist(), rows.tolist(), strict=True):
                self._feed_measured(step, {c: float(digits % v) for c, v in zip(columns, row, strict=True)})

    def on_probe_row(self, member: int, step: int, metric: str, row: np.ndarray) -> None:
        """Append a line with a row."""
        digits = number_format(row)
        values = [float(digits % v) for v in row.tolist()]
        self._write(json.dumps({"step": step, metric: [_word(v) for v in values]}) + "\n")
        self._keep_row(metric, values)

    def _keep_row(self, metric: str, row: list[float]) -> None:
        self.rows[metric] = (self.rows[metric][0] if metric in self.rows else row, row)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Append a line of metrics."""
        self._write(json.dumps({"step": step, **{k: _word(v) for k, v in values.items()}}) + "\n")
        self._feed_measured(step, values)

    def on_end(self, outcome: Any = None) -> None:
        """Send the last point of every series, if it was not sent yet, then the metrics of restored weights."""
        self.flush()
        if self.sink is None:
            return
        if self.per_step.last is not None:
            step, row = self.per_step.last
            self._send_rows([step], row[None], _now())
            self.per_step.last = None
        left_out = [(name, *thinned.last) for name, thinned in self.measures.items() if thinned.last is not None]
        self._send([(name, value, step, _now()) for name, step, value in left_out])
        if outcome is not None and outcome.kept_step != outcome.step and outcome.status != "killed":
            self.restored(outcome.step, outcome.metrics)
        for metric, (first, latest) in self.rows.items():  # the index in the row is the step: a curve over lags
            for name, row in ((started(metric), first), (metric, latest)):
                self._send([(name, value, lag, _now()) for lag, value in enumerate(row)])

    def restored(self, last: int, metrics: Mapping[str, float]) -> None:
        """Send one more point per series, a step after `last`: the metrics of the saved weights. The sink shows the newest
        point of a series as its value. The folder has the series unchanged, and these metrics in `run.json`."""
        if self.sink is not None:
            self._send([(name, value, last + 1, _now()) for name, value in metrics.items() if math.isfinite(value)])

    def feed(self, written: LazySeries) -> None:
        """Send the series of an existing file, downsampled as in the first run."""
        for line in written.others:
            values: dict[str, Any] = {key: value for key, value in line.items() if key != "step"}
            rows = [key for key, value in values.items() if isinstance(value, list)]
            for key in rows:
                self._keep_row(key, values.pop(key))
            if not rows:
                self._feed_measured(int(line["step"]), values)
        if self.sink is not None:
            for names, table in written.pieces():
                self._feed_steps(int(table[0, 0]), names, table[:, 1:])

    def _feed_steps(self, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        if self.sink is None:
            return
        if self.columns != (columns := tuple(columns)):
            self.columns = columns
            norms = [c for c in columns if c.startswith("grad_norm/")][LAYERS_SHOWN + 1 :]
            self.shown = [i for i, c in enumerate(columns) if c not in norms]
            self.shown_names = tuple(columns[i] for i in self.shown)
        now, start = _now(), (-self.per_step.seen) % self.per_step.stride
        self.per_step.seen += len(rows)
        kept = range(start, len(rows), self.per_step.stride)
        if kept:
            steps = range(first + start, first + len(rows), self.per_step.stride)
            self._send_rows(steps, rows[kept.start :: kept.step], now)
        whole = bool(kept) and kept[-1] == len(rows) - 1
        self.per_step.last = None if whole else (first + len(rows) - 1, rows[-1])

    def _feed_measured(self, step: int, values: Mapping[str, float]) -> None:
        if self.sink is None:
            return
        now, points = _now(), []
        for name, value in values.items():
            thinned = self.measures.get(name) or self._begun(name)
            if thinned is not None and thinned.add(step, value):
                points.append((name, value, step, now))
        self._send(points)

    def _begun(self, name: str) -> Downsampler | None:
        """Start a series; None for one that the sink does not get."""
        is_probed = not name.startswith(MEASURED)
        if is_probed:
            if self.probed_names == PROBED_SHOWN:
                return None
            self.probed_names += 1
        self.measures[name] = Downsampler(self.looks if is_probed else self.validations, self.max_points)
        return self.measures[name]

    def _send_rows(self, steps: Sequence[int], rows: np.ndarray, now: int) -> None:
        self._send(PointTable(self.shown_names, steps, rows[:, self.shown], now))

    def _send(self, points: Sequence[Point] | PointTable) -> None:
        if self.sink is not None:
            if self.had:  # ... and before the training was started again
                points = [point for point in points if point[2] > self.had.get(point[0], -1)]
            if isinstance(points, PointTable):
                self.latest |= dict.fromkeys(points.names, points.steps[-1])
            else:
                self.latest |= {name: step for name, _, step, _ in points}
            self.sink.points(points)

    def _write(self, text: str) -> None:
        self.pending += text.encode()
        late = len(self.pending) > FLUSH_BYTES or time.monotonic() - self.flushed > FLUSH_SECONDS
        if late and not self.complained:
            self.flush()

    def flush(self) -> None:
        """Write buffered lines; on a full disk keep the rest, and warn once."""
        self.flushed = time.monotonic()
        try:
            self._append()
        except OSError as error:
            if not self.complained:
                log.error(f"{self.path}: {error.strerror}; metrics are buffered in memory until there is space")
            self.complained = True

    def _append(self, lasting: bool = False) -> int:
        """Write buffered lines; returns the size of the file."""
        # The file is not created again: its old content would be missing.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | NO_LINK)
        try:
            while self.pending:
                # Not a file object: its buffer would hide how much was written on a full disk.
                del self.pending[: os.write(file, self.pending)]
            if lasting:
                to_disk(file, self.path)
            return os.fstat(file).st_size
        finally:
            os.close(file)

    def sync(self) -> int:
        """Write everything to the disk; returns the size of `metrics.jsonl`.

        Raises:
            OSError: there is no space.
        """
        try:
            return self._append(lasting=True)
        except OSError as error:
            count = self.pending.count(b"\n")
            raise OSError(error.errno, f"{error.strerror}; {count} lines could not be written", str(self.path)) from error


def _now() -> int:
    return int(time.time() * 1000)
