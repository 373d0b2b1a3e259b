"""The model that MLflow loads and serves: code and plain arrays, without pickle.

MLflow runs this file (`models from code`) and calls `load_context` with the folder of the run's model.
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np

from framework import load


class PyfuncModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Predictions of the first head."""

    def load_context(self, context: Any) -> None:
        """Rebuild the network from the run's files."""
        self.model = load(context.artifacts["run"], trust=True)  # loading a model from MLflow runs its code in any case

    # MLflow reads the type hints: `params` would be checked against a schema if it had one.
    def predict(self, context, model_input: np.ndarray, params=None) -> np.ndarray:  # type: ignore[no-untyped-def]
        """Probabilities of a classifier, numbers of a regression; rows as the first field of the data set."""
        x = np.asarray(model_input["x"] if isinstance(model_input, dict) else model_input)
        shape = self.model.about.shapes()[next(iter(self.model.about.fields))]
        return np.asarray(self.model.predict(x.reshape(-1, *(x.shape[1:] if None in shape else shape))))


mlflow.models.set_model(PyfuncModel())
