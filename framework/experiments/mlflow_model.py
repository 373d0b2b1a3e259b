"""Writes a model in MLflow's format, from code and without pickle: the files that `mlflow.pyfunc.save_model` writes, without
importing MLflow, which takes two seconds, and without loading the model once more."""

from __future__ import annotations

import json
import platform
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from framework.core.writing import size_of, write_text

CODE = Path(__file__).with_name("serving.py")
BUILD = ("pip", "setuptools", "wheel")


def write_model(folder: Path, run: Path, dtype: str, shape: Sequence[int]) -> None:
    """Write a model.

    Args:
        folder: to create.
        run: a folder with the files of the run's model.
        dtype, shape: of the input; -1 for a length that is not fixed.
    """
    import yaml

    shutil.copytree(run, folder / "artifacts" / "run")
    shutil.copyfile(CODE, folder / CODE.name)
    python, mlflow = platform.python_version(), version("mlflow")
    pip = _pinned("pip", "<=")
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", pip, {"pip": [f"mlflow=={mlflow}", "stackprop"]}],
        "name": "mlflow-env",
    }
    environment = {
        "python": python,
        "build_dependencies": [_pinned(name, "==") for name in BUILD],
        "dependencies": ["-r requirements.txt"],
    }
    about = {
        "flavors": {"python_function": _flavor(python, run)},
        "is_signature_from_type_hint": False,
        "mlflow_version": mlflow,
        "model_id": None,
        "model_size_bytes": size_of(folder),
        "model_uuid": uuid.uuid4().hex,
        "prompts": None,
        "signature": {"inputs": json.dumps([_tensor(dtype, shape)]), "outputs": None, "params": None},
        "type_hint_from_example": False,
        "utc_time_created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }
    for name, content in {"MLmodel": about, "conda.yaml": conda}.items():
        write_text(folder / name, yaml.safe_dump(content, allow_unicode=True), lasting=False)
    write_text(folder / "python_env.yaml", yaml.safe_dump(environment, sort_keys=False), lasting=False)
    write_text(folder / "requirements.txt", f"mlflow=={mlflow}\nstackprop", lasting=False)


def _flavor(python: str, run: Path) -> Mapping[str, Any]:
    """How MLflow loads it."""
    return {
        "artifacts": {"run": {"path": "artifacts/run", "uri": str(run)}},
        "cloudpickle_version": version("cloudpickle"),
        "code": None,
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "loader_module": "mlflow.pyfunc.loaders.code_model",
        "model_code_path": str(CODE),
        "python_version": python,
        "streamable": False,
    }


def _tensor(dtype: str, shape: Sequence[int]) -> Mapping[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}


def _pinned(package: str, sign: str) -> str:
    """`pip==24.0`; the name alone if it is not installed."""
    try:
        return f"{package}{sign}{version(package)}"
    except PackageNotFoundError:
        return package
