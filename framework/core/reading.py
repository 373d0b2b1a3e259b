"""Files that somebody else may have written, read within bounds: regular files of a bounded size, nested to a bounded depth.

A pipe in the place of a file would be waited for without end, a device fills the memory, and so do a few lines of YAML that
name each other.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.core.memory import free_bytes

LARGEST = 1 << 26  # bytes of a record or a preset: a thousand times what they have
DEEPEST = 100  # mappings and lists within each other
MOST = 1 << 20  # values that a YAML file may stand for, those that it only refers to counted each time
SHARE = 0.25  # of the free memory that the text of a file may take; what is made of it takes more
WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class UnreadableError(ValueError):
    """A file is not what it is taken for; the message names it, and says why."""


def open_regular(path: Path, most: int | None = None) -> int:
    """A descriptor to read a file, which has at most so many bytes.

    Raises:
        OSError: it is missing, or may not be read.
        UnreadableError: it is a folder, a pipe or a device, or larger.
    """
    file = os.open(path, os.O_RDONLY | WITHOUT_WAITING)
    told = os.fstat(file)
    fault = ""
    if not stat.S_ISREG(told.st_mode):
        fault = f"{path}: this is {_kind(told.st_mode)}, not a file"
    elif most is not None and told.st_size > most:
        fault = f"{path}: it has {told.st_size:,} bytes; at most {most:,} are read"
    if fault:
        os.close(file)
        raise UnreadableError(fault)
    return file


def affordable() -> int:
    """Bytes of a file of numbers that this machine can take in."""
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
    """What a file holds; raises as `open_regular` does."""
    with open(open_regular(path, most), "rb") as file:
        found = file.read(most + 1)
    if len(found) > most:  # it has grown meanwhile, or tells no size
        raise UnreadableError(f"{path}: it has more than {most:,} bytes")
    return found


def read_text(path: Path, most: int = LARGEST, errors: str = "strict") -> str:
    """The same, as UTF-8."""
    try:
        return read_bytes(path, most).decode(errors=errors).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: this is no UTF-8 text") from error


def read_json(path: Path, most: int = LARGEST) -> Any:
    """What a file of JSON says; raises as `read_text` does, and where it is no JSON."""
    return parse_json(read_text(path, most), str(path))


def read_mapping(path: Path, most: int = LARGEST) -> dict[str, Any]:
    """What a file of JSON says; nothing where it is missing, cannot be read, or is no mapping."""
    try:
        found = read_json(path, most)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def parse_json(text: str | bytes, name: str) -> Any:
    """What JSON says.

    Raises:
        UnreadableError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UnreadableError(f"{name}: lists and mappings are nested too deeply") from error
    except ValueError as error:
        raise UnreadableError(f"{name}: this is no JSON ({error})") from error


def read_yaml(path: Path, most: int = LARGEST) -> Any:
    """What a file of YAML says, without anything that YAML could construct but plain values; raises as `read_text` does, and
    as `parse_yaml`."""
    return parse_yaml(read_text(path, most), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """What YAML says.

    Raises:
        UnreadableError: it is none, is nested too deeply, or stands for more than it says.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where the C library is there
    try:
        _check_events(yaml.parse(text, loader), name)
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{name}: this is no YAML ({' '.join(str(error).split())})") from error


def check_yaml(path: Path, most: int = LARGEST) -> None:
    """Raises as `read_yaml` does where the bounds are not kept, for a file that something else will read. What is wrong with
    it otherwise, that will say."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = read_text(path, most)
    try:
        _check_events(yaml.parse(text, loader), str(path))
    except yaml.YAMLError:
        return


def _check_events(events: Iterator[Any], name: str) -> None:
    """Depth, and how many values there are when all that is referred to stands in its place. Before anything is built."""
    sizes: dict[str, int] = {}  # of what has a name
    open_nodes: list[list[Any]] = []  # name and size of the mappings and lists around
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
                raise UnreadableError(f"{name}: '*{anchor}' stands within itself")
            anchor, size = None, sizes.get(anchor or "", 1)
        else:
            continue
        if anchor:
            sizes[anchor] = size
        if open_nodes:
            open_nodes[-1][1] += size
        if size > MOST or (open_nodes and open_nodes[-1][1] > MOST):
            raise UnreadableError(f"{name}: with all that it refers to it stands for more than {MOST:,} values")
