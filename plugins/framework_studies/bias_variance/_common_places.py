"""The points at which all networks of a study are evaluated, and the true values there, in the unit of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Data, Head, generator


@dataclass(frozen=True)
class Places:
    """The common points of a study.

    Attributes:
        head: the head whose predictions are used.
        fields: field -> (n, ...), on the host.
        batch: the same on the device, as networks read it.
        f: the true function (G,), points and outputs flattened; None if the targets replace it.
        targets: (G,).
        noise: E (y - f)^2.
        x: (n,), if x is a single number.
        labels: (G / outputs,) for a classifier.
        in_unit: predictions (..., G), which are scaled like the targets, in the unit of the target.
    """

    head: Head
    fields: Mapping[str, np.ndarray]
    batch: Mapping[str, Array]
    f: np.ndarray | None
    targets: np.ndarray
    noise: float
    x: np.ndarray | None
    labels: np.ndarray | None
    in_unit: Callable[[np.ndarray], np.ndarray]

    def measured_against(self, members: Sequence[int], seed: int) -> np.ndarray:
        """Targets: for each member f plus separate noise from (dataset.seed, member), (R, G); or the data's (G,)."""
        if self.f is None:
            return self.targets
        e = [generator((seed, member), "study/test noise").standard_normal(self.f.shape) for member in members]
        return self.f + np.sqrt(self.noise) * np.stack(e)


def common_places(experiment: Any, points: int, noise: float | None) -> Places:
    """At most `points` examples of the test split, otherwise of the validation split; sorted if x is a single number.

    Raises:
        ValueError: the data do not suit the study; the message gives the reason.
    """
    data: Data = experiment.data
    head = _head(experiment)
    _check_few(data, head)
    split = next((name for name in ("test", "val") if name in data.splits), None)
    if split is None:
        raise ValueError("study: the data set has neither a test split nor a validation split")
    fields = {name: a[:points] for name, a in data.splits[split].items()}
    first = next(iter(data.fields))
    x = fields[first]
    line = x.ndim == 2 and x.shape[1] == 1
    if line:
        order = x[:, 0].argsort()
        fields = {name: a[order] for name, a in fields.items()}
        x = x[order]
    targets, labels = _targets(experiment, head, fields)
    classes = data.fields[str(head.target)].kind == "label"
    known = data.f is not None and not classes
    in_unit = _unit(experiment.scale, str(head.target))
    f = in_unit(np.asarray(data.f(x), float).reshape(-1)) if known else None
    noise = _noise(data, classes, known, noise, float(np.mean(experiment.scale.width.get(str(head.target), 1.0))))
    batch, shown = experiment.batch(fields), experiment.scale.undo(first, x)[:, 0] if line else None
    return Places(head, fields, batch, f, in_unit(targets), noise, shown, labels, in_unit)


def _unit(scale: Any, target: str) -> Callable[[np.ndarray], np.ndarray]:
    """What turns scaled values (..., G) of a target into its own unit; the outputs vary fastest in G."""

    def in_unit(y: np.ndarray) -> np.ndarray:
        outputs = np.size(scale.width[target])
        return np.asarray(scale.undo(target, y.reshape(*y.shape[:-1], -1, outputs))).reshape(y.shape)

    return in_unit if target in scale.width else lambda y: y


def _head(experiment: Any) -> Head:
    heads = experiment.learner.heads
    if len(heads) > 1:
        raise ValueError(f"study: exactly one head is needed (got {', '.join(heads)})")
    head: Head = next(iter(heads.values()))
    if head.target is None:
        raise ValueError("study: the loss has no target, so there is no error to decompose")
    if head.mask in experiment.data.fields:
        raise ValueError(f"study: masks and weights of examples are not supported (the data have '{head.mask}')")
    if experiment.data.stateful:
        raise ValueError("study: stateful sequences are not supported; set dataset.stateful=false")
    return head


def _check_few(data: Data, head: Head) -> None:
    train, field = data.splits["train"], data.fields[str(head.target)]
    n = len(next(iter(train.values())))
    if n < 2:
        raise ValueError(f"study: all training sets would be equal (got {n} training example); at least two are needed")
    target = train[str(head.target)]
    if field.kind == "label" and len(np.unique(target)) < 2:
        raise ValueError(
            f"study: all training targets have the same class ({np.unique(target)[0]}); at least two are needed"
        )


def _targets(experiment: Any, head: Head, fields: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets in the form of predictions, flattened (G,); and the classes."""
    data: Data = experiment.data
    about, y = data.fields[str(head.target)], fields[str(head.target)]
    y = y.swapaxes(0, 1) if about.time_major else y
    if about.kind != "label":
        return np.asarray(y, float).reshape(-1), None
    if about.axes.endswith("F"):  # several labels may hold at once
        return y.astype(float).reshape(-1), None
    weights, _ = experiment.learner.network.init(experiment.settings.seed)
    outputs = experiment.predict([weights], {name: a[:1] for name, a in fields.items()}, head).shape[-1]
    labels = y.reshape(-1).astype(int)
    return (np.eye(outputs)[labels].reshape(-1) if outputs > 1 else labels.astype(float)), labels


def _noise(data: Data, classes: bool, known: bool, given: float | None, width: float) -> float:
    """The variance of the noise; `width` is that of a scaled target, in its own unit."""
    if known and data.sigma is not None:
        variance = float((data.sigma * width) ** 2)
        if given is not None:
            raise ValueError(f"study.noise: not allowed, since the data set has known noise of variance {variance:g}")
        return variance
    if given is None and not classes:
        raise ValueError(
            f"study.noise: the data set '{data.name}' has unknown noise in its targets; set its variance "
            "(with study.noise=0, bias2 includes the noise)"
        )
    return given or 0.0
