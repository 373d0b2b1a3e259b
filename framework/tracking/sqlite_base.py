"""The database of a local store: queries, transactions, and MLflow's client for all else."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

WAIT = 60.0  # seconds for another process that writes
CACHE = 32768  # kilobytes of pages in memory: the indexes of a transaction of many runs are written once
MOST = 960  # values of a statement; SQLite before 3.32 takes 999
VALUES = re.compile(r"VALUES (\([?, ]+\))")


def has_tables(database: Path, tables: Mapping[str, str]) -> bool:
    """Whether a store has tables of exactly these columns."""
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT)) as connection:
        found = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in tables}
    return all(sorted(found[table]) == sorted(columns.split()) for table, columns in tables.items())


def at_once(statement: str, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """The same rows with many in a statement, which takes two thirds of the time of a statement for each."""
    values = VALUES.search(statement)
    if values is None or len(rows) < 2:
        yield statement, rows
        return
    most = MOST // len(rows[0])
    for at in range(0, len(rows), most):
        part = rows[at : at + most]
        yield statement.replace(values[1], ", ".join([values[1]] * len(part))), [list(chain.from_iterable(part))]


class SqliteBase:
    """A local store.

    Args:
        make: makes MLflow's client, once it is needed.
        database: the file of the store.
    """

    def __init__(self, make: Callable[[], Any], database: Path) -> None:
        self.make, self.database, self.made, self._failed = make, database, None, False
        self._lock, self._open = threading.RLock(), dict[int, sqlite3.Connection]()

    @property
    def client(self) -> Any:
        """MLflow's client. It has its own connection, for which what was written here before must be complete."""
        with self._lock:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            if self.made is None:
                self.made = self.make()
        return self.made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.client, name)

    @property
    def _connection(self) -> sqlite3.Connection:
        """An open connection of this process; a fork must not use that of its parent."""
        if os.getpid() not in self._open:
            opened = sqlite3.connect(self.database, timeout=WAIT, check_same_thread=False, isolation_level=None)
            opened.execute("PRAGMA synchronous=NORMAL")  # with write-ahead: nothing is corrupted by a power failure
            opened.execute(f"PRAGMA cache_size={-CACHE}")
            self._open = {os.getpid(): opened}
        return self._open[os.getpid()]

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def write(self, run_id: str, statements: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> bool:
        """Run statements as one transaction, unless the run does not exist or was deleted; returns whether they ran.

        Args:
            run_id: of the run; empty for what belongs to none.
        """
        query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
        with self.together():
            active = run_id == "" or self._connection.execute(query, (run_id,)).fetchone() is not None
            for statement, rows in statements if active else ():
                for each, values in at_once(statement, rows):
                    self._connection.executemany(each, values)
        return active

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written in this block is one transaction.

        Raises:
            sqlite3.Error: nothing was written, even if the block itself has handled an error of the database.
        """
        with self._lock:
            connection = self._connection
            if connection.in_transaction:
                with self._noted():
                    yield
                return
            connection.execute("BEGIN IMMEDIATE")
            self._failed = False
            try:
                yield
                if self._failed:
                    raise sqlite3.OperationalError("some rows of a transaction could not be written")
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite has not rolled it back itself
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Note an error of the database: it may have rolled back all of the transaction."""
        try:
            yield
        except sqlite3.Error:
            self._failed = True
            raise


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
