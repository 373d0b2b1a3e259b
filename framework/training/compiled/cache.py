"""The folder of compiled steps: verified before use, limited in size, safe for many processes at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT = 500 << 20  # bytes; above, the libraries that were not used for longest are removed
ABANDONED = 3600  # seconds after which a folder of an interrupted compilation is removed


class Cached(NamedTuple):
    """A library in a folder, with its C file."""

    library: Path
    code: Path
    size: int
    used: float

    def remove(self) -> None:
        """Remove it; a process that has loaded it keeps it."""
        for path in (self.library, self.code):
            with contextlib.suppress(OSError):
                path.unlink()


def folders() -> list[Path]:
    """Where compiled steps are kept; the second one where the first cannot be written."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    shared = Path(tempfile.gettempdir()) / f"stackprop-compiled-{user}"
    try:
        own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home
        return [shared]
    return [own / "stackprop" / "compiled", shared]


def is_own(folder: Path) -> bool:
    """Whether nobody else can put a library there."""
    found = folder.stat()
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def find(folder: Path, name: str) -> Path | None:
    """The library of that name, marked as used; damaged ones are removed, since loading one can end the process."""
    for path in sorted(folder.glob(f"{name}-*.so")):
        with contextlib.suppress(OSError):
            if path.stem.endswith(_sum(path)):
                os.utime(path)
                return path
            path.unlink()
    return None


def keep(folder: Path, name: str, linked: Path, code: Path) -> Path:
    """Put a library in place in one step, since other processes may do the same; its name holds its checksum."""
    library = folder / f"{name}-{_sum(linked)}.so"
    os.replace(code, library.with_suffix(".c"))
    os.replace(linked, library)
    trim(folder)
    return library


def trim(folder: Path, limit: int | None = None) -> None:
    """Remove the libraries that were not used for longest until the others fit, and what interrupted processes left."""
    found = sorted(content(folder), key=lambda each: each.used, reverse=True)
    room = LIMIT if limit is None else limit
    for each in found:
        room -= each.size
        if room < 0:
            each.remove()
    for path in folder.glob("tmp*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path)


def content(folder: Path) -> Iterator[Cached]:
    """The libraries of a folder."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith(".so"):
                with contextlib.suppress(OSError):  # another process has removed it
                    about, code = entry.stat(), Path(entry.path).with_suffix(".c")
                    size = about.st_size + (code.stat().st_size if code.exists() else 0)
                    yield Cached(Path(entry.path), code, size, about.st_mtime)


def clear() -> None:
    """Remove every compiled step of this user."""
    for folder in folders():
        if folder.is_dir() and is_own(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
