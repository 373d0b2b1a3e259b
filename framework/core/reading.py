"""Reads files from an untrusted source within bounds: regular files of a bounded size, nested to a bounded depth.

Reading a pipe instead of a file would wait forever. A device, or a few lines of YAML that refer to each other, would fill
the memory.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.core.memory import free_bytes

LARGEST = 1 << 26  # bytes of a record or a preset: a thousand times their usual size
PIECE = 1 << 20  # bytes
DEEPEST = 100  # mappings and lists within each other
MOST = 1 << 20  # values in a YAML file, counting each reference as its values
SHARE = 0.25  # of the free memory that the text of a file may take; the parsed values take more
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class UnreadableError(ValueError):
    """A file is not of the expected kind; the message names it and the reason."""


def open_regular(path: Path, most: int | None = None) -> int:
    """A descriptor to read a file, of at most `most` bytes.

    Raises:
        OSError: it is missing or not readable.
        UnreadableError: it is a folder, a pipe or a device, or larger.
    """
    file = os.open(path, os.O_RDONLY | WITHOUT_WAITING)
    status = os.fstat(file)
    fault = ""
    if not stat.S_ISREG(status.st_mode):
        fault = f"{path}: this is {_kind(status.st_mode)}, not a file"
    elif most is not None and status.st_size > most:
        fault = f"{path}: it has {status.st_size:,} bytes; at most {most:,} are read"
    if fault:
        os.close(file)
        raise UnreadableError(fault)
    return file


def affordable() -> int:
    """The largest file of numbers, in bytes, that fits into memory."""
    return int(SHARE * free_bytes())


def is_regular(path: Path) -> bool:
    """Whether it can be opened at all: a file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _kind(mode: int) -> str:
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a device": stat.S_ISCHR, "a disk": stat.S_ISBLK}
    return next((name for name, test in kinds.items() if test(mode)), "something else")


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """The content of a file; raises as `open_regular`."""
    file = open_regular(path, most)
    try:  # a file object, or a request for `most` bytes at once, would take longer than all the rest
        size = os.fstat(file).st_size
        found = os.read(file, size + 1)
        # It grows, its size is unknown, or it is larger than the 2 GiB that are read at once.
        while size != len(found) <= most and (more := os.read(file, max(PIECE, size + 1 - len(found)))):
            found += more
    finally:
        os.close(file)
    if len(found) > most:
        raise UnreadableError(f"{path}: it has more than {most:,} bytes")
    return found


def read_text(path: Path, most: int = LARGEST, errors: str = "strict") -> str:
    """The text of a UTF-8 file; raises as `read_bytes`."""
    try:
        return read_bytes(path, most).decode(errors=errors).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: this is not UTF-8 text") from error


def read_json(path: Path, most: int = LARGEST) -> Any:
    """The content of a JSON file; raises as `read_text` and `parse_json`."""
    return parse_json(read_text(path, most), str(path))


def read_mapping(path: Path, most: int = LARGEST) -> dict[str, Any]:
    """The mapping in a JSON file; empty if it is missing, not readable, or not a mapping."""
    try:
        found = read_json(path, most)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def parse_json(text: str | bytes, name: str) -> Any:
    """The content of a JSON text.

    Raises:
        UnreadableError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UnreadableError(f"{name}: lists and mappings are nested too deeply") from error
    except ValueError as error:
        raise UnreadableError(f"{name}: this is not valid JSON ({error})") from error


def read_yaml(path: Path, most: int = LARGEST) -> Any:
    """The content of a YAML file, plain values only; raises as `read_text` and `parse_yaml`."""
    return parse_yaml(read_text(path, most), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """The content of a YAML text.

    Raises:
        UnreadableError: it is not YAML, is nested too deeply, or expands to too many values.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if the C library is available
    try:
        _check_events(yaml.parse(text, loader), name)
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{name}: this is not valid YAML ({' '.join(str(error).split())})") from error


def check_yaml(path: Path, most: int = LARGEST) -> None:
    """Check the bounds of `read_yaml` for a file that another reader will parse; other errors are left to that reader."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = read_text(path, most)
    try:
        _check_events(yaml.parse(text, loader), str(path))
    except yaml.YAMLError:
        return


def _check_events(events: Iterator[Any], name: str) -> None:
    """Check the depth and the number of values, with references expanded, before any object is built."""
    sizes: dict[str, int] = {}  # of the values with an anchor
    open_nodes: list[list[Any]] = []  # anchor and size of the enclosing mappings and lists
    for event in events:
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            open_nodes.append([anchor, 1])
            if len(open_nodes) > DEEPEST:
                raise UnreadableError(f"{name}: lists and mappings are nested more than {DEEPEST} deep")
            continue
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, size = open_nodes.pop()
        elif kind == "ScalarEvent":
            size = 1
        elif kind == "AliasEvent":
            if any(anchor == around for around, _ in open_nodes):
                raise UnreadableError(f"{name}: '*{anchor}' contains itself")
            anchor, size = None, sizes.get(anchor or "", 1)
        else:
            continue
        if anchor:
            sizes[anchor] = size
        if open_nodes:
            open_nodes[-1][1] += size
        if size > MOST or (open_nodes and open_nodes[-1][1] > MOST):
            raise UnreadableError(f"{name}: it expands to more than {MOST:,} values")


def stamp(path: Path) -> tuple[int, int] | None:
    """What changes when another process replaces a file; None if there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
