"""Reads examples for a trained network from a file: encoded as its training data, or arrays from `.npz` and `.npy`."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import ConfigError, DataError, did_you_mean
from framework.data.dataset import open_arrays
from framework.inference.model import Model

WRITTEN = ("delimiter", "decimal", "encoding")  # how a table is written may differ from the training data


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command, without those that say how its file is written; and these."""
    how = [word for word in words if re.match(r"dataset\.\w+=", word)]
    return [word for word in words if word not in how], how


def as_written(model: Model, how: Sequence[str]) -> Model:
    """The model, for a file that is written as these words say: `dataset.decimal=comma`.

    Raises:
        ConfigError: there is no such option, or the model does not read tables.
    """
    if not how:
        return model
    encoding: Any = model.about.encoding
    if not hasattr(encoding, "format"):
        raise ConfigError(f"{how[0]}: the run was not trained on a table (dataset=csv), whose text has such options")
    given = dict(word.removeprefix("dataset.").split("=", 1) for word in how)
    for name, value in given.items():
        if name not in WRITTEN:
            raise ConfigError(f"dataset.{name}: not an option of a new file{did_you_mean(name, WRITTEN)}")
        if name == "decimal" and value not in ("point", "comma"):
            raise ConfigError(f"dataset.decimal: {value!r} is not allowed{did_you_mean(value, ('point', 'comma'))}")
    written = replace(encoding, format=replace(encoding.format, **given))
    return replace(model, about=replace(model.about, encoding=written))


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
