"""The protocols of every kind of component.

A component is a frozen dataclass. Its fields are its options, its docstring is its help. All components obey the stack
law:

* Every parameter has exactly two core axes, its last two; all axes before them are replica axes.
* Data has a fixed number of core axes: dense (..., N, F), image (..., N, C, H, W), sequence (..., T, N, F).
  Labels and ids are integers (..., N) or (..., T, N). "..." is `ctx.replicas`; an axis of length 1 is shared by all
  replicas.
* Only negative axes, `@` and broadcasting: never `axis=0`, `.T`, `len(x)`, `reshape(n, -1)`.
* A loss returns one value per replica, shape (...). A gradient has its parameter's shape.
* Slice r of a stacked run equals the run of replica r alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from framework.core.arrays import Array
from framework.core.callback import Callback as Callback
from framework.core.context import Context
from framework.core.types import Params, Shape


@runtime_checkable
class Layer(Protocol):
    """A node of a network.

    Optional:
        buffers: names of tensors that are stored but not trained.
        updates(p, cache, ctx): returns new values of the buffers.
        carry(cache): returns the final state.
        project(p, ctx): changes the tensors in place after each update.
        terms(p, cache, dy, ctx): returns the gradients by time step.
        per_example: True if an output depends on its example only, without random numbers. A batch may then run in blocks.
        over_batch: True if training uses statistics over the batch. One value per feature is then not enough.
        centres: True if it subtracts a mean per feature: a bias before it has no effect, and a run warns of it.
        reverse: True if the output of a step depends on later steps.
        reads_target: True if training reads the target of earlier steps, from the field that its option `gold` names.
        loss: the name of the loss for `loss: auto`. That loss also reads what the layer reads.
        whole_sequences: True if a step reads others, and no state is carried: a sequence cannot be cut into chunks.
        shortens: True if an output has fewer steps than the input, so that no target of every step fits it.
        notes: lines that a run reports, such as what was read from a file.
        examples(): returns (layer, in_shape) pairs for the conformance kit.
    """

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        """Parameters of one replica, on the host, and the shape of the output. Shapes are without N: (F,), (C, H, W),
        (T | None, F); a tuple of shapes if the node reads several sources."""
        ...

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        """y and a cache for `backward`. Pure: x and p do not change. x is a tuple if the node reads several sources."""
        ...

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        """dx (a tuple as x; None unless `need_dx`) and the gradients of the trained tensors, as new arrays."""
        ...


@runtime_checkable
class Cell(Protocol):
    """One step of a recurrent layer; the layer handles time, masks, direction, the product x W and the sums over time.

    Attributes:
        units: the size of an output.
        gates: a = x W + b is (..., N, gates units).
        state: the size of the whole state, one array (..., N, state): h, or h and c concatenated.

    Optional:
        buffers, project: as of a layer.
        trace(cache): returns {name: (..., N, k)}, values of a step to show besides the state.
        parts: the names of the equal parts of the state, ("h", "c").
        inputs(F): returns K (F, gates units) of zeros and ones. The layer then uses W K instead of W.
        draws: True if a step draws random numbers.
        fed_back: how many columns of the state, from the first, the next step reads through the recurrent tensors only.
            Without it there is no recurrent_dropout.
    """

    units: int

    @property
    def gates(self) -> int: ...
    @property
    def state(self) -> int: ...

    def init(self, rng: np.random.Generator) -> Params:
        """The recurrent tensors of one replica, on the host; a `b` among them gives initial values of the layer's b."""
        ...

    def step(self, p: Params, a: Array, s: Array, ctx: Context) -> tuple[Array, Any]:
        """The new state from a = x W + b and the old one, and a tuple of arrays for `back` and `grads`. Pure."""
        ...

    def out(self, s: Array) -> Array:
        """The output (..., N, units) of a state."""
        ...

    def dout(self, dy: Array, ctx: Context) -> Array:
        """The gradient of an output, as one of the state; dy may carry a T axis."""
        ...

    def back(self, p: Params, cache: Any, ds: Array, ctx: Context) -> tuple[Array, Array]:
        """da and the gradient of the old state, from ds: a product with the step's Jacobian."""
        ...

    def grads(self, p: Params, cache: Any, da: Array, ctx: Context) -> Params:
        """The gradients of the recurrent tensors, summed over N, from the arrays of a cache by index, `cache[0]`. All of
        them may have another axis for T before N, which is preserved, or T N rows instead of N."""
        ...


@runtime_checkable
class Activation(Protocol):
    """An elementwise function inside an `activation` node or a cell.

    Optional:
        per_example: as of a layer.
        outputs: "probability" if it returns probabilities.
        place: "hidden" or "output", the only layers that it is for. A run warns of the other place.
        bounds: the two values at which it saturates.
    """

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Any]: ...
    def backward(self, cache: Any, dy: Array, ctx: Context) -> Array: ...


class Initializer(Protocol):
    """Draws one tensor of one replica, on the host, in float64. fans = (in, out); by default the last two axes."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray: ...


class Loss(Protocol):
    """value (...) and dy, the gradient of each replica's value. y is a tuple if its head names several nodes; then dy too.
    mask = weights (..., [T,] N).

    Optional:
        predict(y, ctx): raw output -> prediction (softmax, sigmoid), which metrics and studies read.
        predicts_by_mask: True if it is predict(y, ctx, mask): a best path depends on which steps there are.
        targets: the kinds of target it accepts; () means none, and t is None.
        sources: how many nodes it reads, 1 by default.
        width(K): the number of outputs that it needs for a target of K columns or classes, which `units: auto` sets; K by
            default.
        columns(K): the number of columns of each node that it reads, for K outputs of the first; by default all are equal.
        outputs: "probability" if y are probabilities, "raw" if the loss computes them.
        soft_labels: True if t may also be probabilities of classes (..., [T,] N, K), which augmentations such as mixup make.
        own_unit: True if t must keep its unit, such as the targets of a logarithm; `dataset.scale` then leaves it unscaled.
        whole_sequences: True if its steps depend on each other, so that a sequence cannot be cut into chunks.
        example_weights(t, ctx, mask): the weights of the examples (..., [T,] N) by whose sum the mean divides, where those
            are not the mask, as with weights of classes; None: it divides by their number.
        check(kind, K): raises ValueError before a run starts if an option does not fit a target of that kind (one of
            `targets`) with K classes or columns. The message begins with the option: "weights: there are 3 classes ...".
    """

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]: ...


class Optimizer(Protocol):
    """w, g: the trained part of the arena (..., P).

    Optional:
        lookahead(w, state, ctx): returns the w' at which the gradient is taken; w does not change (Nesterov).
        elementwise: True if `update` treats each number separately. It may then be called on some of the columns.

    One that treats each tensor as a whole finds them in `ctx.tensors`: (node, name, start, stop, shape), the columns of w
    and the two core axes. With parameter groups, lr and stackable options have a number for each column.

    `elementwise` holds for the `update` of the same class. A subclass with another `update` declares it again."""

    lr: float | Array

    def init(self, w: Array) -> dict[str, Any]:
        """State: a dict of arrays like w, and ints."""
        ...

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        """In place on w and state. lr is a number or (..., 1); with parameter groups, (..., P)."""
        ...


class Schedule(Protocol):
    """The factor on the learning rate, or on another stackable option, at a step of `total` steps: a number. If the replicas
    of a stack differ in a stackable option, it is an array of the replica shape (...), like the option. Steps after the
    last, for which a schedule around this one may ask, have a factor too: finite, and at least 0.

    Optional:
        init(replicas): a state, name -> host array of the replica shape. It is then called as (step, total, state); the
            trainer keeps the state, and checkpoints have it.
        validated(state, metrics, lower_is_better): changes the state in place after each validation. metrics: name -> (...),
            such as "val/loss"; lower_is_better: name -> bool.
        monitor: an option with the name of the metric that it reads, which is checked before a run starts.
        monotone: "falling" or "rising" if the factor never rises, or never falls, from step to step.
    """

    def __call__(self, step: int, total: int) -> float | Array: ...


class Regularizer(Protocol):
    """penalty (...) and dW for one tensor. It acts on tensors whose name starts with `tensors` ("W" by default).

    Optional:
        after(W, lr, ctx): in place after the update (proximal l1, max-norm); lr is a number or (..., 1, 1).
    """

    tensors: str

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]: ...


class Dataset(Protocol):
    """Loads or generates data; `rng` comes from `dataset.seed`, never from `seed`.

    Optional:
        shared_defaults: its defaults of the keys that every data set has, scale and scale_targets: {"scale": "auto"} where
            `Data.scale` decides.
        load(rng, fold): fold is a `framework.Fold` or None. A data set that computes something from its training rows, such
            as categories, divides them by `fold.divide` before. The examples of others are divided after `load`.
    """

    def load(self, rng: np.random.Generator) -> Any:
        """A `framework.Data`."""
        ...


class Augmentation(Protocol):
    """x -> x for one replica, on the host, training split only.

    x is the first field of a batch, (N, C, H, W), (N, F), (T, N, F) and so on. Shape and dtype stay; labels are not
    changed. Pure: x does not change, and all random numbers come from `rng`. A stackable option is a plain number here.

    Optional:
        axes: the kinds of first field it works on, "NCHW", "NF" ...; any by default.
        whole_batch: True if it reads and changes any field (mixup, masked words). It is then called as
            (batch, rng, fields): field -> array, and field -> `framework.Field`. It returns the fields that it changes, at
            every call the same ones. Shapes stay, but labels (N,) may become probabilities of classes, floats (N, K). A
            ValueError says that it does not work on these fields.
    """

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray: ...


class Metric(Protocol):
    """Counts that are summed over batches, and their value. It reads the prediction of the loss.

    Optional:
        rows: True if counts are rows (..., M, k), concatenated over batches along M instead of summed: for a value that no
            sum gives, such as one of ranks. They stay in memory until the split is read. The value does not depend on
            their order, and rows of weight 0 do not change it.
        raw: True to read the raw output instead.
        soft_labels: as of a loss. Otherwise t are the most likely classes where an augmentation makes probabilities.
        lower_is_better: True if lower values are better, for early stopping, searches, tables and figures.
        targets, sources: as of a loss; `sources` only if raw.
        tags: an option with the names of the classes, which are taken from the data set if it is "auto".
        names: an option with the names of the classes or label columns for `parts`. If it is "auto", they are those of the
            data set, or numbers.
        check: as of a loss.
        parts(counts): returns {part: (...)}, values of parts of the data, for `stackprop evaluate`.
        value(counts, ctx): instead of value(counts), for one that needs the array module `ctx.xp` or the replicas. The batch
            of ctx is empty. `parts(counts, ctx)` likewise.
    """

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """(..., k), to be summed over batches; rows (..., M, k) with `rows`."""
        ...

    def value(self, counts: Array) -> Array:
        """(...) from the counts of all batches."""
        ...


class Probe(Protocol):
    """Reads one training step and returns {metric: (...) or (..., L)}. An axis L becomes the step of the series, for values
    that are not a curve over training. An option `nodes` holds names of nodes, which are checked before a run starts.

    Optional:
        previous: True if it reads `seen.previous`, the step before.

    `seen.gradient_at(w)` is a second backward pass at other parameters, or for some examples of the batch."""

    def __call__(self, seen: Any) -> Mapping[str, Array]:
        """seen: a `framework.TrainingStep`."""
        ...


class Study(Protocol):
    """Answers one question about training in one run; the networks it trains are one stack, their keys (seed, member).

    Optional:
        check(experiment): raises ValueError before anything runs, if the data or the settings do not fit.
        figure: the figure of a sweep of such studies, like the key `figure`.
        lower_is_better: metric (or pattern with *) -> bool.
    """

    def __call__(self, experiment: Any) -> Any:
        """experiment: a `framework.experiments.experiment.Experiment`; returns `framework.Findings`."""
        ...


class Command(Protocol):
    """A verb of the shell, `stackprop NAME arguments key=value`. `key=value` sets an option; the first line of the docstring
    is its line in `stackprop --help`."""

    def __call__(self, arguments: Sequence[str]) -> int | None:
        """arguments: what follows the verb, without options. Returns the exit status; None is 0."""
        ...


class Figure(Protocol):
    """A figure of a run, drawn at its end into `figures/NAME.png` of its folder."""

    def __call__(self, run: Any) -> Any:
        """run: a `framework.RunView`. Returns a matplotlib figure, or None where there is nothing to draw."""
        ...
