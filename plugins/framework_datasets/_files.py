"""Finds a file from a user's path, or reports what is wrong with it."""

from __future__ import annotations

import atexit
import difflib
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from framework import DataError, read_file


def existing(path: str | Path) -> Path:
    """The file at a path; `~` is the home folder, a relative path starts at the current folder.

    Raises:
        DataError: it is missing (the message suggests the closest name in its folder), a folder, or empty.
    """
    at = Path(os.path.expanduser(path))
    try:
        if at.is_dir():
            raise DataError(f"{path}: this is a folder; give a file in it{_contents(at)}")
        if not at.exists():
            raise DataError(f"{path}: this file does not exist{_near(at)}")
        if at.is_file() and at.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
    except OSError as error:
        raise unreadable(path, error) from error
    return at


def folder_of(path: str) -> Path:
    """The folder at a path, as `existing`.

    Raises:
        DataError: it is missing, or not a folder.
    """
    at = Path(os.path.expanduser(path))
    if not at.is_dir():
        what = "this is a file; give the folder that it lies in" if at.exists() else "this folder does not exist"
        raise DataError(f"{path}: {what}{'' if at.exists() else _near(at)}")
    return at


def unreadable(path: str | Path, error: OSError) -> DataError:
    """A system error about a file, as a DataError."""
    return DataError(f"{path}: cannot be read ({error.strerror or error})")


def text_of(path: str | Path) -> str:
    """The content of a UTF-8 text, without a byte order mark.

    Raises:
        DataError: it cannot be read, or is not such a text; the message names the line.
    """
    try:
        text = read_file(existing(path)).decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", error.object[: error.start])) + 1
        byte = error.object[error.start]
        raise DataError(f"{path}: line {line}: this is not UTF-8 text (byte {byte:#04x}); save the file as UTF-8") from error
    if "\0" in text:
        raise DataError(f"{path}: it holds zero bytes, so it is not UTF-8 text; save the file as UTF-8")
    return text


def _near(at: Path) -> str:
    folder = at.parent.resolve()
    if not folder.is_dir():
        return f"; the folder {folder} does not exist either"
    close = difflib.get_close_matches(at.name, os.listdir(folder), 1)
    return f" in {folder}" + (f"; did you mean '{close[0]}'?" if close else _contents(folder))


def _contents(folder: Path, most: int = 8) -> str:
    files = sorted(p.name for p in folder.iterdir() if p.suffix in (".csv", ".tsv", ".txt", ".npz", ".npy"))
    more = ", ..." if len(files) > most else ""
    return f" (there are: {', '.join(files[:most])}{more})" if files else ""


def sample(name: str, content: bytes) -> str:
    """A small file for the conformance kit, removed when the process ends."""
    path = _samples() / name
    path.write_bytes(content)
    return str(path)


def sample_folder(name: str, arrays: Mapping[str, np.ndarray]) -> str:
    """A folder of .npy files for the conformance kit, likewise."""
    folder = _samples() / name
    folder.mkdir(exist_ok=True)
    for key, a in arrays.items():
        np.save(folder / f"{key}.npy", a)
    return str(folder)


@functools.cache
def _samples() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="stackprop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
