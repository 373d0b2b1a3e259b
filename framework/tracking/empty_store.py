"""The empty store that a new one is a copy of.

MLflow needs three seconds to make a store. It makes one for this user and this version of MLflow, kept in the user's cache
folder. That also says which revision of the tables the installed MLflow uses.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from framework.tracking.sqlite_base import now


def copied(to: Path, make: Callable[[Path], None]) -> bool:
    """Write an empty store; returns whether there is one to copy.

    Args:
        make: lets MLflow make one.
    """
    source = template(make)
    if source is None:
        return False
    shutil.copyfile(source, to)
    try:
        with contextlib.closing(sqlite3.connect(to)) as connection, connection:
            # As MLflow fills in the row of its own experiment, for the working directory.
            made = "artifact_location = ?, creation_time = ?, last_update_time = ?"
            row = (str(Path.cwd() / "mlruns" / "0"), now(), now())
            connection.execute(f"UPDATE experiments SET {made} WHERE experiment_id = 0", row)
    except sqlite3.DatabaseError:  # it was damaged, by a full disk or a power failure
        source.unlink(missing_ok=True)
        to.unlink(missing_ok=True)
        return False
    return True


def template(make: Callable[[Path], None]) -> Path | None:
    """The empty store of the installed MLflow, made if it is missing; None where none can be kept."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stackprop" / "stores"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_own(folder) or not os.access(folder, os.W_OK):
            return None
        path = folder / f"mlflow-{version('mlflow')}.db"
        if path.is_symlink() or not path.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                make(Path(temporary) / "store.db")
                os.replace(Path(temporary) / "store.db", path)
        return path
    except Exception:  # no home, a full disk; MLflow says so itself when it makes the store in its place
        return None


def revision(database: Path) -> str | None:
    """The revision of the tables of a store; None if it says none."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if found is None else str(found[0])
    return None


def _is_own(folder: Path) -> bool:
    """Whether nobody else can put a file there."""
    found = folder.stat()
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
