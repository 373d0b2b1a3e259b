"""The core of stackprop: protocols and runners. Importing it brings in NumPy and pluggy, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from framework.core.arrays import Array, T, array_module, product, row_sums, to_host
from framework.core.callback import Callback, TrainingResult
from framework.core.context import Context
from framework.core.errors import DataError, did_you_mean
from framework.core.options import option
from framework.core.protocols import Activation, Cell, Initializer, Loss, Schedule
from framework.core.random import generator
from framework.core.scan import scan
from framework.core.stacking import keep_replicas, stack
from framework.core.study import Findings
from framework.core.threads import blas_in_loop
from framework.core.types import Params, Shape
from framework.core.version import __version__ as __version__
from framework.data.dataset import Data, Encoding, Field, map_array, open_arrays, read_file, read_lines, split_at_random
from framework.data.folds import Fold
from framework.data.vocabulary import ids_of
from framework.hooks import hookimpl
from framework.nn.heads import Head
from framework.nn.network import Network, Node
from framework.nn.training_step import TrainingStep
from framework.registry.discovery import discover, registered

# Earlier names, on which plugins rely.
Seen, nearest, take = TrainingStep, did_you_mean, keep_replicas

if TYPE_CHECKING:
    from framework.analysis import style
    from framework.analysis.figures import RunView
    from framework.api.results import RunResult, SweepResult
    from framework.config.options import TrainerOptions
    from framework.core.errors import ConfigError, RunFailed
    from framework.experiments.experiment import Experiment
    from framework.inference.model import Model
    from framework.training.learner import Learner
    from framework.training.trainer import train


# Hydra, YAML and all code for configurations is imported only when one of these is called.


def load(run: str, trust: bool = False) -> Model:
    """The trained network of a recorded run: `load("last").predict(x)`; see `framework.experiments.loading.load`."""
    from framework.experiments.loading import load as restored

    return restored(run, trust)


def run(*overrides: str, verbose: bool = False, callbacks: Sequence[Callback] = ()) -> RunResult:
    """Run `stackprop [overrides]` and return its result: `run("model=lstm")`; see `framework.api`."""
    from framework import api as notebook

    return notebook.run(*overrides, verbose=verbose, callbacks=callbacks)


def rerun(
    run: str, *overrides: str, trust: bool = False, verbose: bool = False, callbacks: Sequence[Callback] = ()
) -> RunResult:
    """Run a recorded run again, with changes: `rerun("last", "seed=1")`; see `framework.api`."""
    from framework import api as notebook

    return notebook.rerun(run, *overrides, trust=trust, verbose=verbose, callbacks=callbacks)


def resume(
    run: str, *overrides: str, trust: bool = False, verbose: bool = False, callbacks: Sequence[Callback] = ()
) -> RunResult:
    """Go on with a run from its last checkpoint, or for longer: `resume("last", "trainer.epochs=+20")`; see
    `framework.api`."""
    from framework import api as notebook

    return notebook.resume(run, *overrides, trust=trust, verbose=verbose, callbacks=callbacks)


def sweep(*overrides: str, verbose: bool = False, callbacks: Sequence[Callback] = ()) -> SweepResult:
    """Run `stackprop -m [overrides]` and return the results of its jobs: `sweep("optimizer.lr=0.1,0.01", "seed=range(4)")`;
    see `framework.api`."""
    from framework import api as notebook

    return notebook.sweep(*overrides, verbose=verbose, callbacks=callbacks)


def result(run: str) -> RunResult | SweepResult:
    """A recorded run or sweep: `result("last")`; see `framework.api`."""
    from framework import api as notebook

    return notebook.result(run)


def runs(*filters: str, sort: str = "started", all: bool = False) -> list[RunResult | SweepResult]:
    """Recorded runs and sweeps, as `stackprop list` finds them: `runs("status=finished", "val/loss<0.3")`; see
    `framework.api`."""
    from framework import api as notebook

    return notebook.runs(*filters, sort=sort, all=all)


LAZY = {
    "ConfigError": "framework.core.errors",
    "Experiment": "framework.experiments.experiment",
    "Learner": "framework.training.learner",
    "Model": "framework.inference.model",
    "RunFailed": "framework.core.errors",
    "RunResult": "framework.api.results",
    "RunView": "framework.analysis.figures",
    "SweepResult": "framework.api.results",
    "TrainerOptions": "framework.config.options",
    "style": "framework.analysis",
    "train": "framework.training.trainer",
}


def __getattr__(name: str) -> Any:
    """Public names whose modules are imported when they are first used."""
    if name not in LAZY:
        raise AttributeError(f"module 'framework' has no attribute '{name}'{did_you_mean(name, __all__)}")
    import importlib

    where = importlib.import_module(LAZY[name])
    return getattr(where, name, None) or importlib.import_module(f"{LAZY[name]}.{name}")


__all__ = [
    "Activation",
    "Array",
    "Callback",
    "Cell",
    "ConfigError",
    "Context",
    "Data",
    "DataError",
    "Encoding",
    "Experiment",
    "Field",
    "Findings",
    "Fold",
    "Head",
    "Initializer",
    "Learner",
    "Loss",
    "Model",
    "Network",
    "Node",
    "Params",
    "RunFailed",
    "RunResult",
    "RunView",
    "Schedule",
    "Seen",
    "Shape",
    "SweepResult",
    "T",
    "TrainerOptions",
    "TrainingResult",
    "TrainingStep",
    "array_module",
    "blas_in_loop",
    "did_you_mean",
    "discover",
    "generator",
    "hookimpl",
    "ids_of",
    "keep_replicas",
    "load",
    "map_array",
    "nearest",
    "open_arrays",
    "option",
    "product",
    "read_file",
    "read_lines",
    "registered",
    "rerun",
    "result",
    "resume",
    "row_sums",
    "run",
    "runs",
    "scan",
    "split_at_random",
    "stack",
    "style",
    "sweep",
    "take",
    "to_host",
    "train",
]
