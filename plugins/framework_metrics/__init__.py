"""Metrics: measures of predictions."""

from framework import hookimpl
from framework.hooks import Register
from framework_metrics.accuracy import Accuracy
from framework_metrics.average_precision import AveragePrecision
from framework_metrics.balanced_accuracy import BalancedAccuracy
from framework_metrics.entity_f1 import EntityF1
from framework_metrics.entity_precision import EntityPrecision
from framework_metrics.entity_recall import EntityRecall
from framework_metrics.exact_match import ExactMatch
from framework_metrics.f1 import F1
from framework_metrics.loss import LossMetric
from framework_metrics.mae import MeanAbsoluteErrorMetric
from framework_metrics.mape import MeanAbsolutePercentageError
from framework_metrics.matthews import Matthews
from framework_metrics.mse import MeanSquaredErrorMetric
from framework_metrics.pairwise_accuracy import PairwiseAccuracy
from framework_metrics.perplexity import Perplexity
from framework_metrics.precision import Precision
from framework_metrics.r2 import R2
from framework_metrics.recall import Recall
from framework_metrics.rmse import RootMeanSquaredError
from framework_metrics.roc_auc import RocAuc
from framework_metrics.top_k_accuracy import TopKAccuracy


@hookimpl
def register_metrics(register: Register) -> None:
    register("accuracy", Accuracy)
    register("average_precision", AveragePrecision)
    register("balanced_accuracy", BalancedAccuracy)
    register("entity_f1", EntityF1)
    register("entity_precision", EntityPrecision)
    register("entity_recall", EntityRecall)
    register("exact_match", ExactMatch)
    register("f1", F1)
    register("loss", LossMetric)
    register("mae", MeanAbsoluteErrorMetric)
    register("mape", MeanAbsolutePercentageError)
    register("matthews", Matthews)
    register("mse", MeanSquaredErrorMetric)
    register("pairwise_accuracy", PairwiseAccuracy)
    register("perplexity", Perplexity)
    register("precision", Precision)
    register("r2", R2)
    register("recall", Recall)
    register("rmse", RootMeanSquaredError)
    register("roc_auc", RocAuc)
    register("top_k_accuracy", TopKAccuracy)
