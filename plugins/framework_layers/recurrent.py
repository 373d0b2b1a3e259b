from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from framework import (
    Array,
    Cell,
    Context,
    Initializer,
    Params,
    Shape,
    T,
    blas_in_loop,
    discover,
    option,
    product,
    registered,
    row_sums,
    scan,
)
from framework_layers._rows import rows, unfolded

INPUTS, STATE = 1 << 20, (1 << 20) + 1  # which draw: others than those of a cell


@dataclass(frozen=True)
class Recurrent:
    """s_t = cell(x_t W + b, s_{t-1}) and y_t = the cell's output, for t = 1 ... T: the same tensors in every step.

    Backpropagation through time, from T to 1: ds_t is the gradient from dy_t and from step t + 1; the cell's backward
    step returns da_t and ds_{t-1}. Then dW = sum over t of x_t^T da_t, one product over all T N rows; db = the sum of
    da; dx = da W^T.

    Shapes: x (..., T, N, F), or a pair of it and a first state (..., N, S) if the node names two sources. Otherwise the
    first state is 0. W (..., F, gates units), b (..., 1, gates units), the tensors of the cell; y (..., T, N, units),
    with output: last (..., N, units), with output: state the whole final state (..., N, S). mask (..., T, N): where it
    is 0 a step does not change the state. Padding on either side, and an empty sequence, have no effect.

    dropout and recurrent_dropout are the probabilities to drop an input x_t, and a unit of h_{t-1} before it meets the
    recurrent tensors: in training one mask for all steps of a sequence, m / (1 - probability) (Gal & Ghahramani 2016); the
    memory of a cell, such as c, is not dropped. A chunk of truncated backpropagation is another draw.

    Every gate's part of W is drawn separately, with fans (F, units). b starts at 0, or as the cell declares.
    """

    cell: Cell = option(help="one step: simple, lstm, gru ...")
    output: Literal["all", "last", "state"] = option("all", help="output: every step, the last, or the final state")
    reverse: bool = option(False, help="from the last step to the first")
    mask: str = option("mask", help="the batch field of 0 and 1 for the steps, if there is one")
    initializer: Initializer = registered("initializer", "xavier_uniform", help="initial values of W")
    bias: bool = option(True, help="whether to add b; without it, a cell's initial values of b are not used")
    dropout: float | Array | None = option(
        None, least=0, below=1, stackable=True, help="probability to drop an input, for all steps of a sequence; null: 0"
    )
    recurrent_dropout: float | Array | None = option(
        None, least=0, below=1, stackable=True, help="probability to drop a unit that is fed back, likewise; null: 0"
    )

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffers of the cell."""
        return getattr(self.cell, "buffers", ())

    @property
    def project(self) -> Any:
        """The projection of the cell, if it has one."""
        return self.cell.project  # type: ignore[attr-defined]

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        shape, given = in_shape if in_shape and isinstance(in_shape[0], tuple) else (in_shape, None)
        cell = self.cell
        if len(shape) != 2:
            raise ValueError(
                f"recurrent needs sequences (T, F) (got {shape}); put an embedding or one_hot layer before it for ids"
            )
        if given not in (None, (cell.state,)):
            raise ValueError(f"the first state has shape {given}, and this cell's is ({cell.state},)")
        if _drops(self.recurrent_dropout) and not hasattr(cell, "fed_back"):
            raise ValueError(
                "recurrent_dropout: not for this cell, whose next state is also a sum with the state itself; "
                f"use a cell such as simple, indrnn or lstm (got {self.recurrent_dropout})"
            )
        W = np.concatenate([self.initializer(rng, (shape[-1], cell.units)) for _ in range(cell.gates)], -1)
        p = {"W": W, "b": np.zeros((1, cell.gates * cell.units)), **cell.init(rng)}
        if hasattr(cell, "inputs"):
            p["K"] = cell.inputs(shape[-1])
            p["W"] = _linked(W, p)
        if not self.bias:
            del p["b"]
        return p, {"all": (*shape[:-1], cell.units), "last": (cell.units,), "state": (cell.state,)}[self.output]

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        pair = isinstance(x, tuple)
        x, s = x if pair else (x, ctx.initial())
        x = ctx.xp.ascontiguousarray(x)  # a batch is time-major only by its strides, and its rows are used twice
        m = _mask(self.dropout, x[..., 0, :, :], INPUTS, ctx)
        x = x if m is None else x * m[..., None, :, :]
        a = product(rows(x), _linked(p["W"], p))
        if self.bias:
            a += p["b"]
        a = unfolded(a, x)
        if s is None:
            s = ctx.xp.zeros((*a.shape[:-3], a.shape[-2], self.cell.state), a.dtype)
        s = ctx.xp.broadcast_to(s, (*a.shape[:-3], *s.shape[-2:]))
        kept, drop = self._kept(x, ctx), self._dropped(s, ctx)

        def step(t: int, s: Array) -> tuple[Array, Any]:
            read = s if drop is None else s * drop
            new, cache = self.cell.step(p, a[..., t, :, :], read, _at(ctx, self.cell, t))
            s = new if kept is None else ctx.xp.where(kept[..., t, :, :], s, new)
            return s, (s, cache)

        with self._products(a.shape[-2]):
            final, steps = scan(ctx.xp, a.shape[-3], step, s, self.reverse)
        cache = Trace(x, kept, steps.part(1), steps.part(0), final, pair, m, drop)
        return self._output(cache), cache

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Any, Params]:
        da, ds = self._through_time(p, cache, dy, ctx)
        das = rows(da)
        grads = {"W": _linked(T(rows(cache.x)) @ das, p)}
        if self.bias:
            grads["b"] = row_sums(das, ctx.xp)
        grads |= self.cell.grads(p, Stacked(cache.caches, flat=True), das, ctx)
        if not need_dx:
            return None, grads
        dx = unfolded(das @ T(_linked(p["W"], p)), da)
        dx = dx if cache.inputs is None else dx * cache.inputs[..., None, :, :]
        return ((dx, ds) if cache.pair else dx), grads

    def terms(self, p: Params, cache: Any, dy: Array, ctx: Context) -> Params:
        """The gradients by time step, (..., T, i, o): their sum over T is what `backward` gives."""
        da, _ = self._through_time(p, cache, dy, ctx)
        of_cell = self.cell.grads(p, Stacked(cache.caches, flat=False), da, ctx)
        of_b = {"b": da.sum(-2, keepdims=True)} if self.bias else {}
        dW = T(cache.x) @ da
        return {"W": dW * p["K"][..., None, :, :] if "K" in p else dW, **of_b, **of_cell}

    def flow(self, p: Params, cache: Any, dy: Array, ctx: Context, direct: bool = False) -> Array:
        """The gradient with respect to the state after each step, (..., T, N, S), of the sum that dy weights.

        direct: only along the cell's memory, as if no output were fed back (the recurrent tensors taken as 0): in an
        LSTM ds_t / ds_{t-1} = f.
        """
        p = {name: ctx.xp.zeros_like(a) for name, a in p.items()} if direct else p
        _, states = self._walk(p, cache, self._dout(dy, ctx), ctx, lambda da, ds: ds)
        return states.stacked()

    @property
    def carry(self) -> Callable[[Any], Array]:
        """cache -> the final state (..., N, S). None if time runs backwards, as a chunk has no later steps."""
        if self.reverse:
            raise AttributeError("carry")
        return lambda cache: cache.final

    def trace(self, cache: Any, ctx: Context) -> dict[str, Array]:
        """The parts of the state after each step, and the cell's further values, name -> (..., T, N, k)."""
        cell: Any = self.cell
        states = cache.states.stacked()
        parts = getattr(cell, "parts", ("state",))
        found = dict(zip(parts, ctx.xp.split(states, len(parts), -1), strict=True))
        names = cell.trace(cache.caches[0]) if hasattr(cell, "trace") else ()
        return found | {name: cache.caches.stacked(lambda c, name=name: cell.trace(c)[name]) for name in names}

    def _through_time(self, p: Params, cache: Any, dy: Array, ctx: Context) -> tuple[Array, Array]:
        """da of all steps (..., T, N, gates units), and the gradient of the initial state."""
        xp, dout = ctx.xp, self._dout(dy, ctx)
        # The cell's tensors, so that U^T is contiguous in every step.
        p = {name: T(xp.ascontiguousarray(T(a))) for name, a in p.items() if name not in ("W", "b", "K")}
        if ctx.lag is not None:
            return self._within_lag(p, cache, dout, ctx)
        with self._products(dy.shape[-2]):
            first, das = self._walk(p, cache, dout, ctx, lambda da, ds: da)
        return das.stacked(), first

    def _walk(
        self, p: Params, cache: Any, dout: Array, ctx: Context, keep: Callable[[Array, Array], Array]
    ) -> tuple[Array, Any]:
        """From the last step to the first: the gradient of the first state, and of each step what `keep` chooses from da and
        the gradient of the state after it."""

        def step(t: int, ds: Array) -> tuple[Array, Any]:
            if self.output == "all":
                ds = ds + dout[..., t, :, :]
            da, before = self._back(p, cache, t, ds, ctx)
            return before, keep(da, ds)

        ds = ctx.xp.zeros_like(cache.final) if self.output == "all" else dout
        return scan(ctx.xp, len(cache.caches), step, ds, not self.reverse)

    def _products(self, n: int) -> AbstractContextManager[Any]:
        """The thread limit for the products of n rows with U."""
        return blas_in_loop(n * self.cell.gates * self.cell.units * self.cell.units)

    def _within_lag(self, p: Params, cache: Any, dout: Array, ctx: Context) -> tuple[Array, Array]:
        """da of all steps and the gradient of the initial state, with the truncation length `ctx.lag`: the loss of every
        step is backpropagated separately, through the last `lag` steps."""
        n, zero = len(cache.caches), ctx.xp.zeros_like(cache.final)
        lag = min(int(ctx.lag or n), n + 1)  # one more than the steps: every gradient reaches the first state

        def step(t: int, walks: tuple[Array, ...]) -> tuple[Any, Array]:
            """walks: the gradients of the state after step t, from the losses of steps t, t + 1, ..."""
            if self.output == "all":
                walks = (dout[..., t, :, :], *walks[1:])
            back = [self._back(p, cache, t, ds, ctx) for ds in walks]
            return (zero, *(before for _, before in back[:-1])), sum(da for da, _ in back)

        first = zero if self.output == "all" else dout
        walks, steps = scan(ctx.xp, n, step, (first, *[zero] * (lag - 1)), not self.reverse)
        return steps.stacked(), sum(walks[1:], zero)

    def _back(self, p: Params, cache: Any, t: int, ds: Array, ctx: Context) -> tuple[Array, Array]:
        """da_t and the gradient of the state before; a skipped step passes it on unchanged."""
        ctx = _at(ctx, self.cell, t)
        kept, drop = cache.kept, cache.drop
        if kept is None and drop is None:
            return self.cell.back(p, cache.caches[t], ds, ctx)
        through = ds if kept is None else ctx.xp.where(kept[..., t, :, :], ctx.xp.zeros_like(ds), ds)
        da, before = self.cell.back(p, cache.caches[t], through, ctx)
        before = before if drop is None else before * drop
        return da, before if kept is None else before + (ds - through)

    def _dropped(self, s: Array, ctx: Context) -> Array | None:
        """What the state is multiplied with before a step reads it, (..., N, S): 1 for the memory of a cell."""
        n = getattr(self.cell, "fed_back", 0)
        m = _mask(self.recurrent_dropout, s[..., :n], STATE, ctx)
        if m is None:
            return None
        return ctx.xp.concatenate((ctx.xp.broadcast_to(m, (*s.shape[:-1], n)), ctx.xp.ones_like(s[..., n:])), -1)

    def _kept(self, x: Array, ctx: Context) -> Array | None:
        """True where a step does not change the state, (..., T, N, 1)."""
        mask = ctx.mask(self.mask)
        if mask is None:
            return None
        if mask.shape[-2:] != x.shape[-3:-1]:
            shapes = f"(T, N) = {mask.shape[-2:]}, but the sequences have {x.shape[-3:-1]}"
            raise ValueError(f"layer '{ctx.name}': the mask '{self.mask}' has {shapes}")
        return mask[..., None] == 0

    def _output(self, cache: Trace) -> Array:
        if self.output == "all":
            return cache.states.stacked(self.cell.out)
        return cache.final if self.output == "state" else self.cell.out(cache.final)

    def _dout(self, dy: Array, ctx: Context) -> Array:
        """The gradient of the state, from that of the output."""
        return dy if self.output == "state" else self.cell.dout(dy, ctx)

    @staticmethod
    def examples() -> list[tuple[Recurrent, Shape]]:
        cells = discover()
        simple, lstm = cells.get("cell", "simple")(3), cells.get("cell", "lstm")(2)
        pair = ((None, 4), (3,))
        masked = cells.get("cell", "masked_lstm")(2, connections="80-40-c0-00-40-80")
        layers = [Recurrent(simple), Recurrent(lstm, "last"), Recurrent(lstm, "state", reverse=True, bias=False)]
        layers += [Recurrent(masked), Recurrent(lstm, dropout=0.3, recurrent_dropout=0.4)]
        return [*((layer, (None, 4)) for layer in layers), (Recurrent(simple, reverse=True), pair)]


class Trace(NamedTuple):
    """The cache of a forward pass: the input, where steps are skipped, the cell's caches and the states after each step, by
    time, the final state, whether an initial state was given, and what inputs and states were multiplied with."""

    x: Array
    kept: Array | None
    caches: Any
    states: Any
    final: Array
    pair: bool
    inputs: Array | None
    drop: Array | None


class Stacked:
    """The caches of all steps as one: `stacked[k]` is the k-th array of every step, stacked on access.

    (..., T, N, i), or, flat, with T N rows instead of N.
    """

    def __init__(self, caches: Any, flat: bool) -> None:
        self.caches, self.flat = caches, flat

    def __getitem__(self, k: int) -> Array:
        stacked = self.caches.stacked(lambda cache: cache[k])
        return rows(stacked) if self.flat else stacked

    def part(self, k: int) -> Stacked:
        """The k-th part of every step's cache, itself a tuple of arrays."""
        return Stacked(self.caches.part(k), self.flat)


def _linked(W: Array, p: Params) -> Array:
    """W K where the cell leaves out connections from inputs, W elsewhere; likewise for dW."""
    return W * p["K"] if "K" in p else W


def _drops(rate: Any) -> bool:
    """Whether a rate may differ from 0: a stack has one for each replica."""
    return rate is not None and not (isinstance(rate, int | float) and rate == 0)


def _mask(rate: Any, like: Array, draw: int, ctx: Context) -> Array | None:
    """m / (1 - rate), in the shape of `like`; None outside training, and for a rate of 0."""
    if not ctx.train or not _drops(rate):
        return None
    keep = 1 - ctx.per(rate, like)
    return ((ctx.uniform(like, draw) < keep) / keep).astype(like.dtype)


def _at(ctx: Context, cell: Cell, t: int) -> Context:
    return ctx.but(time=t) if getattr(cell, "draws", False) else ctx
