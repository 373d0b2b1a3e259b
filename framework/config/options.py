"""Sections of the configuration that are no component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from framework.core.arrays import Array
from framework.core.options import option


@dataclass(frozen=True)
class EarlyStopping:
    """Each replica for itself: stop when `monitor` has not improved for `patience` validations, restore the best weights.

    With val/loss 5, 4, 3, 3.1, 3.2, 3.3 and patience 3 training ends after the sixth validation, with the weights of the
    third, whose loss, 3, is what the run reports. `trainer.keep` chooses which weights are kept.
    """

    patience: int | None = option(None, least=1, help="validations without improvement that are allowed; null: never stop")
    monitor: str = option("val/loss", help="what should improve: less of a loss, and of a metric as it declares")
    min_delta: float = option(0.0, least=0, help="smallest change that counts as an improvement")


@dataclass(frozen=True)
class FigureOptions:
    """What the figure of a sweep shows."""

    y: tuple[str, ...] | str | None = option(
        None, help="a metric, or several, a panel each; null: what early stopping watches"
    )
    x: str = option(
        "step",
        help="step: curves; a swept key: one value per run against it; swept: first such key; layer: against the * of y; "
        "a metric: curves against what it was at the same step",
    )
    at: Literal["kept", "last", "first", "best", "mean", "fluctuation"] = option(
        "kept",
        help="which value of a run, where x is not step; kept: that of the weights that are saved (of what is not "
        "measured on a split, that of their step); fluctuation: root mean square of the change from one value to the "
        "next, in the second half of its series",
    )
    panels: str | None = option(None, help="a swept key: a panel for each of its values")
    together: bool = option(False, help="all of y in one panel, to compare them")
    stack: tuple[str, ...] | None = option(None, help="metrics to draw on top of each other, y being what they add up to")
    log: bool | None = option(None, help="logarithmic y; null: where the values span more than a factor of 30")
    table: tuple[str, ...] | str | None = option(None, help="the metrics of the table; null: those of the figure")
    reach: Mapping[str, float] | None = option(
        None, help="metric -> a value: a dotted line in its panel, and in the table the first step at which a run is there"
    )


Tier = Literal["auto", "array", "compiled"]


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
