"""The losses and metrics of naive predictions, such as the last value of a series, beside those of a network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from framework.core.context import Context
from framework.data.dataset import Data
from framework.inference.evaluation import HeadMetric, MetricAccumulator
from framework.nn.heads import Head, total_loss

PREFIX = "baseline/"


def baseline_metrics(data: Data, heads: Mapping[str, Head], measures: Mapping[str, HeadMetric]) -> dict[str, float]:
    """`baseline/<name>/<split>/loss` and the same metrics for the naive predictions of a data set, scaled as its targets.

    Empty without such predictions, and if a loss compares something else than predictions with its target.
    """
    found: dict[str, float] = {}
    for name, splits in data.baselines.items():
        for split, predicted in splits.items():
            if split in data.splits and _comparable(heads, predicted):
                values = _of(data, split, predicted, heads, measures)
                found |= {f"{PREFIX}{name}/{split}/{key}": value for key, value in values.items()}
    return found


def _comparable(heads: Mapping[str, Head], predicted: Mapping[str, np.ndarray]) -> bool:
    """Whether every loss reads one number for each number of its target, and that has a naive prediction."""
    return all(
        isinstance(head.source, str) and head.target in predicted and not hasattr(head.loss, "width")
        for head in heads.values()
    )


def _of(
    data: Data,
    split: str,
    predicted: Mapping[str, np.ndarray],
    heads: Mapping[str, Head],
    measures: Mapping[str, HeadMetric],
) -> dict[str, float]:
    """The loss and the metrics of predictions (n, ...)."""

    def placed(name: str, a: np.ndarray) -> np.ndarray:
        return (a.swapaxes(0, 1) if data.fields[name].time_major else a)[None]

    batch = {name: placed(name, a) for name, a in data.splits[split].items()}
    ctx = Context(replicas=(1,), train=False, batch=batch)
    values = {str(head.source): placed(str(head.target), predicted[str(head.target)]) for head in heads.values()}
    if any(not np.array_equal(head.prediction(values, ctx), head.output(values)) for head in heads.values()):
        return {}  # the loss reads what a prediction is made of, such as the logit of a sigmoid
    loss, _ = total_loss(heads, values, ctx)
    tally = MetricAccumulator(measures)
    tally.add(heads, values, ctx)
    return {name: float(np.ravel(value)[0]) for name, value in {"loss": loss, **tally.values(ctx)}.items()}


def baseline_line(metrics: Mapping[str, float]) -> str | None:
    """`val/loss 0.021; last value 0.034, period ago 0.03`, for each split; None without baselines."""
    found: dict[str, list[str]] = {}
    for key, value in metrics.items():
        name, _, metric = key.removeprefix(PREFIX).partition("/")
        if key.startswith(PREFIX) and metric.endswith("/loss"):
            found.setdefault(metric, []).append(f"{name.replace('_', ' ')} {value:.4g}")
    parts = [f"{metric} {metrics[metric]:.4g} ({', '.join(each)})" for metric, each in found.items() if metric in metrics]
    return f"naive forecasts: {'; '.join(parts)}" if parts else None
