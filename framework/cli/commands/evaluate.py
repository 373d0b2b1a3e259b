"""`stackprop evaluate RUN [FILE]`: loss and metrics of a recorded run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from framework.cli.commands.reading import read_fields
from framework.experiments.datasets import load_data
from framework.experiments.loading import TRUST, load, settings_of_run
from framework.tracking.run_dir import find_run, runs_dir


def main(arguments: Sequence[str]) -> int:
    """Print a line per metric; without a file, for every split of the run's own data."""
    parser = argparse.ArgumentParser("stackprop evaluate", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best")
    parser.add_argument("file", nargs="?", help="a file in the format of the training data")
    parser.add_argument("--beam", type=int, help="of a tag_decoder with feedback: tag: the width of a beam search")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    options = parser.parse_args(arguments)
    folder = find_run(options.run, runs_dir())
    model = load(folder, trust=options.trust)
    if options.file:
        splits: Mapping[str, Mapping[str, np.ndarray]] = {options.file: read_fields(model, options.file, with_target=True)}
    else:
        splits = load_data(settings_of_run(folder, trust=options.trust)).splits
    for split, fields in splits.items():
        for name, value in model.evaluate(fields, options.beam).items():
            print(f"{split}/{name} {value:.6g}")
    return 0
