"""The core of stackprop: protocols and runners. Importing it brings in NumPy and pluggy, and no more."""

from typing import Any

from framework.arrays import Array, T, array_module, product, row_sums, to_host
from framework.components import Activation, Cell, Initializer, Loss, Params, Schedule, Shape, option
from framework.context import Context
from framework.data import Data, DataError, Encoding, Field, split_at_random
from framework.discovery import discover, registered
from framework.findings import Findings
from framework.heads import Head
from framework.hooks import hookimpl
from framework.network import Network, Node
from framework.probing import Seen
from framework.registry import nearest
from framework.stacking import stack, take
from framework.streams import generator
from framework.threads import blas_in_loop

__version__ = "0.1.0"


def load(run: str) -> Any:
    """The trained network of a recorded run: `load("last").predict(x)`; see `framework.restoring.load`."""
    from framework.restoring import load as restored  # YAML and all that reads a configuration, only when asked for

    return restored(run)


__all__ = [
    "Activation",
    "Array",
    "Cell",
    "Context",
    "Data",
    "DataError",
    "Encoding",
    "Field",
    "Findings",
    "Head",
    "Initializer",
    "Loss",
    "Network",
    "Node",
    "Params",
    "Schedule",
    "Seen",
    "Shape",
    "T",
    "array_module",
    "blas_in_loop",
    "discover",
    "generator",
    "hookimpl",
    "load",
    "nearest",
    "option",
    "product",
    "registered",
    "row_sums",
    "split_at_random",
    "stack",
    "take",
    "to_host",
]
