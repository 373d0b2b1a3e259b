"""Everything that decides how one network trains: its parts, and how long, in what batches, when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from framework.arrays import Array
from framework.components import Augmentation, Optimizer, Params, Probe, Regularizer, Schedule, option
from framework.heads import Head
from framework.measuring import Measure
from framework.network import Network
from framework.stopping import EarlyStopping


@dataclass(frozen=True)
class Bptt:
    """How backpropagation through time is cut short. Two different things: chunks also make an update each."""

    chunk: int | None = option(None, least=1, help="steps of a sequence per update; the state goes on, no gradient does")
    lag: int | None = option(None, least=1, help="lags that the loss of a step reaches back over, its own included")


@dataclass(frozen=True)
class TrainerOptions:
    """How long, in what batches, and when to stop."""

    epochs: int = option(40, least=1, help="passes over the training split")
    steps: int | None = option(None, least=1, help="updates; where given, it decides instead of epochs")
    batch_size: int | Literal["all"] = option(16, least=1, help="examples per batch; all: batch gradient descent")
    accumulate: int = option(1, least=1, help="batches whose gradients are put together for one update")
    clip_norm: float | Array | None = option(
        None, above=0, stackable=True, help="largest norm of a replica's whole gradient"
    )
    shuffle: bool = option(True, help="draw the order of examples anew in every epoch; stateful data keep theirs")
    validate_every: int = option(1, least=1, help="epochs from one validation to the next")
    train_metrics: bool = option(True, help="measure metrics on the training batches too")
    read_every: int = option(100, least=1, help="steps from one reading of losses and norms off the device to the next")
    probe_every: int = option(10, least=1, help="steps from one look of the probes to the next; the first and last always")
    on_divergence: Literal["fail", "record"] = option("fail", help="whether numbers that are not finite make a run fail")
    checkpoint_every: int | None = option(None, least=1, help="steps from one checkpoint to the next; null: none")
    early_stopping: EarlyStopping = option(EarlyStopping)
    keep: Literal["best", "last"] | None = option(
        None,
        help="weights that are saved and reported on: of the best validation, or of the last step; null: best with "
        "early stopping, last without",
    )
    bptt: Bptt = option(Bptt, help="truncated backpropagation through time")

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best validation are kept."""
        return self.keep == "best" or (self.keep is None and self.early_stopping.patience is not None)


@dataclass(frozen=True)
class Learner:
    """Everything that decides how one network trains, but its data and its key. R of them make a stack.

    `initial` holds first values, node -> tensor -> array, of nodes that do not draw their own.
    """

    network: Network
    heads: Mapping[str, Head]
    optimizer: Optimizer
    schedule: Schedule
    options: TrainerOptions = field(default_factory=TrainerOptions)
    regularizers: tuple[Regularizer, ...] = ()
    measures: Mapping[str, Measure] = field(default_factory=dict)
    initial: Mapping[str, Params] = field(default_factory=dict)
    augmentations: Mapping[str, Augmentation] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
