"""`stackprop export RUN [RUN ...] to=FILE`: metrics as CSV or Parquet, a network as ONNX or as a PyTorch module."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from framework.analysis.comparison import read_jobs
from framework.analysis.metrics_table import metrics_table, write_table
from framework.analysis.sweep_table import output_folder
from framework.core.errors import ConfigError, did_you_mean
from framework.core.writing import replaced, write_bytes, write_text
from framework.experiments.loading import TRUST, load
from framework.inference.export.onnx import to_onnx
from framework.inference.export.torch import to_torch
from framework.tracking.run_dir import best_run, find_any, read_state, runs_dir

FORMATS = {
    ".csv": "the metrics, a row for each step",
    ".parquet": "the same as a Parquet file",
    ".onnx": "the trained network, with its scaling: raw features in, predictions out",
    ".py": "the trained network as a module of PyTorch, its weights beside it in a .npz file",
}
USAGE = f"stackprop export RUN [RUN ...] to=FILE{'|'.join(FORMATS)}"


def main(arguments: Sequence[str]) -> int:
    """Write the file that `to` names; its ending selects what is written."""
    about = f"{__doc__} {'; '.join(f'{ending}: {what}' for ending, what in FORMATS.items())}."
    parser = argparse.ArgumentParser("stackprop export", usage=f"{USAGE} [--long] [--trust]", description=about)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs or sweeps: folder, name, MLflow id; or: last, best")
    parser.add_argument("--long", action="store_true", help="a table with a row for each value: run, metric, step, value")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    words = [word for word in arguments if not word.startswith("to=")]
    files = [word.partition("=")[2] for word in arguments if word.startswith("to=")]
    given = parser.parse_intermixed_args(words)
    if not given.runs or not files:
        raise ConfigError(f"export: a run and a file are needed; {USAGE}")
    path = Path(files[-1]).expanduser()
    if path.suffix not in FORMATS:
        raise ConfigError(f"to: '{path}' is not a name of an export{did_you_mean(path.suffix, list(FORMATS))}")
    folders = [find_any(word) for word in given.runs]
    output_folder(path.parent)
    if path.suffix in (".csv", ".parquet"):
        return _metrics(folders, path, given.long)
    if given.long or len(folders) > 1:
        raise ConfigError(f"export: {'--long' if given.long else 'several runs'}: only for metrics, to=FILE.csv or .parquet")
    return _network(folders[0], path, given.trust)


def _metrics(folders: Sequence[Path], path: Path, long: bool) -> int:
    runs = dict(run for folder in folders for run in _runs(folder))
    columns, left_out = metrics_table(runs, "long" if long else "wide")
    write_table(columns, path)
    print(f"metrics: {path} ({len(columns['step']):,} rows, {', '.join(columns)})")
    if left_out:
        print(f"left out: {', '.join(left_out)}, whose steps are positions; --long includes them")
    return 0


def _runs(folder: Path) -> list[tuple[str, Path]]:
    """Name and folder of a run, or of every job of a sweep that has recorded something."""
    if (folder / "run.json").is_file():
        return [(os.path.relpath(folder, runs_dir()), folder)]
    jobs = [folder / job.name for job in read_jobs(folder)]
    return [(f"{folder.name}/{job.name}", job) for job in jobs if (job / "metrics.jsonl").is_file()]


def _network(folder: Path, path: Path, trust: bool) -> int:
    run = folder if (folder / "run.json").is_file() else best_run(folder)
    if run != folder:
        print(f"the best job of {folder.name}: {run.name}")
    model = load(run, trust=trust)
    if path.suffix == ".onnx":
        made = to_onnx(model)
        write_bytes(path, made.content)
        for what, shapes in (("reads", made.inputs), ("gives", made.outputs)):
            print(f"{what} {', '.join(f'{name} {_sizes(shape)}' for name, shape in shapes.items())}")
    else:
        if not path.stem.isidentifier():
            raise ConfigError(f"to: '{path.name}' is not a name of a Python module; letters, digits and _")
        weights = path.with_suffix(".npz")
        made_torch = to_torch(model, f"The network of the run {read_state(run).get('name', run.name)}.", weights.name)
        write_text(path, made_torch.source)
        with replaced(weights) as file:
            np.savez(file, allow_pickle=False, **made_torch.state)
        print(f"weights: {weights}")
    print(f"network: {path}")
    return 0


def _sizes(shape: Sequence[object]) -> str:
    return f"({', '.join(map(str, shape))})"
