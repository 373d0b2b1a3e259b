"""Sections of the configuration that are not components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from framework.core.arrays import Array
from framework.core.options import option


@dataclass(frozen=True)
class EarlyStopping:
    """Stop a replica when `monitor` has not improved for `patience` validations, and restore its best weights; or as soon as
    it has reached `goal`.

    With val/loss 5, 4, 3, 3.1, 3.2, 3.3 and patience 3 training ends after the sixth validation, with the weights of the
    third. The run reports their loss, 3. `trainer.keep` chooses which weights are saved.
    """

    patience: int | None = option(
        None, least=1, help="validations without improvement before training stops; null: never stop"
    )
    monitor: str = option(
        "val/loss",
        help="the metric that must improve, which declares whether lower is better; train/loss is the mean over the steps "
        "since the last validation",
    )
    min_delta: float = option(0.0, least=0, help="smallest change that counts as an improvement")
    goal: float | None = option(None, help="the value of monitor at which training ends; null: none")


@dataclass(frozen=True)
class Prune:
    """Successive halving of the jobs of a sweep: after the epochs `at`, those that are not among the best by `metric` end.

    With 64 jobs, at [5, 10] and keep 0.5, 32 jobs train after epoch 5, and 16 after epoch 10. Jobs that differ only in seed
    or fold are kept or ended together, by their mean.
    """

    metric: str = option("val/loss", help="the metric that ranks the jobs, which declares whether lower is better")
    at: tuple[int, ...] = option((), help="the epochs after which jobs are ranked; []: never")
    keep: float = option(0.5, above=0, below=1, help="the part of the jobs that continues, rounded down, but at least one")


CLOCKS = {"step": "training step", "epoch": "epoch"}  # the axes along training, and their names


@dataclass(frozen=True)
class Appearance:
    """Size, labels and style of a figure."""

    width: float | None = option(None, above=0, most=100, help="width in inches; null: chosen by the figure")
    height: float | None = option(None, above=0, most=100, help="height in inches; null: chosen by the figure")
    title: str | None = option(None, help="title; null: that of the figure, '': none")
    xlabel: str | None = option(None, help="label of the x axis, in all panels that have that of the first; null: its name")
    ylabel: str | None = option(None, help="label of the y axis of the first panel; null: its name")
    style: str | None = option(None, help="a style file of matplotlib (.mplstyle) for colours, fonts and lines; null: ours")


@dataclass(frozen=True)
class FigureOptions(Appearance):
    """The figure and the table of a sweep."""

    y: tuple[str, ...] | str | None = option(
        None,
        help="one or more metrics, a panel for each, with * of all that match; null: that of early stopping, and val/loss",
    )
    x: str = option(
        "step",
        help="step: curves over steps; epoch: over epochs; a swept key: one value per run over that key; swept: the first "
        "swept key; layer: one value over the * of y; a metric: curves over the value of that metric at the same step",
    )
    at: Literal["kept", "last", "first", "best", "mean", "fluctuation"] = option(
        "kept",
        help="which value of a run, where x is not step; kept: that of the saved weights (for a metric without a split, at "
        "their step); fluctuation: root mean square of the change between neighbouring values, in the second half",
    )
    panels: str | None = option(None, help="a swept key: a panel for each of its values; null: one panel")
    together: bool = option(False, help="draws all metrics of y in one panel")
    stack: tuple[str, ...] | None = option(None, help="metrics to draw as a stack, whose sum is y")
    log: bool | None = option(None, help="logarithmic y axis; null: only where the values span more than a factor of 30")
    table: tuple[str, ...] | str | None = option(
        None, help="the metrics of the table; null: those of the figure, and those that `metrics` names"
    )
    reach: Mapping[str, float] | None = option(
        None, help="metric -> goal: a dotted line in its panel, and in the table the first step that reaches it"
    )

    @property
    def along_training(self) -> bool:
        """Whether curves over training are drawn."""
        return self.x in CLOCKS

    @property
    def clock(self) -> str:
        """The name of the axis along training."""
        return CLOCKS.get(self.x, CLOCKS["step"])


@dataclass(frozen=True)
class GroupOption:
    """Another value of an option of the optimizer."""

    name: str
    value: float | Array = option(stackable=True)


@dataclass(frozen=True)
class ParameterGroup:
    """Options of the optimizer for the tensors whose names, `<node>.<tensor>`, match a pattern: `*.b`, `hidden.*`."""

    match: str
    options: tuple[GroupOption, ...]


Tier = Literal["auto", "array", "compiled"]


@dataclass(frozen=True)
class Bptt:
    """Truncated backpropagation through time: `chunk` makes an update per chunk, `lag` limits each loss alone."""

    chunk: int | None = option(
        None, least=1, help="steps per update; the state is passed to the next chunk, the gradient is not"
    )
    lag: int | None = option(None, least=1, help="steps that the gradient of each loss goes back, its own step included")


@dataclass(frozen=True)
class TrainerOptions:
    """Length of training, batches, and when to stop."""

    epochs: int = option(40, least=1, help="passes over the training split")
    steps: int | None = option(None, least=1, help="number of updates; replaces epochs")
    batch_size: int | Literal["all"] = option(16, least=1, help="examples per batch; all: the whole training split")
    accumulate: int = option(1, least=1, help="batches whose gradients are accumulated for one update")
    clip_norm: float | Array | None = option(
        None, above=0, stackable=True, help="maximum norm of the whole gradient of a replica; null: no clipping"
    )
    clip_value: float | Array | None = option(
        None, above=0, stackable=True, help="maximum of the absolute value of each derivative; null: no clipping"
    )
    shuffle: bool = option(True, help="shuffles the examples in every epoch; stateful data keep their order")
    validate_every: int = option(1, least=1, help="epochs between validations")
    train_metrics: bool = option(True, help="measures the metrics on the training batches too")
    read_every: int = option(100, least=1, help="steps between transfers of losses and norms from the device")
    probe_every: int = option(
        10, least=1, help="steps between samples of the probes; the first and the last step are always sampled"
    )
    on_divergence: Literal["fail", "record"] = option(
        "fail", help="fail: a value that is not finite makes the run fail; record: the run ends as diverged"
    )
    checkpoint_every: int | None = option(None, least=1, help="steps between checkpoints; null: no checkpoints")
    checkpoint_at_end: bool | None = option(
        None,
        help="keeps the last state, from which stackprop resume trains longer; null: yes, but for a job of a sweep only "
        "with checkpoint_every",
    )
    early_stopping: EarlyStopping = option(EarlyStopping)
    keep: Literal["best", "last"] | None = option(
        None,
        help="the saved weights: those of the best validation, or of the last step; null: best with a patience of early "
        "stopping, last without it",
    )
    prune: Prune = option(Prune, help="ends the worst jobs of a sweep early")
    bptt: Bptt = option(Bptt, help="truncated backpropagation through time")

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best validation are saved."""
        return self.keep == "best" or (self.keep is None and self.early_stopping.patience is not None)
