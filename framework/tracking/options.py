"""Where runs are tracked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from framework.core.options import option


@dataclass(frozen=True)
class Tracking:
    """Where runs are tracked."""

    type: Literal["mlflow", "none"] = option("mlflow", help="none: the run folder only")
    uri: str | None = option(None, help="of an MLflow server or store; null: runs/mlflow.db")
    experiment: str = option("stackprop", help="the MLflow experiment")
    max_points: int = option(100, least=2, help="points of a series that MLflow gets; the run folder keeps all")
