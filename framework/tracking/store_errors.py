"""Why a tracking store cannot be used, and what helps: the errors of MLflow and of database drivers in short."""

from __future__ import annotations

import re

from framework.core.errors import ConfigError
from framework.core.secrets import masked
from framework.tracking.allowance import SlowServerError, StoreDownError

LONGEST = 200  # characters of an error that is not known
# The pattern of an error -> the message, with the groups of the pattern.
KNOWN = (
    (r"No space left on device|database or disk is full", "the disk is full"),
    (r"API request to (https?://[^/ ]+)\S* failed with exception", "{0} cannot be reached"),
    (
        r"^No module named '(psycopg2|MySQLdb|pymysql|pymssql|pyodbc|psycopg)'",
        "this database needs a Python package: {package}",
    ),
    (
        r"out-of-date database schema \(found version (\w+), but expected (\w+)\)",
        "its tables are of another version of MLflow (got {0}; this one has {1}); if they are older: make a copy of the "
        "database, then mlflow db upgrade ADDRESS; if they are newer: pip install --upgrade mlflow",
    ),
    (
        r"The experiment (\d+) must be in the 'active' state",
        "its experiment {0} is deleted; restore it with mlflow experiments restore -x {0}, or set tracking.experiment=NAME",
    ),
    (r"\(sqlite3\.OperationalError\) unable to open database file", "its database file cannot be opened or created"),
    (
        r"filesystem tracking backend .* is in maintenance mode",
        "MLflow records in a database, not in a folder any more; set tracking.uri=sqlite:///FILE.db",
    ),
)
PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "'psycopg[binary]'", "MySQLdb": "mysqlclient"}


def store_fault(error: Exception) -> str:
    """Why a store could not be used, in one line, without passwords."""
    if isinstance(error, StoreDownError) and isinstance(error.__cause__, Exception):
        return store_fault(error.__cause__)
    text = masked(" ".join(str(error).split()))
    for pattern, message in KNOWN:
        if found := re.search(pattern, text):
            package = f"pip install {PACKAGES.get(found[1], found[1])}" if found.groups() else ""
            return message.format(*found.groups(), package=package)
    if isinstance(error, OSError) and error.strerror:
        return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}"
    return text if isinstance(error, ConfigError | SlowServerError) else f"{type(error).__name__}: {text}"[:LONGEST]
