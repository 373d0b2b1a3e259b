"""A checkpoint: one `.npz` file of plain arrays, written in one step, with a checksum over everything in it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.archives import open_archive
from framework.core.errors import CheckpointError
from framework.core.reading import parse_json
from framework.core.writing import replaced

FORMAT = "stackprop checkpoint 1"


def save(path: Path, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
    """Write a checkpoint; the one before stays until this one is wholly on the disk.

    Args:
        arrays: name -> array, no objects.
        plain: what JSON can hold.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT, "sha256": _checksum(arrays, plain), "plain": plain})
    with replaced(path) as file:
        np.savez(file, allow_pickle=False, about=np.frombuffer(text.encode(), np.uint8), **arrays)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and plain values of a checkpoint.

    Raises:
        CheckpointError: the file is missing, cut short, changed, or something else altogether.
    """
    try:
        with open_archive(path) as file:
            arrays = {name: file[name] for name in file.files}
        told = parse_json(arrays.pop("about").tobytes(), str(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such checkpoint") from error
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: no whole checkpoint ({type(error).__name__}: {error})") from error
    if told.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its format is {told.get('format')!r}, not {FORMAT!r}")
    if told.get("sha256") != _checksum(arrays, told["plain"]):
        raise CheckpointError(f"{path}: its checksum does not fit; the file was changed or damaged")
    return arrays, told["plain"]


def _checksum(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> str:
    # By way of JSON, as the keys of a mapping are strings once they have been read again.
    digest = hashlib.sha256(json.dumps(json.loads(json.dumps(plain)), sort_keys=True).encode())
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {a.dtype.str} {a.shape}".encode())
        digest.update(a.tobytes())
    return digest.hexdigest()
