"""Metrics: measures of predictions."""

from framework import hookimpl
from framework.hooks import Register
from framework_metrics.accuracy import Accuracy
from framework_metrics.exact_match import ExactMatch
from framework_metrics.loss import LossMetric
from framework_metrics.pairwise_accuracy import PairwiseAccuracy


@hookimpl
def register_metrics(register: Register) -> None:
    register("accuracy", Accuracy)
    register("exact_match", ExactMatch)
    register("loss", LossMetric)
    register("pairwise_accuracy", PairwiseAccuracy)
