"""The artifacts of a finished run: figures, generated samples, its model, a note for its MLflow page."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from framework.analysis import figures
from framework.core.log import log
from framework.core.protocols import Figure
from framework.core.spreadsheet import spreadsheet_safe
from framework.core.writing import replaced_text, write_text
from framework.data.dataset import Data
from framework.experiments import pages
from framework.experiments.mlflow_model import write_model
from framework.inference import model
from framework.inference.samples import sample
from framework.tracking.allowance import SlowServerError
from framework.tracking.metrics_file import LazySeries
from framework.tracking.mlflow import MlflowRun
from framework.tracking.mlflow_client import entities_of
from framework.tracking.naming import about_of
from framework.tracking.origins import COPIES
from framework.tracking.origins import FILE as ORIGINS
from framework.tracking.recorder import LAYERS_SHOWN
from framework.tracking.run_dir import read_state
from framework.tracking.store_errors import store_fault

TABLE_ROWS = 500
MODEL_FILES = (model.WEIGHTS, model.ABOUT, "config.yaml", ORIGINS)


def log_artifacts(
    folder: Path,
    tracked: MlflowRun | None,
    trained: model.Model | None,
    data: Data,
    metrics: Mapping[str, float],
    note: str,
    own: Mapping[str, Figure] = MappingProxyType({}),
    ended: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Draw figures and log everything to the tracking store; a failure is a warning and does not affect the rest.

    Args:
        trained: the model of the run, for data that have been scaled already.
        data: the data set, scaled.
        note: the command that repeats the run.
        own: figures of plugins, by name.
        ended: entries of `run.json` that are not written yet.
    """
    drawn = _try("figures", lambda: figures.draw(figures.RunView(folder, trained, data), own)) or []
    text = _try("the generated samples", lambda: write_sample(folder, trained, data)) if trained else None
    if tracked is None or tracked.lost:
        return
    for path in drawn:
        tracked.artifact(path, "figures")
    if text is not None:
        tracked.artifact(text)
    table = _try("the table of norms", lambda: norms_table(folder))
    if table is not None:
        tracked.artifact(table)
    _try("the data set's description", lambda: describe_data(tracked, data))
    _try("the model", lambda: log_model(tracked, folder, data))
    serve = f"mlflow models serve -m runs:/{tracked.run_id}/{model_name(folder)} --env-manager local"
    command = f"{note}\n    {serve}" if trained else note
    paths = [f"figures/{path.name}" for path in drawn]
    page = _try("its page", lambda: pages.of_run(folder, metrics, command, tracked.run_id, paths, ended))
    if page is not None:
        tracked.tag("mlflow.note.content", page)


def _try(what: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except SlowServerError:  # reported already
        return None
    except Exception as error:  # an error in an artifact must not make a finished run fail
        log.error(f"{what} could not be created ({store_fault(error)})")
        return None


def write_sample(folder: Path, trained: model.Model, data: Data) -> Path | None:
    """Write `generated.txt` for a network that generates symbols."""
    text = sample(trained, data)
    if text is None:
        return None
    path = folder / "generated.txt"
    write_text(path, text, lasting=False)
    return path


def norms_table(folder: Path) -> Path | None:
    """Write `gradient_norms.csv`, a column per layer, if there are more layers than a tracking UI can show as metrics."""
    series = LazySeries(folder / "metrics.jsonl")
    names = [name for name in series if name.startswith("grad_norm/")]
    if len(names) <= LAYERS_SHOWN + 1:
        return None
    every, before, parts = -(-series.summary(names[0]).count // TABLE_ROWS), 0, list[np.ndarray]()
    for found, table in series.pieces():
        columns = [0, *(1 + found.index(name) for name in names)]
        parts.append(table[-before % every :: every, columns])
        before += len(table)
    path = folder / "gradient_norms.csv"
    with replaced_text(path) as file:
        written = csv.writer(file)
        written.writerow(["step", *(spreadsheet_safe(name.removeprefix("grad_norm/")) for name in names)])
        written.writerows([int(step), *values] for part in parts for step, *values in part.tolist())
    return path


def describe_data(tracked: MlflowRun, data: Data) -> None:
    """Log a description of the training data to MLflow."""
    own, digest = entities_of(tracked.client), hashlib.sha256()
    for split in data.splits.values():
        for a in split.values():
            digest.update(np.ascontiguousarray(a).tobytes())
    counts = {split: len(next(iter(fields.values()))) for split, fields in data.splits.items()}
    fields = {name: f"{f.axes} {f.kind}" + (f" of {f.size}" if f.size else "") for name, f in data.fields.items()}
    description = own.Dataset(
        name=data.name or "data",
        digest=digest.hexdigest()[:16],
        source_type="stackprop",
        source=json.dumps({"dataset": data.name}),
        schema=json.dumps(fields),
        profile=json.dumps(counts),
    )
    inputs = [own.DatasetInput(description, [own.InputTag("mlflow.data.context", "training")])]
    tracked.ask(tracked.client.log_inputs, tracked.run_id, inputs)


def log_model(tracked: MlflowRun, folder: Path, data: Data) -> None:
    """Log the model from code, with a signature and without pickle."""
    client, ask = tracked.client, tracked.ask
    experiment = ask(client.get_run, tracked.run_id).info.experiment_id
    logged = ask(client.create_logged_model, experiment, name=model_name(folder), source_run_id=tracked.run_id)
    with tempfile.TemporaryDirectory() as temporary:
        files, to = Path(temporary) / "run", Path(temporary) / "model"
        files.mkdir()
        for name in MODEL_FILES:
            shutil.copy(folder / name, files)
        if (folder / COPIES).is_dir():
            shutil.copytree(folder / COPIES, files / COPIES)
        write_model(to, files, *signature(data))
        ask(client.log_model_artifacts, logged.model_id, str(to))
    ask(client.finalize_logged_model, logged.model_id, "READY")
    ask(client.log_outputs, tracked.run_id, [entities_of(client).LoggedModelOutput(logged.model_id, step=0)])


def model_name(folder: Path) -> str:
    """What the model of a run is called in the store: the name of the run, or what it is: `mlp-digits`."""
    state = read_state(folder)
    chosen = [state.get("choices", {}).get(group, "") for group in ("model", "dataset")]
    name = about_of(state).name or "-".join(str(each) for each in chosen if each)
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "model"


def signature(data: Data) -> tuple[str, tuple[int, ...]]:
    """Type and shape of the first field; the number of examples and the length of a sequence are not fixed."""
    name = next(iter(data.fields))
    shape = tuple(-1 if size is None else size for size in data.shapes()[name])
    return "float64" if data.fields[name].kind == "real" else "int64", (-1, *shape)
