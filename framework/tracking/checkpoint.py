"""A checkpoint: one `.npz` file of plain arrays, written atomically, with a checksum over all its content."""

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


def save(path: Path, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any], lasting: bool = True) -> None:
    """Write a checkpoint; the previous one stays until this one is completely on the disk.

    Args:
        arrays: name -> array, no objects.
        plain: values that JSON can hold.
        lasting: wait until it is on the disk.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT, "sha256": _checksum(arrays, plain), "plain": plain})
    with replaced(path, lasting) as file:
        np.savez(file, allow_pickle=False, about=np.frombuffer(text.encode(), np.uint8), **arrays)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and plain values of a checkpoint.

    Raises:
        CheckpointError: the file is missing, truncated, changed, or not a checkpoint.
    """
    try:
        with open_archive(path) as file:
            arrays = {name: file[name] for name in file.files}
        about = parse_json(arrays.pop("about").tobytes(), str(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: this checkpoint does not exist") from error
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a complete checkpoint ({type(error).__name__}: {error})") from error
    if about.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its format is {about.get('format')!r}, not {FORMAT!r}")
    if about.get("sha256") != _checksum(arrays, about["plain"]):
        raise CheckpointError(f"{path}: its checksum does not match; the file was changed or damaged")
    return arrays, about["plain"]


def _checksum(arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> str:
    # Through JSON, since the keys of a mapping become strings when they are read again.
    digest = hashlib.sha256(json.dumps(json.loads(json.dumps(plain)), sort_keys=True).encode())
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {a.dtype.str} {a.shape}".encode())
        digest.update(a.tobytes())
    return digest.hexdigest()
