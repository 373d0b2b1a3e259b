"""The options of the tracking store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framework.core.options import option


@dataclass(frozen=True)
class Tracking:
    """The tracking store of runs."""

    type: Literal["mlflow", "none"] = option("mlflow", help="none: the run folder only")
    uri: str | None = option(None, help="URI of an MLflow server or store; null: runs/mlflow.db")
    experiment: str = option("stackprop", help="the MLflow experiment")
    max_points: int = option(100, least=2, help="maximum points of a series in MLflow; the run folder has all")
