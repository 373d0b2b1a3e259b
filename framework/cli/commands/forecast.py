"""`stackprop forecast RUN --steps N [FILE]`: a recorded run continues its series, as CSV and a figure."""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.analysis import style
from framework.analysis.comparison import grouped, read_jobs
from framework.analysis.figures import forecast as figure
from framework.core.errors import ConfigError, DataError
from framework.core.spreadsheet import spreadsheet_safe
from framework.core.writing import inside, replaced_text
from framework.experiments.loading import TRUST, load, settings_of_run
from framework.experiments.predictions import UNSCALED, number
from framework.inference.forecasting import forecast
from framework.inference.model import Model
from framework.tracking.run_dir import best_run, find_any

STEPS = 20


def main(arguments: Sequence[str]) -> int:
    """Write a row for each step to standard output, and draw `forecast.png`. The run continues the series of its own file,
    or that of FILE. The best setting of a sweep gives the mean and the standard deviation over its seeds."""
    parser = argparse.ArgumentParser("stackprop forecast", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best; a sweep means its best setting")
    parser.add_argument("file", nargs="?", help="a table with another series, or with later values of the features")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"values to forecast ({STEPS})")
    parser.add_argument("--to", help="the CSV file to write, instead of standard output")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    options = parser.parse_args(arguments)
    if options.steps < 1:
        raise ConfigError(f"--steps: {options.steps} is not allowed; at least 1")
    folders, sweep = runs_of(options.run)
    models = [load(folder, trust=options.trust) for folder in folders]
    encoding: Any = models[0].about.encoding
    if not hasattr(encoding, "history"):
        raise ConfigError(f"{options.run}: the run was not trained on a series of a file (dataset=series)")
    history, future = series_of(folders[0], encoding, options.file, options.trust)
    found = np.stack([_continued(models[i], folders[i], history, options.steps, future)[:, 0] for i in range(len(models))])
    with _opened(options.to) as file:
        csv.writer(file, lineterminator="\n").writerows(rows(encoding.column, found, width_of(models[0])))
    path = sweep / "forecast.png" if sweep else inside(folders[0], "figures") / "forecast.png"
    style.save(figure.draw(history[:, 0], found, encoding.column), path)
    print(f"stackprop: figure: {path}", file=sys.stderr)
    return 0


def _continued(model: Model, folder: Path, *how: Any) -> np.ndarray:
    try:
        return forecast(model, *how)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from error


@contextlib.contextmanager
def _opened(path: str | None) -> Iterator[Any]:
    if path is None:
        yield sys.stdout
        return
    with replaced_text(Path(path).expanduser()) as file:
        yield file


def runs_of(word: str) -> tuple[list[Path], Path | None]:
    """The folders of one run and None; or of all seeds of the best setting of a sweep, and the sweep.

    Raises:
        ConfigError: unknown run, or a sweep without a best job.
    """
    place = find_any(word)
    if word.rpartition("/")[2] == "best":
        place = place.parent
    elif (place / "run.json").exists():
        return [place], None
    best = best_run(place).name
    group = next(group for group in grouped(read_jobs(place)) if best in [job.name for job in group.jobs])
    return [place / job.name for job in group.jobs], place


def series_of(folder: Path, encoding: Any, file: str | None, trust: bool) -> tuple[np.ndarray, np.ndarray]:
    """The known series (n, F) and the later values of its features: from the file that is given, and where that has no
    known values, from the file of the run.

    Raises:
        ConfigError: the file of the run does not exist any more.
        DataError: a file cannot be read.
    """
    history, later = encoding.history(file) if file else (None, None)
    if history is None:
        own = str(getattr(settings_of_run(folder, trust=trust).dataset, "path", ""))
        if not Path(own).is_file():
            raise ConfigError(
                f"{folder}: its series is read from '{own}', which does not exist any more; name another file: "
                "stackprop forecast RUN FILE"
            )
        history, rest = encoding.history(own)
        later = rest if later is None else later
    if history is None:
        raise DataError(f"{own}: the column '{encoding.column}' has no value")
    return history, np.asarray(later)


def width_of(model: Model) -> float:
    """The width of the predicted column, which decides how many digits a forecast has."""
    return float(np.ravel(model.scale.width.get(str(model.head.target), UNSCALED))[0])


def rows(column: str, forecasts: np.ndarray, width: float) -> Iterator[list[str]]:
    """A header, and a row per step of forecasts (seeds, steps)."""
    several = len(forecasts) > 1
    yield ["step", spreadsheet_safe(column), *(["std"] if several else [])]
    for step, (mean, std) in enumerate(zip(forecasts.mean(0), forecasts.std(0), strict=True), 1):
        yield [str(step), number(float(mean), width), *([f"{std:.3g}"] if several else [])]
