"""Updates the paths in a tracking store that was moved with its project.

MLflow saves absolute paths. Without an update, a renamed or copied project would still write to the old folder.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from framework.core.errors import ConfigError

# Where MLflow's tables hold addresses of artifacts, and where our tag holds the folder of a run.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifact_folder(experiment: str) -> str:
    """The folder of an experiment's artifacts below `artifacts/`: its name, quoted if it would lead elsewhere."""
    leads_out = Path(experiment).is_absolute() or ".." in Path(experiment).parts
    return quote(experiment, safe="").replace(".", "%2E") if leads_out else experiment


def is_missing(database: Path) -> bool:
    """Whether there is no store yet: no file, or an empty one.

    Raises:
        ConfigError: the file is something else.
    """
    if not database.exists() or (database.is_file() and not database.stat().st_size):
        return True
    remedy = "move it away and run `stackprop doctor`, or set tracking.uri"
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
                return False
    except sqlite3.OperationalError as error:
        if database.is_dir():
            raise ConfigError(f"{database}: this is a folder, not a store; {remedy}") from error
        return False  # locked, or not readable: whoever opens it says so
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{database}: not a database; {remedy}") from error
    raise ConfigError(f"{database}: a database without MLflow's tables; {remedy}")


def relocate(database: Path, runs: Path) -> None:
    """Update a SQLite store, with its artifacts beside it, to the folder of runs that it lies in now.

    Args:
        database: the store's file; it must exist.
        runs: the folder of runs, absolute.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        for old in _old_places(connection, runs):
            _replace(connection, old, runs)


def _old_places(connection: sqlite3.Connection, runs: Path) -> list[str]:
    """The other folders of runs in the addresses of experiments."""
    found = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    below = {name: (Path("/") / artifact_folder(name)).as_uri().removeprefix("file:///") for name, _ in found}
    ends = [(str(place), f"/artifacts/{below[name]}") for name, place in found]
    ours = [place.removesuffix(end) for place, end in ends if place.startswith("file:") and place.endswith(end)]
    return [place for place in dict.fromkeys(ours) if place != runs.as_uri()]


def _replace(connection: sqlite3.Connection, old: str, runs: Path) -> None:
    for table, column in ADDRESSES:
        if column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            _change(connection, table, column, old, runs.as_uri())
    _change(connection, "tags", "value", unquote(urlsplit(old).path), str(runs), "key = 'stackprop.folder' AND ")


def _change(connection: sqlite3.Connection, table: str, column: str, old: str, new: str, only: str = "") -> None:
    """Replace the prefix of addresses in the folder `old`."""
    query = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {only}substr({column}, 1, ?) = ?"
    connection.execute(query, (new, len(old) + 1, len(old) + 1, f"{old}/"))


def relative_to(runs: Path, folder: Path) -> str:
    """The path from a run's folder to that of all runs."""
    if folder.is_symlink():
        return os.path.relpath(runs.resolve(), folder.resolve())
    return os.path.normpath(os.path.join("..", _between(runs.absolute(), folder.parent.absolute())))


@functools.lru_cache(100)
def _between(runs: Path, parent: Path) -> str:
    return os.path.relpath(runs.resolve(), parent.resolve())
