"""The core of stackprop: protocols and runners. Importing it brings in NumPy and pluggy, and no more."""

from framework.arrays import Array, T, array_module, to_host
from framework.components import Activation, Initializer, Loss, Params, Shape, option
from framework.context import Context
from framework.data import Data, Field, split_at_random
from framework.discovery import discover, registered
from framework.heads import Head
from framework.hooks import hookimpl
from framework.network import Network, Node
from framework.stacking import stack, take
from framework.streams import generator

__version__ = "0.1.0"
__all__ = [
    "Activation",
    "Array",
    "Context",
    "Data",
    "Field",
    "Head",
    "Initializer",
    "Loss",
    "Network",
    "Node",
    "Params",
    "Shape",
    "T",
    "array_module",
    "discover",
    "generator",
    "hookimpl",
    "option",
    "registered",
    "split_at_random",
    "stack",
    "take",
    "to_host",
]
