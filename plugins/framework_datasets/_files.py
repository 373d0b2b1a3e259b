"""Finds a file from a user's path, or reports what is wrong with it."""

from __future__ import annotations

import atexit
import codecs
import difflib
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from framework import DataError, did_you_mean, read_file


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


def text_of(path: str | Path, encoding: str | None = None) -> str:
    """The content of a text, without a byte order mark; with one, UTF-16 is detected.

    Args:
        encoding: None: UTF-8, and no option changes it.

    Raises:
        DataError: it cannot be read, or is not such a text; the message names the line.
    """
    try:
        content = read_file(existing(path))
    except OSError as error:
        raise unreadable(path, error) from error
    name, chosen = _codec(path, encoding or "utf-8"), encoding is not None
    if name == "utf-8":
        name = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    if not name.startswith("utf-8") and _is_utf_8(content, name):
        way = f"set dataset.encoding=utf-8, or save the file as {encoding}"
        raise DataError(f"{path}: this is UTF-8 text, and dataset.encoding is {encoding}; {way}")
    kind = "UTF-8" if name == "utf-8-sig" else name
    try:
        text = content.decode(name)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = len(re.findall(rb"\r\n|\r|\n", content[:start])) + 1
        way = f"set dataset.encoding={_likely(content)}, or save the file as UTF-8" if chosen else "save the file as UTF-8"
        raise DataError(f"{path}: line {line}: this is not {kind} text (byte {content[start]:#04x}); {way}") from error
    if "\0" in text:
        way = f"set dataset.encoding={_likely(content)}, or save the file as UTF-8" if chosen else "save the file as UTF-8"
        raise DataError(f"{path}: it holds zero bytes, so it is not {kind} text; {way}")
    return text


def _is_utf_8(content: bytes, name: str) -> bool:
    """Whether a text in another encoding, that of an option, is UTF-8 instead. Letters outside ASCII in a row that is valid
    UTF-8 do not occur in texts of one byte per letter, nor texts without any zero byte in UTF-16 or UTF-32."""
    if name.startswith(("utf-16", "utf-32")):
        is_other = 0 in content or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    else:
        is_other = content.isascii() or len(bytes(range(128, 256)).decode(name, "replace")) != 128
    if is_other:
        return False
    try:
        content.decode("utf-8")
    except UnicodeError:
        return False
    return True


def _codec(path: str | Path, encoding: str) -> str:
    """The name of an encoding of text.

    Raises:
        DataError: there is none of that name.
    """
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # raises for codecs of bytes, such as hex
    except LookupError as error:
        known = ("utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "cp1250", "mac-roman")
        raise DataError(f"{path}: dataset.encoding: unknown encoding '{encoding}'{did_you_mean(encoding, known)}") from error
    return found.name


def _likely(content: bytes) -> str:
    """The likely encoding of a text that is not UTF-8: zeros at every other byte are UTF-16, the bytes 0x80 ... 0x9f are
    letters and quotation marks in cp1252 only."""
    zeros = content[:4096].count(0)
    if zeros * 4 > len(content[:4096]):
        return "utf-16-le" if content[1:4096:2].count(0) > content[0:4096:2].count(0) else "utf-16-be"
    return "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"


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
