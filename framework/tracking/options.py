"""Options of tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framework.core.options import option


@dataclass(frozen=True)
class Tracking:
    """Where runs are recorded."""

    type: Literal["mlflow", "none"] = option(
        "mlflow", help="mlflow: the folder of the run and MLflow; none: the folder only"
    )
    uri: str | None = option(None, help="the address of an MLflow server or database; null: runs/mlflow.db")
    experiment: str = option("stackprop", help="the name of the MLflow experiment")
    max_points: int = option(100, least=2, help="maximum number of points per series in MLflow; the folder has all points")
