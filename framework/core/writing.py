"""Atomic writes to files in run folders, never through a link.

A run folder may come from an untrusted source: `metrics.jsonl` may be a link to a file of the user's, `figures` one to a
folder. The folder of runs, or the folder of one run, may be a link that the user made; its content may not.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

AT_ONCE = 16  # files that are written to the disk at once
_later: ContextVar[dict[Path, None] | None] = ContextVar("files that are not on the disk yet", default=None)
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK


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
    with _beside(path, lasting) as descriptor, open(descriptor, "w+b", closefd=False) as file:
        yield file


@contextlib.contextmanager
def _beside(path: Path, lasting: bool) -> Iterator[int]:
    """The descriptor of a new file, which replaces `path` at the end of this block."""
    beside = path.with_name(f"{path.name}.part")
    try:
        try:
            descriptor = os.open(beside, NEW, 0o666)
        except FileExistsError:  # left by a process that was killed, or a link
            beside.unlink()
            descriptor = os.open(beside, NEW, 0o666)
        try:
            yield descriptor
            if lasting:
                to_disk(descriptor, path)
        finally:
            os.close(descriptor)
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
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(_flushed, files))
        except RuntimeError:  # no room for another thread
            list(map(_flushed, files))


def _flushed(path: Path) -> None:
    with contextlib.suppress(OSError):  # it was moved or removed since
        descriptor = os.open(path, os.O_RDONLY | NO_LINK)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_bytes(path: Path, content: bytes, lasting: bool = True) -> None:
    """Replace a file; see `replaced`."""
    with _beside(path, lasting) as descriptor:
        write_all(descriptor, content)


def write_all(descriptor: int, content: bytes) -> None:
    """Write bytes; a single call may write a part of them."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def amend(path: Path, before: str, after: str) -> bool:
    """Change the last line of a JSON file in place, if the file has the content `before`; returns whether it now has the
    content `after`, which must not be longer. Whoever reads it sees one of them, even if this process is killed. It is not
    waited for the disk."""
    old, new = before.encode(), after.encode()
    start = old.rfind(b"\n", 0, -3)
    if old[:start] != new[:start] or len(new) > len(old):
        return False
    try:
        descriptor = os.open(path, os.O_RDWR | NO_LINK)
        try:
            if os.read(descriptor, len(old) + 1) != old:
                return False
            os.lseek(descriptor, start, os.SEEK_SET)
            os.write(descriptor, new[start:].ljust(len(old) - start, b"\n"))  # line ends at its end are valid JSON
            os.ftruncate(descriptor, len(new))
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


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
            inner = ",\n".join(f"    {_quoted(name)}: {_json(each)}" for name, each in value.items())
            text = f"{{\n{inner}\n  }}"
        else:
            text = _json(value)
        lines.append(f"  {_json(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"


_quoted = json.encoder.encode_basestring_ascii  # what `json.dumps` does with a text, in a fifth of the time


def _json(value: Any) -> str:
    if type(value) is str:
        return str(_quoted(value))
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    return json.dumps(value)


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
