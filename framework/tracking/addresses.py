"""The addresses of tracking stores that MLflow can open."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

from framework.core.errors import did_you_mean
from framework.core.secrets import masked

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "file", "databricks")
PLUGINS = "mlflow.tracking_store"  # the entry points of packages that bring further schemes


def fault_of_address(uri: str | None) -> str:
    """What is wrong with the address of a store, before anything is sent to it; empty if nothing is.

    An address without `://` is a folder. A database may name its driver: `postgresql+psycopg2://`.
    """
    found = re.match(r"([^:/]*)://", uri or "")
    if not uri or not found:
        return ""
    scheme = found[1].partition("+")[0]
    if scheme in SCHEMES or any(scheme == entry.name for entry in entry_points(group=PLUGINS)):
        return ""
    return f"MLflow has no store of this kind (got {masked(uri)!r}){did_you_mean(scheme, SCHEMES)}"
