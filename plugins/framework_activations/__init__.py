"""Elementwise non-linearities, used by the layer `activation` and inside cells."""

from framework import hookimpl
from framework.hooks import Register
from framework_activations.elu import Elu
from framework_activations.gelu import Gelu
from framework_activations.gumbel_sigmoid import GumbelSigmoid
from framework_activations.gumbel_softmax import GumbelSoftmax
from framework_activations.hard_tanh import HardTanh
from framework_activations.leaky_relu import LeakyRelu
from framework_activations.linear import Linear
from framework_activations.mish import Mish
from framework_activations.relu import Relu
from framework_activations.relu6 import Relu6
from framework_activations.selu import Selu
from framework_activations.sigmoid import Sigmoid
from framework_activations.silu import Silu
from framework_activations.softmax import Softmax
from framework_activations.softplus import Softplus
from framework_activations.tanh import Tanh


@hookimpl
def register_activations(register: Register) -> None:
    register("elu", Elu)
    register("gelu", Gelu)
    register("gumbel_sigmoid", GumbelSigmoid)
    register("gumbel_softmax", GumbelSoftmax)
    register("hard_tanh", HardTanh)
    register("leaky_relu", LeakyRelu)
    register("linear", Linear)
    register("mish", Mish)
    register("relu", Relu)
    register("relu6", Relu6)
    register("selu", Selu)
    register("sigmoid", Sigmoid)
    register("silu", Silu)
    register("softmax", Softmax)
    register("softplus", Softplus)
    register("tanh", Tanh)
