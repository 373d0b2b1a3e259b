"""Elementwise non-linearities, used by the layer `activation` and inside cells."""

from framework import hookimpl
from framework.hooks import Register
from framework_activations.linear import Linear
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.tanh import Tanh


@hookimpl
def register_activations(register: Register) -> None:
    register("linear", Linear)
    register("relu", Relu)
    register("sigmoid", Sigmoid)
    register("tanh", Tanh)
