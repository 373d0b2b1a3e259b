"""Files in the folders of runs, written whole or not at all, and never through a link.

Such a folder may come from somebody else: `metrics.jsonl` may be a link to a file of the user's, `figures` one to a folder.
A folder of runs, or the folder of one run, may be a link: the user has laid it there. What lies in it may not.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class LinkError(OSError):
    """What is to be written lies behind a link, or is no file; `strerror` says it in words."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.ELOOP, what, str(path))


@contextlib.contextmanager
def replaced(path: Path, lasting: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into that takes the place of `path` when all of it is there; a reader never meets half of it, and what
    was there before stays if writing fails. A link of that name is replaced, not followed.

    Args:
        lasting: wait until it is on the disk, so that a power cut leaves one or the other.
    """
    beside = path.with_name(f"{path.name}.part")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()  # left by a process that was killed, or a link
    try:
        with open(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666), "w+b") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()  # half of one may be what fills the disk
        if isinstance(error, OSError) and not isinstance(error, LinkError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_bytes(path: Path, content: bytes, lasting: bool = True) -> None:
    """Replace a file; see `replaced`."""
    with replaced(path, lasting) as file:
        file.write(content)


def write_text(path: Path, content: str, lasting: bool = True) -> None:
    """Replace a file of text in UTF-8; see `replaced`."""
    write_bytes(path, content.encode(), lasting)


def write_json(path: Path, content: Mapping[str, Any], lasting: bool = True) -> None:
    """Replace a file of JSON; see `replaced`."""
    write_text(path, json.dumps(content, indent=2) + "\n", lasting)


def overwrite(path: Path, content: Mapping[str, Any]) -> bool:
    """Write a file of JSON where it lies, on a disk that has no room for another one beside it; whether that went well. It
    takes no more blocks than it has."""
    data = (json.dumps(content, indent=2) + "\n").encode()
    try:
        with open(os.open(path, os.O_RDWR | NO_LINK), "r+b") as file:
            if len(data) > getattr(os.fstat(file.fileno()), "st_blocks", 0) * 512:
                return False
            file.write(data)
            file.truncate()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def replaced_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The same as `replaced`, for what writes text piece by piece; line ends stay as they are written."""
    with replaced(path, lasting=False) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def appending(path: Path) -> int:
    """A descriptor to append to a file, which is made where it is not there.

    Raises:
        LinkError: it is a link, or no file.
    """
    check_no_link(path)
    if path.exists() and not path.is_file():  # a pipe that nobody reads would be waited for
        raise LinkError(path, "this is no file; nothing is written to it")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK, 0o644)


def inside(folder: Path, name: str) -> Path:
    """A folder within the folder of a run, made where it is not there.

    Raises:
        LinkError: it is a link, which may lead anywhere, or no folder.
    """
    path = folder / name
    check_no_link(path)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise LinkError(path, "this is no folder; nothing is written to it") from error
    return path


def check_no_links(folder: Path) -> None:
    """
    Raises:
        LinkError: there is a link in the folder, which may be one itself, or in a folder of it.
    """
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            check_no_link(Path(at, name))


def check_no_link(path: Path) -> None:
    """
    Raises:
        LinkError: it is a link.
    """
    if path.is_symlink():
        raise LinkError(path, f"this is a link to {os.readlink(path)}; nothing is written through it; remove it first")
