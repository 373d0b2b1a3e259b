"""Atomic writes to files in run folders, never through a link.

A run folder may come from an untrusted source: `metrics.jsonl` may be a link to a file of the user's, `figures` one to a
folder. The folder of runs, or the folder of one run, may be a link that the user made; its content may not.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

AT_ONCE = 16  # files that are written to the disk at once
_later: ContextVar[dict[Path, None] | None] = ContextVar("files that are not on the disk yet", default=None)
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class LinkError(OSError):
    """A target file lies behind a link, or is not a regular file; `strerror` has the message."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.ELOOP, what, str(path))


@contextlib.contextmanager
def replaced(path: Path, lasting: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into; it replaces `path` once it is complete. A reader never sees half of it, and the old content
    stays if writing fails. A link of that name is replaced, not followed.

    Args:
        lasting: wait until it is on the disk, so that a power failure leaves the old or the new content.
    """
    beside = path.with_name(f"{path.name}.part")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()  # left by a process that was killed, or a link
    try:
        with open(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666), "w+b") as file:
            yield file
            file.flush()
            if lasting:
                to_disk(file.fileno(), path)
        beside.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()  # a partial file may be what fills the disk
        if isinstance(error, OSError) and not isinstance(error, LinkError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def to_disk(descriptor: int, path: Path) -> None:
    """Wait until a file is on the disk; inside `lasting_together`, later."""
    later = _later.get()
    if later is None:
        os.fsync(descriptor)
    else:
        later[path] = None


@contextlib.contextmanager
def lasting_together() -> Iterator[None]:
    """Wait for the disk once, at the end, for all files that are written inside: many small files then take as long as one.
    A power failure before that may lose the newest of them."""
    if _later.get() is not None:
        yield
        return
    files: dict[Path, None] = {}
    token = _later.set(files)
    try:
        yield
    finally:
        _later.reset(token)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(_flushed, files))


def _flushed(path: Path) -> None:
    with contextlib.suppress(OSError):  # it was moved or removed since
        descriptor = os.open(path, os.O_RDONLY | NO_LINK)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path, content: bytes, lasting: bool = True) -> None:
    """Replace a file; see `replaced`."""
    with replaced(path, lasting) as file:
        file.write(content)


def write_text(path: Path, content: str, lasting: bool = True) -> None:
    """Replace a UTF-8 text file; see `replaced`."""
    write_bytes(path, content.encode(), lasting)


def write_json(path: Path, content: Mapping[str, Any], lasting: bool = True) -> None:
    """Replace a JSON file; see `replaced`."""
    write_text(path, json_text(content), lasting)


def json_text(content: Mapping[str, Any]) -> str:
    """A mapping as JSON: a line for each entry, and for each entry of a mapping in it. `json` itself indents ten times as
    slowly."""
    lines = []
    for key, value in content.items():
        if type(value) is dict and value and all(type(name) is str for name in value):
            inner = ",\n".join(f"    {json.dumps(name)}: {json.dumps(each)}" for name, each in value.items())
            text = f"{{\n{inner}\n  }}"
        else:
            text = json.dumps(value)
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"


def overwrite(path: Path, content: Mapping[str, Any]) -> bool:
    """Overwrite a JSON file in place, for a disk without room for a second one; returns whether this succeeded. The file
    needs no more blocks than it has."""
    data = json_text(content).encode()
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
    """A text file that replaces `path` once complete, as `replaced`; line ends are written unchanged."""
    with replaced(path, lasting=False) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def appending(path: Path) -> int:
    """A descriptor to append to a file, which is created if missing.

    Raises:
        LinkError: it is a link, or not a regular file.
    """
    check_no_link(path)
    if path.exists() and not path.is_file():  # opening a pipe without a reader would block
        raise LinkError(path, "this is not a file; nothing is written to it")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK, 0o644)


def inside(folder: Path, name: str) -> Path:
    """A folder within the folder of a run, created if missing.

    Raises:
        LinkError: it is a link, which may lead anywhere, or not a folder.
    """
    path = folder / name
    check_no_link(path)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise LinkError(path, "this is not a folder; nothing is written to it") from error
    return path


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder; links are not followed."""
    total = 0
    for at, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                total += os.lstat(os.path.join(at, name)).st_size
    return total


def check_no_links(folder: Path) -> None:
    """Check that a folder contains no link.

    Raises:
        LinkError: the folder, or anything in it, is a link.
    """
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            check_no_link(Path(at, name))


def check_no_link(path: Path) -> None:
    """Check that a path is not a link.

    Raises:
        LinkError: it is a link.
    """
    if path.is_symlink():
        raise LinkError(path, f"this is a link to {os.readlink(path)}; nothing is written through it; remove it first")
