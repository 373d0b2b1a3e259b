"""Reads examples for a trained network from a file: encoded as its training data, or arrays from `.npz` and `.npy`."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np

from framework.core.errors import DataError
from framework.data.dataset import open_arrays
from framework.inference.model import Model


def read_fields(model: Model, path: str, with_target: bool) -> dict[str, np.ndarray]:
    """The fields in a file: field -> array (n, ...).

    Raises:
        DataError: the file cannot be read, or lacks a field that the network needs.
    """
    encoding = model.about.encoding
    if encoding is not None:
        fields = encoding.read(path, with_target)
        for note in encoding.notes(path, with_target) if hasattr(encoding, "notes") else ():
            print(f"stackprop: {path}: {note}", file=sys.stderr)
        return fields
    needed = [name for name in model.about.fields if with_target or name not in model.targets]
    try:
        with open_arrays(path) as found:
            there = {needed[0]: found} if isinstance(found, np.ndarray) else found
            fields = {name: np.asarray(there[name]) for name in needed if name in there}
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a valid .npz or .npy file ({error})") from error
    missing = [name for name in needed if name not in fields]
    if missing:
        raise DataError(f"{path}: '{missing[0]}' is missing; the network needs {', '.join(needed)}")
    for name, shape in model.about.shapes().items():
        if name in fields and not _fits(fields[name].shape[1:], shape):
            raise DataError(
                f"{Path(path).name}: '{name}' has shape {fields[name].shape}, not (n, {', '.join(map(str, shape))})"
            )
    return fields


def _fits(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(given) == len(wanted) and all(w is None or g == w for g, w in zip(given, wanted, strict=True))
