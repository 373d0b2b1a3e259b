"""The places at which all networks of a study are asked, and what is known of the truth there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework import Array, Data, Head, generator


@dataclass(frozen=True)
class Places:
    """
    Attributes:
        head: whose predictions are asked for.
        fields: field -> (n, ...), on the host.
        batch: the same on the device, as networks see it.
        f: the true function (G,), places and outputs in a row; None where the targets stand for it.
        targets: (G,).
        noise: E (y - f)^2.
        x: (n,), where the places are numbers on a line.
        labels: (G / outputs,) of a classifier's targets.
    """

    head: Head
    fields: Mapping[str, np.ndarray]
    batch: Mapping[str, Array]
    f: np.ndarray | None
    targets: np.ndarray
    noise: float
    x: np.ndarray | None
    labels: np.ndarray | None

    def measured_against(self, members: Sequence[int], seed: int) -> np.ndarray:
        """Targets: for each member f with noise of its own from (dataset.seed, member), (R, G); or the data's (G,)."""
        if self.f is None:
            return self.targets
        e = [generator((seed, member), "study/test noise").standard_normal(self.f.shape) for member in members]
        return self.f + np.sqrt(self.noise) * np.stack(e)


def common_places(experiment: Any, points: int, noise: float | None) -> Places:
    """At most so many examples of the test split, or else of the validation split; in order, where x is a number.

    Raises:
        ValueError: the data cannot serve; the message says what is missing.
    """
    data: Data = experiment.data
    head = _head(experiment)
    _check_few(data, head)
    split = next((name for name in ("test", "val") if name in data.splits), None)
    if split is None:
        raise ValueError("study: the data set has no test split, and no validation split, to ask the networks at")
    fields = {name: a[:points] for name, a in data.splits[split].items()}
    x = fields[next(iter(data.fields))]
    line = x.ndim == 2 and x.shape[1] == 1
    if line:
        order = x[:, 0].argsort()
        fields = {name: a[order] for name, a in fields.items()}
        x = x[order]
    targets, labels = _targets(experiment, head, fields)
    classes = data.fields[str(head.target)].kind == "label"
    known = data.f is not None and not classes
    f = np.asarray(data.f(x), float).reshape(-1) if known else None
    batch = experiment.batch(fields)
    return Places(head, fields, batch, f, targets, _noise(data, classes, known, noise), x[:, 0] if line else None, labels)


def _head(experiment: Any) -> Head:
    heads = experiment.learner.heads
    if len(heads) > 1:
        raise ValueError(f"study: it decomposes the error of one head, and there are {', '.join(heads)}")
    head: Head = next(iter(heads.values()))
    if head.target is None:
        raise ValueError("study: the loss has no target, so that there is no error to decompose")
    if head.mask in experiment.data.fields:
        raise ValueError(f"study: it has no way to leave out steps, and the data have a mask '{head.mask}'")
    if experiment.data.stateful:
        raise ValueError(
            "study: its training sets take examples apart, and those of dataset.stateful=true go on from another"
        )
    return head


def _check_few(data: Data, head: Head) -> None:
    train, field = data.splits["train"], data.fields[str(head.target)]
    n = len(next(iter(train.values())))
    if n < 2:
        raise ValueError(f"study: {n} training example makes every training set the same; it needs two at least")
    target = train[str(head.target)]
    if field.kind == "label" and len(np.unique(target)) < 2:
        raise ValueError(
            f"study: all training targets are of one class ({np.unique(target)[0]}); there is nothing to tell apart"
        )


def _targets(experiment: Any, head: Head, fields: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets as the predictions have them, in a row (G,); and the classes."""
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


def _noise(data: Data, classes: bool, known: bool, given: float | None) -> float:
    if known and data.sigma is not None:
        if given is not None:
            raise ValueError(f"study.noise: the data set tells its own noise, a variance of {data.sigma**2:g}")
        return float(data.sigma**2)
    if given is None and not classes:
        raise ValueError(
            f"study.noise: the data set '{data.name}' does not tell the noise in its targets; give its variance "
            "(study.noise=0 takes the targets for the truth, and bias2 then holds the noise)"
        )
    return given or 0.0
