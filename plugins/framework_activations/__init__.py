"""Elementwise non-linearities, used by the layer `activation` and inside cells."""

from framework import hookimpl
from framework.hooks import Register
from framework_activations.gelu import Gelu
from framework_activations.gumbel_sigmoid import GumbelSigmoid
from framework_activations.gumbel_softmax import GumbelSoftmax
from framework_activations.leaky_relu import LeakyRelu
from framework_activations.linear import Linear
from framework_activations.relu import Relu
from framework_activations.sigmoid import Sigmoid
from framework_activations.softmax import Softmax
from framework_activations.softplus import Softplus
from framework_activations.tanh import Tanh


@hookimpl
def register_activations(register: Register) -> None:
    register("gelu", Gelu)
    register("gumbel_sigmoid", GumbelSigmoid)
    register("gumbel_softmax", GumbelSoftmax)
    register("leaky_relu", LeakyRelu)
    register("linear", Linear)
    register("relu", Relu)
    register("sigmoid", Sigmoid)
    register("softmax", Softmax)
    register("softplus", Softplus)
    register("tanh", Tanh)
