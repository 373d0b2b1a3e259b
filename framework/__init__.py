"""The core of stackprop: protocols and runners. Importing it brings in NumPy and pluggy, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.arrays import Array, T, array_module, product, row_sums, to_host
from framework.components import Activation, Cell, Initializer, Loss, Params, Schedule, Shape, option
from framework.context import Context
from framework.data import Data, DataError, Encoding, Field, open_arrays, read_file, split_at_random
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
from framework.version import __version__ as __version__

if TYPE_CHECKING:
    from framework.results import RunResult, SweepResult


# Hydra, YAML and all that reads a configuration is imported only when one of these is called.


def load(run: str, trust: bool = False) -> Any:
    """The trained network of a recorded run: `load("last").predict(x)`; see `framework.restoring.load`."""
    from framework.restoring import load as restored

    return restored(run, trust)


def run(*overrides: str, verbose: bool = False) -> RunResult:
    """What `stackprop [overrides]` does, and what came of it: `run("model=lstm")`; see `framework.notebook`."""
    from framework import notebook

    return notebook.run(*overrides, verbose=verbose)


def sweep(*overrides: str, verbose: bool = False) -> SweepResult:
    """What `stackprop -m [overrides]` does: `sweep("optimizer.lr=0.1,0.01", "seed=range(4)")`; see `framework.notebook`."""
    from framework import notebook

    return notebook.sweep(*overrides, verbose=verbose)


def result(run: str) -> RunResult | SweepResult:
    """What was run before, here or from the shell: `result("last")`; see `framework.notebook`."""
    from framework import notebook

    return notebook.result(run)


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
    "open_arrays",
    "option",
    "product",
    "read_file",
    "registered",
    "result",
    "row_sums",
    "run",
    "split_at_random",
    "stack",
    "sweep",
    "take",
    "to_host",
]
