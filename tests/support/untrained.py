"""A network with its initial weights, as a model."""

import numpy as np

from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.inference.model import Model


def untrained(*words):
    """The network of a configuration with its initial weights, and its experiment."""
    experiment = prepare(compose(list(words)))
    tensors, _ = experiment.learner.network.init(0)
    weights = {node: {t: np.asarray(a, np.float32) for t, a in p.items()} for node, p in tensors.items() if p}
    return Model.of(experiment.learner, weights, experiment.data, experiment.scale), experiment
