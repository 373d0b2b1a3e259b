"""`stackprop evaluate RUN... [FILE]`: loss and metrics of recorded runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from framework.cli.commands.reading import as_written, read_fields, split_words
from framework.core.errors import ConfigError
from framework.experiments.datasets import load_data
from framework.experiments.loading import TRUST, load, settings_of_run
from framework.tracking.run_dir import find_run, runs_dir


def main(arguments: Sequence[str]) -> int:
    """Print a line per metric; without a file, for every split of the run's own data."""
    parser = argparse.ArgumentParser("stackprop evaluate", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN [FILE]",
        help="names, folders or ids; a file last, with dataset.decimal=comma and the like if it is written otherwise",
    )
    parser.add_argument("--beam", type=int, help="of a tag_decoder with feedback: tag: the width of a beam search")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    words, how = split_words(arguments)
    options = parser.parse_args(words)
    *named, last = options.runs
    file = last if named and is_file(last) else None
    folders = [find_run(word, runs_dir()) for word in (named if file else options.runs)]
    for folder in folders:
        if len(folders) > 1:
            print(f"{folder}:")
        for name, value in measured(folder, file, options.beam, options.trust, how):
            print(f"{name} {value:.6g}")
    return 0


def is_file(word: str) -> bool:
    """Whether the last word of a command means a file of examples, not another run."""
    if Path(word).exists():
        return not (Path(word) / "run.json").exists()
    try:
        find_run(word, runs_dir())
    except ConfigError:
        return bool(Path(word).suffix)
    return False


def measured(
    folder: Path, file: str | None, beam: int | None, trust: bool, how: Sequence[str] = ()
) -> Iterator[tuple[str, float]]:
    """`test/loss` ... -> its value, on every split of the run's own data or on a file."""
    model = as_written(load(folder, trust=trust), how)
    if file:
        splits: Mapping[str, Mapping[str, np.ndarray]] = {file: read_fields(model, file, with_target=True)}
    else:
        splits = load_data(settings_of_run(folder, trust=trust)).splits
    for split, fields in splits.items():
        yield from ((f"{split}/{name}", value) for name, value in model.evaluate(fields, beam).items())
