"""The sections of the configuration that are not components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from framework.core.arrays import Array
from framework.core.options import option


@dataclass(frozen=True)
class EarlyStopping:
    """Stop each replica when `monitor` has not improved for `patience` validations, and restore the best weights.

    With val/loss 5, 4, 3, 3.1, 3.2, 3.3 and patience 3, training ends after the sixth validation. The weights are those of
    the third, whose loss, 3, is reported. `trainer.keep` selects the saved weights.
    """

    patience: int | None = option(None, least=1, help="allowed validations without improvement; null: never stop early")
    monitor: str = option("val/loss", help="the metric that should improve: decrease for a loss, as declared for a metric")
    min_delta: float = option(0.0, least=0, help="smallest change that counts as an improvement")


@dataclass(frozen=True)
class FigureOptions:
    """What the figure of a sweep shows."""

    y: tuple[str, ...] | str | None = option(
        None, help="a metric, or several, a panel each; null: the monitored metric of early stopping"
    )
    x: str = option(
        "step",
        help="step: curves; a swept key: one value per run against it; swept: first such key; layer: against the * of y; "
        "a metric: curves against its value at the same step",
    )
    at: Literal["kept", "last", "first", "best", "mean", "fluctuation"] = option(
        "kept",
        help="which value of a run, where x is not step; kept: that of the saved weights (for a metric without a split, "
        "that of their step); fluctuation: root mean square of the change from one value to the next, in the second half of "
        "its series",
    )
    panels: str | None = option(None, help="a swept key: a panel for each of its values")
    together: bool = option(False, help="all of y in one panel, to compare them")
    stack: tuple[str, ...] | None = option(None, help="metrics drawn on top of each other; y is their sum")
    log: bool | None = option(None, help="logarithmic y; null: if the values span more than a factor of 30")
    table: tuple[str, ...] | str | None = option(None, help="the metrics of the table; null: those of the figure")
    reach: Mapping[str, float] | None = option(
        None, help="metric -> a value: a dotted line in its panel, and in the table the first step at which a run reaches it"
    )


Tier = Literal["auto", "array", "compiled"]


@dataclass(frozen=True)
class Bptt:
    """Truncated backpropagation through time. Two different options: chunks also make an update each."""

    chunk: int | None = option(None, least=1, help="steps of a sequence per update; only the state is carried on")
    lag: int | None = option(
        None, least=1, help="truncation length: steps that the gradient of a step's loss goes back, its own included"
    )


@dataclass(frozen=True)
class TrainerOptions:
    """Training configuration: length, batches, validation, and when to stop."""

    epochs: int = option(40, least=1, help="passes over the training split")
    steps: int | None = option(None, least=1, help="updates; overrides epochs")
    batch_size: int | Literal["all"] = option(16, least=1, help="examples per batch; all: batch gradient descent")
    accumulate: int = option(1, least=1, help="batches whose gradients are summed for one update")
    clip_norm: float | Array | None = option(
        None, above=0, stackable=True, help="maximum norm of a replica's whole gradient"
    )
    shuffle: bool = option(True, help="draw a new order of examples in every epoch; stateful data keep their order")
    validate_every: int = option(1, least=1, help="epochs between validations")
    train_metrics: bool = option(True, help="also measure metrics on the training batches")
    read_every: int = option(100, least=1, help="steps between reads of losses and norms from the device")
    probe_every: int = option(10, least=1, help="steps between samples of the probes; always the first and last")
    on_divergence: Literal["fail", "record"] = option("fail", help="whether non-finite values make a run fail")
    checkpoint_every: int | None = option(None, least=1, help="steps between checkpoints; null: none")
    early_stopping: EarlyStopping = option(EarlyStopping)
    keep: Literal["best", "last"] | None = option(
        None,
        help="weights that are saved and reported on: of the best validation, or of the last step; null: best with "
        "early stopping, last without",
    )
    bptt: Bptt = option(Bptt, help="truncated backpropagation through time")

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best validation are saved."""
        return self.keep == "best" or (self.keep is None and self.early_stopping.patience is not None)
