"""The nodes of a network."""

from framework import hookimpl
from framework.hooks import Register
from framework_layers.activation import ActivationLayer
from framework_layers.add import Add
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.flatten import Flatten


@hookimpl
def register_layers(register: Register) -> None:
    register("activation", ActivationLayer)
    register("add", Add)
    register("dense", Dense)
    register("dropout", Dropout)
    register("flatten", Flatten)
