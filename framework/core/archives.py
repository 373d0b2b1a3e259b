"""NumPy files (`.npz`, `.npy`) from an untrusted source: before an array is made, the size that a file claims is compared
with the size of the file and with the free memory."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from framework.core.memory import format_bytes, free_bytes
from framework.core.reading import UnreadableError, open_regular

SHARE = 0.8  # of the free memory that the arrays of a file may take
SMALL = 1 << 28  # bytes: below this, any compression ratio is accepted
RATIO = 100  # the largest compression ratio above that; zeros alone reach 1000
MEMBERS = 100_000


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Any]:
    """The arrays of an `.npz` by name, each read on first access, or the single array of an `.npy`. No code in the file is
    run.

    Raises:
        OSError: it is missing or not readable.
        UnreadableError: not a regular file, or it claims more than it holds or than fits into memory.
        Exception: whatever NumPy raises of a damaged file.
    """
    with open(open_regular(path), "rb") as file:
        check_claims(file, str(path))
        found = np.load(file, allow_pickle=False)
        with found if isinstance(found, np.lib.npyio.NpzFile) else contextlib.nullcontext():
            yield found


def check_claims(file: IO[bytes], name: str) -> None:
    """Check that a file can hold what its header claims, and that this fits into memory. Other damage is left to NumPy.

    Raises:
        UnreadableError: it cannot, or it would not fit.
    """
    begin = file.read(6)
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    if begin.startswith(b"PK"):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
            _check_members(archive, name)
    elif begin == b"\x93NUMPY":
        claimed = _claimed(file)
        if claimed > size:
            raise UnreadableError(f"{name}: it claims to hold {format_bytes(claimed)}, but has {format_bytes(size)}")
        _check_total(claimed, name)
    file.seek(0)


def _check_members(archive: zipfile.ZipFile, name: str) -> None:
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise UnreadableError(f"{name}: it holds more than {MEMBERS:,} arrays")
    total = sum(member.file_size for member in members)
    _check_total(total, name)
    packed = sum(member.compress_size for member in members)
    if total > SMALL and total > RATIO * packed:
        raise UnreadableError(
            f"{name}: {format_bytes(packed)} in it claim to be {format_bytes(total)}; "
            "numpy.savez writes arrays as large as they are"
        )
    for member in members:
        with archive.open(member) as file:
            claimed = _claimed(file)
        if claimed > member.file_size:
            what = f"array '{member.filename.removesuffix('.npy')}' claims to hold {format_bytes(claimed)}"
            raise UnreadableError(f"{name}: {what}, but has {format_bytes(member.file_size)}")


def _check_total(size: float, name: str) -> None:
    free = free_bytes()
    if size > SHARE * free:
        raise UnreadableError(
            f"{name}: its arrays take {format_bytes(size)}, but only {format_bytes(free)} of memory is free"
        )


def _claimed(file: IO[bytes]) -> int:
    """Bytes of the array that a header describes; 0 if it is not a header."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version](file)
        return 0 if dtype.hasobject else prod(map(int, shape)) * dtype.itemsize
    except (ValueError, KeyError, TypeError, SyntaxError, EOFError, OSError, zipfile.BadZipFile, RecursionError):
        return 0
