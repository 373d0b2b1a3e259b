"""The single-file plugins and tracking stores that this user has used before.

A file that the user names runs. Code that a recorded run or a preset names runs only if its content was run before, or if
the user allows it (`--trust`, `trust=True`): a third-party folder runs nothing by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from framework.core.reading import read_json
from framework.core.writing import write_json

FILE = "trusted.json"
_HERE: set[str] = set()  # of this process: for a read-only state folder, and to read the list less often


_all: ContextVar[bool] = ContextVar("trust_all", default=False)


@contextlib.contextmanager
def trusting(everything: bool) -> Iterator[None]:
    """Trust all code that a record or a preset names, if `everything` (the option `--trust`), and remember it."""
    token = _all.set(everything or _all.get())
    try:
        yield
    finally:
        _all.reset(token)


def trusts_all() -> bool:
    """Whether the user has set `--trust`."""
    return _all.get()


def state_dir() -> Path | None:
    """The folder of stackprop's state for this user: STACKPROP_STATE, or the default of the platform; None if there is
    none."""
    if os.environ.get("STACKPROP_STATE"):
        return Path(os.environ["STACKPROP_STATE"])
    try:
        home = Path.home()
    except RuntimeError:  # no HOME and no account entry
        return None
    places = {
        "win32": ("LOCALAPPDATA", home / "AppData" / "Local"),
        "darwin": ("XDG_STATE_HOME", home / "Library" / "Application Support"),
    }
    variable, default = places.get(sys.platform, ("XDG_STATE_HOME", home / ".local" / "state"))
    return Path(os.environ.get(variable) or default) / "stackprop"


def is_trusted(sha256: str) -> bool:
    """Whether this user has run this code before."""
    return sha256 in _HERE or sha256 in _known()


def trust(sha256: str, file: Path) -> None:
    """Remember that the user runs this code; only in this process where nothing can be written."""
    if sha256 in _HERE:
        return
    _HERE.add(sha256)
    folder = state_dir()
    if folder is None or sha256 in _known():
        return
    from filelock import FileLock

    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder / f".{FILE}.lock", timeout=10):
            known = {**_known(), sha256: {"file": str(file), "since": time.strftime("%Y-%m-%d %H:%M:%S")}}
            write_json(folder / FILE, known)


def knows_store(uri: str | None) -> bool:
    """Whether this user has sent runs to this tracking store before, or names it now. The store that a third-party folder
    names may be any server or file."""
    return uri is None or uri == os.environ.get("MLFLOW_TRACKING_URI") or trusts_all() or is_trusted(_of_store(uri))


def trust_store(uri: str, shown: str) -> None:
    """Remember that the user sends runs to this store."""
    trust(_of_store(uri), Path(shown))


def _of_store(uri: str) -> str:
    return hashlib.sha256(f"store {uri}".encode()).hexdigest()


def _known() -> dict[str, Any]:
    """The list, SHA-256 -> file; empty where it cannot be read, or belongs to another user."""
    folder = state_dir()
    try:
        path = folder / FILE if folder else Path()
        if not path.is_file() or (hasattr(os, "getuid") and path.stat().st_uid not in (os.getuid(), 0)):
            return {}
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
