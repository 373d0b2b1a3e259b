"""Networks as scikit-learn estimators: `Classifier` and `Regressor` for its pipelines, searches and cross-validation.

An override of the shell becomes a keyword, with `__` for a dot: `Classifier(model="mlp2", optimizer__lr=0.01)`, also in a
search, `{"optimizer__lr": [0.1, 0.01]}`. The data are the arrays given to `fit`; nothing is recorded.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from framework.config.composition import compose
from framework.config.messages import reworded
from framework.config.schema import Settings
from framework.core.callback import TrainingResult
from framework.core.errors import ConfigError, RunFailed
from framework.core.random import generator
from framework.data.dataset import Data, Field, is_mapped, split_at_random
from framework.experiments.config_warnings import config_warnings
from framework.experiments.experiment import Experiment, prepare
from framework.inference.model import Model

OWN = ("validation_fraction", "random_state", "class_weight")  # parameters that are no overrides
AXES = {2: "NF", 3: "NTF", 4: "NCHW"}  # of X, by its dimensions
Weights = Callable[[np.ndarray], np.ndarray]
ELSEWHERE = {
    "dataset": "the data are given to `fit`; only dataset__scale and dataset__seed are options",
    "dataset.val": "the data are given to `fit`; use validation_fraction",
    "seed": "use the estimator's random_state",
    "study": "a study is not an estimator; use framework.run",
    **dict.fromkeys(("fold", "folds"), "use scikit-learn's cross_validate, which splits the data"),
    **dict.fromkeys(
        ("tracking", "probes", "figure", "figures", "name", "tags", "notes"),
        "an estimator records nothing; use framework.run",
    ),
}
OF_DATA = ("dataset.scale", "dataset.seed")  # options of the data set that arrays have too


class Estimator(BaseEstimator):  # type: ignore[misc]
    """The constructor of both estimators.

    Args:
        validation_fraction: fraction of the examples held out, for early stopping to monitor.
        random_state: the seed; None draws a new one for every fit, from NumPy's global generator.
        options: overrides, `__` for a dot: optimizer="nag", optimizer__lr=0.1, trainer__epochs=20, model__hidden=64.

    Attributes:
        model_: the trained network, `framework.inference.model.Model`.
        metrics_: the last metrics, such as val/loss.
        n_iter_: epochs.
    """

    model_: Model

    def __init__(self, *, validation_fraction: float = 0.0, random_state: Any = None, **options: Any) -> None:
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        for name, value in options.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All options: attributes without a trailing underscore, as usual in scikit-learn."""
        return {name: value for name, value in vars(self).items() if not (name.startswith("_") or name.endswith("_"))}

    def set_params(self, **params: Any) -> Self:
        """Set options; `fit` validates them."""
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _settings(self) -> Settings:
        """The validated settings.

        Raises:
            ConfigError: an option is wrong.
        """
        options = {name.replace("__", "."): value for name, value in self.get_params().items() if name not in OWN}
        random = self.random_state
        seed = random if isinstance(random, int | np.integer) else check_random_state(random).randint(2**31)
        for key in options:
            group = key.partition(".")[0]
            if group in ELSEWHERE and key not in OF_DATA:
                raise ConfigError(f"{key}: {ELSEWHERE.get(key, ELSEWHERE[group])}")
        words = tuple(f"{key}={word(value)}" for key, value in options.items())
        # The components of a plugin file may have changed.
        with reworded():
            return replace(compose([*words]) if "plugins" in options else composed(words), seed=int(seed))

    def _fit(self, X: np.ndarray, y: np.ndarray, target: Field, weights: Weights | None = None) -> None:
        """Train a network.

        Args:
            weights: those of the examples, given all of them and those for training.

        Raises:
            ConfigError: the options are wrong, or do not fit the data.
            RunFailed: the training diverged.
        """
        settings = replace(self._settings(), dataset_scale_targets=True)
        if X.ndim not in AXES:
            raise ConfigError(f"X: {X.ndim} dimensions are not supported; use (n, F), (n, T, F) or (n, C, H, W)")
        X, y = (np.array(a) if is_mapped(a) else a for a in (X, y))  # joblib maps large arrays into files
        rows: Mapping[str, Any] = {"train": {"row": np.arange(len(X))}}
        if self._held_out(len(X)):
            rng = generator(settings.dataset_seed, "dataset")
            rows = split_at_random(rows["train"], rng, self.validation_fraction, 0)
        arrays, fields = {"x": X, "y": y}, {"x": Field(AXES[X.ndim]), "y": target}
        if weights is not None:
            arrays["mask"], fields["mask"] = weights(rows["train"]["row"]), Field("N", "mask")
        whole = len(rows) == 1
        splits = {s: {name: a if whole else a[part["row"]] for name, a in arrays.items()} for s, part in rows.items()}
        experiment = prepare(settings, Data(splits, fields, name="arrays"))
        for doubt in config_warnings(experiment.learner):
            warnings.warn(doubt, UserWarning, stacklevel=3)
        outcome = experiment.train([experiment.learner], keys=[settings.seed])[0]
        if outcome.status == "diverged" and settings.trainer.on_divergence == "fail":
            raise RunFailed(f"diverged: {outcome.reason} at step {outcome.step}")
        self.model_, self.metrics_, self.n_iter_ = trained(experiment, outcome), outcome.metrics, outcome.epoch

    def _held_out(self, n: int) -> int:
        """The number of validation examples, of n examples.

        Raises:
            ConfigError: not a fraction, or one that leaves no example.
        """
        share = self.validation_fraction
        if not isinstance(share, int | float | np.integer | np.floating) or not 0 <= share < 1:
            raise ConfigError(f"validation_fraction: {share!r} is not a fraction; from 0 to below 1")
        held = round(share * n)
        if share and not 0 < held < n:
            raise ConfigError(
                f"validation_fraction: {share:g} of {n} examples leaves {held} to validate, {n - held} to train"
            )
        return held

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, reset=False, allow_nd=True))


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network that predicts classes; labels may be anything that `numpy.unique` sorts.

    Args:
        class_weight: class -> weight, or balanced: n / (K n_k) for the n_k of n training examples in class k of K. It
            multiplies `sample_weight`.

    Attributes:
        classes_: class labels, in the order of the columns of `predict_proba`.
    """

    def __init__(
        self, *, validation_fraction: float = 0.0, random_state: Any = None, class_weight: Any = None, **options: Any
    ) -> None:
        super().__init__(validation_fraction=validation_fraction, random_state=random_state, **options)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on X (n, F), (n, T, F) or (n, C, H, W) and labels y (n,), with weights (n,)."""
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_.tolist()[0]!r}; a classifier needs at least two")
        given = _weights(X, sample_weight)

        def weights(train: np.ndarray) -> np.ndarray:
            own = np.ones(len(ids))
            own[train] = compute_sample_weight(self.class_weight, y[train])
            return own if given is None else own * given

        weighted = given is not None or self.class_weight is not None
        self._fit(X, ids, Field("N", "label", len(self.classes_)), weights if weighted else None)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, K) in the order of `classes_`."""
        p = self._outputs(X)
        return np.concatenate([1 - p, p], -1) if p.shape[-1] == 1 else p

    def predict(self, X: Any) -> np.ndarray:
        """The most likely class of each example (n,)."""
        p = self.predict_proba(X)
        return np.asarray(self.classes_[p.argmax(-1)])


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that predicts numbers, one or several for each example."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on X (n, F), (n, T, F) or (n, C, H, W) and targets y (n,) or (n, K), with weights (n,)."""
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True, y_numeric=True)
        self._flat = y.ndim == 1
        given = _weights(X, sample_weight)
        self._fit(X, y.reshape(len(y), -1), Field("NF"), None if given is None else lambda _: given)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions in the shape of y."""
        y = self._outputs(X)
        return y[:, 0] if self._flat else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _weights(X: np.ndarray, given: Any) -> np.ndarray | None:
    """The weights of the examples (n,); None if all are equal.

    Raises:
        ValueError: they are not numbers of 0 or more, one for each example.
    """
    if given is None:
        return None
    weights: np.ndarray = _check_sample_weight(given, X, dtype=float, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight: every weight is 0")
    return weights


@functools.lru_cache(maxsize=64)
def composed(words: tuple[str, ...]) -> Settings:
    """Composed settings, cached: composing takes 50 ms, and a search needs them for every fit."""
    return compose([*words])


def trained(experiment: Experiment, outcome: TrainingResult) -> Model:
    """The network without its training examples. It computes in float64, so that a prediction does not depend on the other
    examples of the same call."""
    weights = {node: {name: a.astype(float) for name, a in tensors.items()} for node, tensors in outcome.weights.items()}
    empty = {name: a[:0] for name, a in experiment.data.splits["train"].items()}
    return Model.of(experiment.learner, weights, replace(experiment.data, splits={"train": empty}), experiment.scale)


def word(value: Any) -> str:
    """A value in the form of an override."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{word(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(word, value)) + "]"
    return "'" + value.replace("'", "\\'") + "'" if isinstance(value, str) else repr(value)


__all__ = ["Classifier", "Regressor"]
