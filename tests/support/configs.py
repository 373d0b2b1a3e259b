"""Configurations as text, read and assembled."""

import pytest
import yaml

from framework import discover
from framework.config.composition import compose
from framework.config.parser import parse_config
from framework.core.errors import ConfigError
from framework.experiments.builder import assemble
from framework.experiments.datasets import load_data
from framework.experiments.experiment import prepare

MINIMAL = """
dataset: {type: sine, n: 10}
model:
  layers:
    hidden: {type: dense, units: 4}
    act: activation
    out: {type: dense, units: auto}
activation: tanh
initializer: {type: xavier_normal, gain: 2}
loss: {type: auto}
optimizer: {type: adam, lr: 0.01}
seed: 3
"""


def judged(changes="{}", text=MINIMAL):
    tree = yaml.safe_load(text)
    for key, value in yaml.safe_load(changes).items():
        node = tree
        *path, last = key.split("/")
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return parse_config(tree, discover())


def messages(changes):
    with pytest.raises(ConfigError) as caught:
        judged(changes)
    return str(caught.value).splitlines()


def assembled(changes="{}"):
    settings = judged(changes)
    return assemble(settings, load_data(settings))


def prepared(overrides):
    return prepare(compose([*overrides.split(), "tracking=none"]))
