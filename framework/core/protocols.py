"""The protocols of all kinds of component, and what a field of a component may declare.

A component is a frozen dataclass. Its fields are its options, its docstring is its help. The stack law, which all of them
obey:

* Every parameter has exactly two core axes, its last two; all axes before them are replica axes.
* Data has a fixed number of core axes: dense (..., N, F), image (..., N, C, H, W), sequence (..., T, N, F).
  Labels and ids are integers (..., N) or (..., T, N). "..." is `ctx.replicas`; an axis of length 1 is shared by all
  replicas.
* Only negative axes, `@` and broadcasting: never `axis=0`, `.T`, `len(x)`, `reshape(n, -1)`.
* A loss returns one value per replica, shape (...). A gradient has its parameter's shape.
* Slice r of a stacked run equals the run of replica r alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.types import Params, Shape


@runtime_checkable
class Layer(Protocol):
    """A node of a network. Optional members: `buffers` (names of tensors that are saved but not trained),
    `updates(p, cache, ctx)` -> new buffer values, `carry(cache)` -> final state, `project(p, ctx)` in place after each
    update, `terms(p, cache, dy, ctx)` -> gradients by time step, `per_example = True` if the output of an example depends
    on that example alone and nothing is drawn (a batch may then run in blocks), `over_batch = True` if training computes
    statistics over the batch, so that one value of each feature is too few, `reverse = True` if the output of a step
    depends on later steps, `examples()` -> (layer, in_shape) pairs for the conformance kit.
    """

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        """Parameters of one lone replica, on the host, and the output's shape. Shapes are without N: (F,), (C, H, W),
        (T | None, F); a tuple of shapes when the node reads several sources."""
        ...

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        """y and a cache for `backward`. Pure: x and p stay as they are. x is a tuple when the node reads several sources."""
        ...

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        """dx (a tuple as x; None unless `need_dx`) and the gradients of the trained tensors, as fresh arrays."""
        ...


@runtime_checkable
class Cell(Protocol):
    """One step of a recurrent layer; the layer handles time, masks, direction, the product x W and the sums over time.

    units: size of an output. gates: a = x W + b is (..., N, gates units). state: size of the whole state, one array
    (..., N, state): h, or h and c concatenated. A cell may offer `buffers` and `project`, as a layer,
    `trace(cache)` -> {name: (..., N, k)}, what a step computes besides the state, `parts`, the names of the equal
    parts of the state, ("h", "c"), and `inputs(F)` -> K (F, gates units) of zeros and ones: the layer then uses W K
    instead of W. It sets `draws = True` if a step draws random numbers.
    """

    units: int

    @property
    def gates(self) -> int: ...
    @property
    def state(self) -> int: ...

    def init(self, rng: np.random.Generator) -> Params:
        """The recurrent tensors of one lone replica, on the host; a `b` among them gives initial values of the layer's b."""
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
    """An elementwise function inside an `activation` node or a cell. It may set `per_example = True`, as a layer,
    `outputs = "probability"` where it gives probabilities, and `bounds`, the two values it saturates at."""

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Any]: ...
    def backward(self, cache: Any, dy: Array, ctx: Context) -> Array: ...


class Initializer(Protocol):
    """Draws one tensor of one replica, on the host, in float64. fans = (in, out); by default the last two axes."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray: ...


class Loss(Protocol):
    """value (...) and dy, the gradient of each replica's value. y is a tuple when its head names several nodes; then dy too.
    mask = weights (..., [T,] N). It may offer `predict(y, ctx)`: raw output -> prediction (softmax, sigmoid), which is what
    metrics and studies see, and declare, as class attributes, `targets`: the accepted kinds of target (`()`: none, t is
    None); `sources`: how many nodes it reads, 1 by default; `outputs`: "probability" where y are probabilities already,
    "raw" where the loss computes them."""

    def __call__(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> tuple[Array, Array]: ...


class Optimizer(Protocol):
    """w, g: the trained part of the arena (..., P). Optional members: `lookahead(w, state, ctx)` -> w' where
    the gradient is taken, w untouched (Nesterov); `elementwise = True`, where `update` treats each element separately and
    may be called on some of the columns at a time; `compiled(w, g, state, lr, ctx)`, the same as `update` through a
    kernel for the CPU that imports Numba inside (the elements of a replica are contiguous, replicas have any stride).
    The last two hold for the `update` of their own class: a subclass with another `update` declares them again."""

    lr: float | Array

    def init(self, w: Array) -> dict[str, Any]:
        """State: a dict of arrays like w, and ints."""
        ...

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        """In place on w and state. lr is a number or (..., 1)."""
        ...


class Schedule(Protocol):
    """The factor on the learning rate at a step of `total` steps: a float; in a stack whose replicas differ in a stackable
    option, an array of the replica shape (...), as the option itself is there."""

    def __call__(self, step: int, total: int) -> float | Array: ...


class Regularizer(Protocol):
    """penalty (...) and dW for one tensor. It acts on tensors whose name begins with `tensors` ("W" by default). It may
    offer `after(W, lr, ctx)`, in place after the update (proximal l1, max-norm); lr is a number or (..., 1, 1)."""

    tensors: str

    def __call__(self, W: Array, ctx: Context) -> tuple[Array, Array]: ...


class Dataset(Protocol):
    """Loads or generates data; `rng` comes from `dataset.seed`, never from `seed`."""

    def load(self, rng: np.random.Generator) -> Any:
        """A `framework.Data`."""
        ...


class Augmentation(Protocol):
    """x -> x for one replica, on the host, training split only: the first field of a batch, (N, C, H, W), (N, F), (T, N, F)
    and so on, with unchanged shape and dtype; labels are not passed. Pure: x stays unchanged, and all randomness
    comes from `rng`. It may offer `axes`, the kinds of field it works on ("NCHW", "NF" ...; any by default).
    A stackable option is read as a plain number, since a stack is never passed."""

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray: ...


class Metric(Protocol):
    """Counts that add up over batches, and their value. It sees the loss's prediction, or the raw output if it sets
    `raw = True`. More of it is better (for early stopping, searches, tables and figures), unless it sets
    `lower_is_better = True`. `targets` (and `sources`, if raw) as of a loss."""

    def count(self, y: Array, t: Array, ctx: Context, mask: Array | None = None) -> Array:
        """(..., k), to be summed over batches."""
        ...

    def value(self, counts: Array) -> Array:
        """(...) from the summed counts."""
        ...


class Probe(Protocol):
    """Reads one training step and returns {metric: (...) or (..., L)}; an axis L becomes the step, and is not for what
    is measured along training. An option `nodes` holds names of nodes, which are checked before a run starts."""

    def __call__(self, seen: Any) -> Mapping[str, Array]:
        """seen: a `framework.Seen`."""
        ...


class Study(Protocol):
    """Answers one question about training in one run; the networks it trains are one stack, their keys (seed, member).

    Optional members: `check(experiment)`, which raises ValueError before anything runs where the data or the
    settings do not suit it; the class attributes `figure`, what the figure of a sweep of such studies shows, as the key
    `figure` does (x: swept means the first swept key), and `lower_is_better`, metric (or pattern with *) -> bool."""

    def __call__(self, experiment: Any) -> Any:
        """experiment: a `framework.experiments.experiment.Experiment`; returns `framework.Findings`."""
        ...
