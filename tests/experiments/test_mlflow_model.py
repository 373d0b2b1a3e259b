"""The model in MLflow's format is the one that MLflow writes."""

import warnings

import mlflow
import numpy as np
import pytest
import yaml
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from framework.experiments.mlflow_model import CODE, write_model

OWN = ("model_uuid", "utc_time_created")  # differ between two models


def by_mlflow(folder, run, dtype, shape):
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(dtype), shape)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            folder, python_model=str(CODE), artifacts={"run": str(run)}, signature=signature, pip_requirements=["stackprop"]
        )


@pytest.mark.parametrize(("dtype", "shape"), [("float64", (-1, 4)), ("int64", (-1, -1, 3))])
def test_the_files_are_those_of_mlflow(tmp_path, monkeypatch, dtype, shape):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "plugins").mkdir(parents=True)
    for name in ("model.npz", "config.yaml", "plugins/mine.py"):
        (tmp_path / "run" / name).write_text(name)
    write_model(tmp_path / "ours", tmp_path / "run", dtype, shape)
    by_mlflow(tmp_path / "theirs", tmp_path / "run", dtype, shape)
    files = {
        folder: sorted(p.relative_to(folder) for p in folder.rglob("*"))
        for folder in (tmp_path / "ours", tmp_path / "theirs")
    }
    ours, theirs = files.values()
    assert ours == theirs
    for name in ours:
        one, other = (folder / name for folder in files)
        if name.name in ("MLmodel", "conda.yaml", "python_env.yaml"):
            one, other = (yaml.safe_load(path.read_text()) for path in (one, other))
            assert {k: v for k, v in one.items() if k not in OWN} == {k: v for k, v in other.items() if k not in OWN}
            assert list(one) == list(other)
        elif one.is_file():
            assert one.read_bytes() == other.read_bytes()
