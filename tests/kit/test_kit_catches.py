"""Deliberately wrong components: each is caught by the check named for its fault, and its right twin is not."""

import unittest
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest

from framework import Callback, Data, Field, T, option, to_host
from framework.testing import TABLES, conformance, examples
from framework.testing.subjects import of_loss
from framework_activations.tanh import Tanh
from framework_augmentations.noise import Noise
from framework_augmentations.translate import Translate
from framework_cells.indrnn import IndRnn
from framework_cells.lstm import Lstm
from framework_datasets.sine import Sine
from framework_initializers.he_normal import HeNormal
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.recurrent import Recurrent
from framework_losses.cross_entropy import CrossEntropy
from framework_losses.max_margin import MaxMargin
from framework_losses.mse import MeanSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.accuracy import Accuracy
from framework_optimizers.momentum import Momentum
from framework_optimizers.nag import Nag
from framework_optimizers.sgd import Sgd
from framework_probes.activation_spread import ActivationSpread
from framework_probes.dead import Dead
from framework_probes.saturated import Saturated
from framework_probes.sensitivity import Sensitivity
from framework_probes.update_ratio import UpdateRatio
from framework_regularizers.l1 import L1
from framework_regularizers.l2 import L2
from framework_schedules.constant import Constant
from framework_studies.lr_range import LrRange
from tests.kit.test_faults import FAULTS


@dataclass(frozen=True)
class Scale:
    """y = x slope."""

    slope: float = option(0.5, stackable=True)

    def forward(self, x, ctx):
        return x * ctx.per(self.slope, x), None

    def backward(self, cache, dy, ctx):
        return dy * ctx.per(self.slope, dy)


@dataclass(frozen=True)
class Centre:
    """y = x - m: m the mean over N in training, its running mean otherwise."""

    buffers: ClassVar = ("mean",)
    over_batch: ClassVar = True

    def init(self, rng, in_shape):
        return {"mean": np.zeros((1, in_shape[-1]))}, in_shape

    def forward(self, p, x, ctx):
        mean = self.mean(x) if ctx.train else p["mean"]
        return x - mean, mean

    def mean(self, x):
        return x.mean(-2, keepdims=True)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        return (dy - self.mean(dy) if ctx.train else dy) if need_dx else None, {}

    def updates(self, p, cache, ctx):
        return {"mean": p["mean"] * 0.9 + 0.1 * cache}


@dataclass(frozen=True)
class Summing:
    """h_t = h_{t-1} + x_t w, w within -1 ... 1: a recurrent layer without anything that could distract."""

    def init(self, rng, in_shape):
        return {"w": np.ones((1, in_shape[-1]))}, in_shape

    def forward(self, p, x, ctx):
        h = (x * p["w"][..., None, :, :]).cumsum(-3)
        initial = ctx.initial()
        return (h if initial is None else h + initial[..., None, :, :]), (x, h)

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dh = later(dy)
        return (dh * p["w"][..., None, :, :] if need_dx else None), {"w": (cache[0] * dh).sum((-3, -2))[..., None, :]}

    def carry(self, cache):
        return cache[1][..., -1, :, :]

    def terms(self, p, cache, dy, ctx):
        return {"w": (cache[0] * later(dy)).sum(-2, keepdims=True)}

    def project(self, p, ctx):
        p["w"][...] = p["w"].clip(-1, 1)


@dataclass(frozen=True)
class Falling:
    """factor = 1 - drop step / total, and at least 0."""

    drop: float = option(0.5, least=0, most=1, stackable=True)

    def __call__(self, step, total):
        return np.maximum(1 - self.drop * step / total, 0.0)


@dataclass(frozen=True)
class Above:
    """How far values lie above a margin."""

    margin: float = option(0.1, stackable=True)

    def __call__(self, seen):
        y = seen.values[next(iter(seen.network.nodes))]
        return {"above": (y - seen.ctx.per(self.margin, y)).mean(tuple(range(len(seen.ctx.replicas) - y.ndim, 0)))}


@dataclass(frozen=True)
class Say:
    """A verb of the shell."""

    def __call__(self, words):
        return 0


@dataclass(frozen=True)
class Nothing:
    """A figure that no run has."""

    def __call__(self, run):
        return None


@dataclass(frozen=True)
class Diary(Callback):
    """Reads the rows it is given."""

    def on_steps(self, member, first, columns, rows):
        assert rows.shape[1] == len(columns)


def later(dy):
    """What reaches step t: the sum of dy from t on."""
    return dy[..., ::-1, :, :].cumsum(-3)[..., ::-1, :, :]


LSTM, INDRNN = Lstm(2), IndRnn(2, bound=0.5)
RECURRENT = Recurrent(LSTM)
CASES = {}


def wrong(what, kind, check, right, in_shape=None, expected=None, **members):
    """Note a component that is like `right` but for these members, and the check that must catch it.

    expected: what the right twin itself cannot hold, and why.
    """
    cls = type(type(right).__name__, (type(right),), {"__doc__": type(right).__doc__, **members})
    bad = cls(**{f.name: getattr(right, f.name) for f in fields(right)})
    CASES[what] = (check, (kind, right, in_shape, expected), (kind, bad, in_shape))


def put(array, values):
    """An assignment in place, as an expression."""
    array[...] = values


def sums_of_rows(p, cache, dy, ctx, need_dx):
    """The gradients of a Dense that forgets to keep b's two axes."""
    return dy @ T(p["W"]) if need_dx else None, {"W": T(cache) @ dy, "b": dy.sum(-2)}


def mean_of_means(loss, y, t, ctx, mask=None):
    """Each step's mean first, then the mean over steps: not the mean over what is unmasked."""
    if mask is None or mask.ndim < 2:
        return MeanSquaredError.__call__(loss, y, t, ctx, mask)
    w = mask / np.maximum(mask.sum(-1, keepdims=True), 1e-9) / len(mask)
    return (((y - t) ** 2).mean(-1) * w).sum((-2, -1)), 2 * (y - t) * w[..., None] / y.shape[-1]


def mse(change):
    """The mean squared error with its value and its dy changed."""
    return lambda self, y, t, ctx, mask=None: change(*MeanSquaredError.__call__(self, y, t, ctx, mask), t)


def pair(change):
    """The max-margin loss with its value and both gradients changed."""

    def changed(self, y, t, ctx, mask=None):
        value, dys = MaxMargin.__call__(self, y, t, ctx, mask)
        return change(value, *dys)

    return changed


# fmt: off
wrong("wrong sign", "activation", "gradient", Tanh(),
      backward=lambda self, cache, dy, ctx: -Tanh.backward(self, cache, dy, ctx))
wrong("input modified", "activation", "pure", Tanh(),
      forward=lambda self, x, ctx: (np.tanh(x, out=x), x))
wrong("float64 leak", "activation", "dtype", Tanh(),
      forward=lambda self, x, ctx: Tanh.forward(self, x * np.float64(1), ctx))
wrong("state kept on the object", "activation", "state", Tanh(),
      forward=lambda self, x, ctx: (object.__setattr__(self, "y", np.tanh(x)), (self.y, None))[1],
      backward=lambda self, cache, dy, ctx: Tanh.backward(self, self.y, dy, ctx))
wrong("option read without ctx.per", "activation", "options", Scale(),
      forward=lambda self, x, ctx: (x * self.slope, None))
wrong("another formula where arrays are not those of NumPy", "activation", "tiers", Tanh(),
      forward=lambda self, x, ctx: Tanh.forward(self, x if ctx.xp is np else x * 1.01, ctx))
wrong("a step that differs where arrays are not those of NumPy", "optimizer", "tiers", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g * (1 if ctx.xp is np else 1.01)))
wrong("nothing done where a number anywhere is not finite", "activation", "neighbours", Tanh(),
      forward=lambda self, x, ctx: Tanh.forward(self, x * np.isfinite(x).all(), ctx))
wrong("scaled by the largest of all", "layer", "neighbours", Dense(3),
      forward=lambda self, p, x, ctx: Dense.forward(self, p, x * np.where(np.abs(x).max() < 1e9, 1, 0.5), ctx))
wrong("replicas counted", "activation", "shared", Tanh(),
      forward=lambda self, x, ctx: (np.tanh(x) / len(x), np.tanh(x)))
wrong("memory taken to lie in one piece", "activation", "strides", Tanh(),
      forward=lambda self, x, ctx: Tanh.forward(self, np.lib.stride_tricks.as_strided(x, x.shape, x.copy().strides), ctx))
wrong("N - 1 of one example", "activation", "one_example", Tanh(),
      forward=lambda self, x, ctx: (np.tanh(x) * (x.shape[-2] - 1.0) / np.float64(x.shape[-2] - 1), np.tanh(x)))
wrong("host arrays on a device", "activation", "device", Tanh(),
      forward=lambda self, x, ctx: Tanh.forward(self, x + np.zeros(x.shape), ctx))
wrong("the mean of the batch", "activation", "per_example", Tanh(),
      forward=lambda self, x, ctx: (x - x.mean(-2, keepdims=True), x),
      backward=lambda self, x, dy, ctx: dy - dy.mean(-2, keepdims=True))
wrong("no docstring", "activation", "declaration", Tanh(), __doc__=None)

wrong("axis 0 used", "layer", "stack_law", Centre(),
      mean=lambda self, x: x.mean(axis=0, keepdims=True) + 0 * x[..., :1, :])
wrong("global random state", "layer", "determinism", Dropout(),
      forward=lambda self, p, x, ctx: Dropout.forward(self, p, x * (np.random.random(x.shape) < 0.5), ctx))
wrong("dropout with another mask backward", "layer", "gradient", Dropout(),
      backward=lambda self, p, cache, dy, ctx, need_dx=True: (Dropout.forward(self, p, dy, ctx.but(step=9))[0], {}))
wrong("dropout in evaluation", "layer", "evaluation", Dropout(),
      forward=lambda self, p, x, ctx: Dropout.forward(self, p, x, ctx.but(train=True)))
wrong("statistics of the batch in evaluation", "layer", "evaluation", Centre(),
      forward=lambda self, p, x, ctx: Centre.forward(self, p, x, ctx.but(train=True)))
wrong("need_dx ignored", "layer", "need_dx", Dense(3),
      backward=lambda self, p, cache, dy, ctx, need_dx=True: Dense.backward(self, p, cache, dy, ctx))
wrong("gradient of another shape", "layer", "shapes", Dense(3),
      backward=lambda self, p, cache, dy, ctx, need_dx=True: sums_of_rows(p, cache, dy, ctx, need_dx))
wrong("gradient missing", "layer", "parameters", Dense(3),
      backward=lambda self, p, cache, dy, ctx, need_dx=True: (dy @ T(p["W"]) if need_dx else None, {"W": T(cache) @ dy}))
wrong("another shape than announced", "layer", "init", Dense(3),
      init=lambda self, rng, in_shape: (Dense.init(self, rng, in_shape)[0], in_shape))
wrong("buffer trained", "layer", "buffers", Centre(),
      backward=lambda self, p, cache, dy, ctx, need_dx=True: (dy if need_dx else None, {"mean": -dy.sum(-2, keepdims=True)}))
wrong("buffer updated in place", "layer", "updates", Centre(),
      updates=lambda self, p, cache, ctx: {"mean": p["mean"].__iadd__(0.1 * cache)})
wrong("projected by the largest replica", "layer", "project", Summing(), (None, 3),
      project=lambda self, p, ctx: put(p["w"], p["w"] / np.abs(p["w"]).max()))
wrong("first state carried", "layer", "carry", Summing(), (None, 3),
      carry=lambda self, cache: cache[1][..., 0, :, :])
wrong("padding that counts", "layer", "mask", RECURRENT, (None, 3), _kept=lambda self, x, ctx: None)
wrong("a state of another size", "cell", "sizes", LSTM, state=3)
wrong("gradient of the whole state", "cell", "outputs", LSTM,
      dout=lambda self, dy, ctx: np.concatenate((dy, dy), -1))
wrong("summed over time always", "cell", "time", LSTM,
      grads=lambda self, p, cache, da, ctx: {"U": (T(cache[0]) @ da).sum(tuple(range(1, da.ndim - 2)))})
wrong("another step when it is later", "cell", "chunks", LSTM, draws=True,
      step=lambda self, p, a, s, ctx: Lstm.step(self, p, a + 0.1 * ctx.time, s, ctx))
wrong("the first example leaks", "cell", "padding", LSTM,
      step=lambda self, p, a, s, ctx: Lstm.step(self, p, a + s[..., :1, :1], s, ctx))
wrong("no way back through time", "cell", "sequences", LSTM,
      back=lambda self, p, cache, ds, ctx: (Lstm.back(self, p, cache, ds, ctx)[0], ds * 0))
wrong("bounded by the largest replica", "cell", "project", INDRNN,
      project=lambda self, p, ctx: put(p["u"], p["u"] / max(1, np.abs(p["u"]).max())))
wrong("terms without what comes later", "layer", "terms", Summing(), (None, 3),
      terms=lambda self, p, cache, dy, ctx: {"w": (cache[0] * dy).sum(-2, keepdims=True)})

wrong("reduction over replicas", "loss", "stack_law", MeanSquaredError(),
      __call__=mse(lambda value, dy, t: (value * 0 + value.mean(), dy)))
wrong("one number for all replicas", "loss", "shapes", MeanSquaredError(),
      __call__=mse(lambda value, dy, t: (value.mean(), dy)))
wrong("mask ignored", "loss", "mask", MeanSquaredError(),
      __call__=lambda self, y, t, ctx, mask=None: MeanSquaredError.__call__(self, y, t, ctx))
wrong("mean over time of means", "loss", "sequence", MeanSquaredError(), __call__=mean_of_means)
wrong("one of its targets", "loss", "targets", MeanSquaredError(), targets=("real", "columns"),
      __call__=mse(lambda value, dy, t: (value, dy if t.dtype.kind == "f" else dy + 1)))
wrong("softmax over everything", "loss", "predict", SoftmaxCrossEntropy(),
      predict=lambda self, y, ctx: np.exp(y) / np.exp(y).sum())
wrong("the sign of the notes", "loss", "gradient", MaxMargin(),
      __call__=pair(lambda value, ds, ds_c: (value, (-ds, ds_c))))
wrong("margin read without ctx.per", "loss", "options", MaxMargin(),
      __call__=lambda self, y, t, ctx, mask=None: MaxMargin.__call__(self, (y[0] - self.margin + 1, y[1]), t, ctx, mask))
wrong("masked pairs kept in one tower", "loss", "mask", MaxMargin(), __call__=lambda self, y, t, ctx, mask=None: (
      MaxMargin.__call__(self, y, t, ctx, mask)[0],
      (MaxMargin.__call__(self, y, t, ctx, mask)[1][0], MaxMargin.__call__(self, y, t, ctx)[1][1])))
wrong("scores that replicas mix", "loss", "predict", MaxMargin(),
      predict=lambda self, y, ctx: np.concatenate(y, -1) - y[0].mean())
wrong("the gradient of raw outputs", "loss", "gradient", CrossEntropy(),
      __call__=lambda self, y, t, ctx, mask=None: (
          CrossEntropy.__call__(self, y, t, ctx, mask)[0], SoftmaxCrossEntropy()(np.log(y), t, ctx, mask)[1]))
wrong("half a gradient", "regularizer", "gradient", L2(0.1),
      __call__=lambda self, W, ctx: (L2.__call__(self, W, ctx)[0], self.strength * W))
wrong("one threshold for all", "regularizer", "after", L1(0.1, proximal=True),
      expected={"gradient": "what shrinks the weights is no gradient"},
      after=lambda self, W, lr, ctx: L1.after(self, W, float(np.mean(lr)), ctx))
wrong("of which tensors", "regularizer", "tensors", L2(), __getattribute__=lambda self, name: (
      None if name == "tensors" else object.__getattribute__(self, name)))

wrong("not in place", "optimizer", "in_place", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w.copy(), w - lr * g))
wrong("norm over replicas", "optimizer", "stack_law", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g / np.sqrt((g * g).sum())))
wrong("a rate that fits the wrong axis where there are as many numbers as replicas", "optimizer", "stack_law", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - (np.ravel(lr) if np.size(lr) == w.shape[-1] else lr) * g))
wrong("a step left out where any gradient is not finite", "optimizer", "neighbours", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g * np.isfinite(g).all()))
wrong("a step left out where any weight is huge", "optimizer", "neighbours", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g * (np.abs(w).max() < 1e9)))
wrong("rates bounded by the largest", "optimizer", "neighbours", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g * min(1, 10 / np.max(lr))))
wrong("alpha read without ctx.per", "optimizer", "options", Momentum(),
      update=lambda self, w, g, state, lr, ctx: Momentum.update(self, w, g * self.alpha, state, lr, ctx))
wrong("float64 state", "optimizer", "dtype", Momentum(), init=lambda self, w: {"M": np.zeros(w.shape)})
wrong("state on the host", "optimizer", "device", Momentum(), init=lambda self, w: {"M": np.zeros(w.shape, w.dtype)})
wrong("slot on the object", "optimizer", "state", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * self.__dict__.setdefault("first", g)))
wrong("replicas remembered", "optimizer", "take", Sgd(), init=lambda self, w: {"R": len(w)},
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * g * state["R"] / len(w)))
wrong("sum of learning rates", "optimizer", "learning_rate", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w - np.sum(lr) * g))
wrong("ascent", "optimizer", "descent", Sgd(),
      update=lambda self, w, g, state, lr, ctx: put(w, w + lr * g))
wrong("lookahead in place", "optimizer", "lookahead", Nag(),
      lookahead=lambda self, w, state, ctx: w.__iadd__(ctx.per(self.alpha, w) * state["M"]))
wrong("a mean over the columns", "optimizer", "elementwise", Sgd(), elementwise=True,
      update=lambda self, w, g, state, lr, ctx: put(w, w - lr * (g - g.mean(-1, keepdims=True))))

wrong("fans ignored", "initializer", "fans", HeNormal(),
      __call__=lambda self, rng, shape, fans=None: HeNormal.__call__(self, rng, shape))
wrong("fans turned", "initializer", "fans", HeNormal(),
      __call__=lambda self, rng, shape, fans=None: HeNormal.__call__(self, rng, shape, fans and fans[::-1]))
wrong("drawn from the global state", "initializer", "seeded", HeNormal(),
      __call__=lambda self, rng, shape, fans=None: HeNormal.__call__(self, np.random, shape, fans))
wrong("calls counted", "schedule", "pure", Constant(), calls=[],
      __call__=lambda self, step, total: (self.calls.append(step), 1 / len(self.calls))[1])
wrong("the mean of the stack", "schedule", "stack_law", Falling(),
      __call__=lambda self, step, total: 1 - np.mean(self.drop) * step / total)
wrong("a column of factors", "schedule", "stack_law", Falling(),
      __call__=lambda self, step, total: 1 - np.atleast_1d(self.drop)[..., None] * step / total if np.ndim(self.drop) else (
          1 - self.drop * step / total))
wrong("labels out of range", "dataset", "data", Sine(), load=lambda self, rng: Data(
      {"train": {"x": np.zeros((3, 1)), "y": np.arange(3)}}, {"x": Field("NF"), "y": Field("N", "label", 2)}))
wrong("noise of another size", "dataset", "truth", Sine(), load=lambda self, rng: Data(
      **{**vars(Sine.load(self, rng)), "sigma": 2 * self.sigma}))
wrong("padded by the move", "augmentation", "shape", Translate(),
      __call__=lambda self, x, rng: np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))))
wrong("noise in another dtype", "augmentation", "shape", Noise(),
      __call__=lambda self, x, rng: x + self.sigma * rng.standard_normal(x.shape))
wrong("a generator of its own", "augmentation", "seeded", Noise(),
      __call__=lambda self, x, rng: Noise.__call__(self, x, np.random.default_rng()))
wrong("other draws in each dtype", "augmentation", "seeded", Noise(),
      __call__=lambda self, x, rng: x + x.dtype.type(self.sigma) * rng.standard_normal(x.shape, x.dtype))
wrong("the batch moved in place", "augmentation", "pure", Translate(),
      __call__=lambda self, x, rng: put(x, Translate.__call__(self, x, rng)) or x)
wrong("the batch's mean taken off", "augmentation", "independent", Translate(),
      __call__=lambda self, x, rng: x - x.mean(0))
wrong("a batch read as one piece", "augmentation", "strides", Translate(), __call__=lambda self, x, rng: (
      Translate.__call__(self, np.lib.stride_tricks.as_strided(x, x.shape, x.copy().strides), rng)))
wrong("not additive", "metric", "counts", Accuracy(), count=lambda self, y, t, ctx, mask=None: (
      Accuracy.count(self, y, t, ctx, mask) / Accuracy.count(self, y, t, ctx, mask)[..., 1:]))
wrong("one value for all", "metric", "stack_law", Accuracy(),
      value=lambda self, counts: 0 * counts[..., 0] + counts[..., 0].mean())
wrong("nothing counted where a prediction anywhere is not finite", "metric", "neighbours", Accuracy(),
      count=lambda self, y, t, ctx, mask=None: Accuracy.count(self, y, t, ctx, mask) * np.isfinite(y).all())
wrong("predictions rounded in place", "metric", "pure", Accuracy(),
      count=lambda self, y, t, ctx, mask=None: Accuracy.count(self, np.round(y, out=y), t, ctx, mask))
wrong("counted on the host", "metric", "device", Accuracy(),
      count=lambda self, y, t, ctx, mask=None: Accuracy.count(self, np.clip(y, 0, 1), t, ctx, mask))

wrong("one number for all replicas of a stack", "probe", "shapes", Dead(),
      __call__=lambda self, seen: {name: a.mean() for name, a in Dead.__call__(self, seen).items()})
wrong("a name that is taken", "probe", "shapes", Saturated(),
      __call__=lambda self, seen: {f"train/{name}": a for name, a in Saturated.__call__(self, seen).items()})
wrong("nothing measured", "probe", "shapes", Saturated(), __call__=lambda self, seen: {})
wrong("compared with the other replicas", "probe", "stack_law", Sensitivity(),
      __call__=lambda self, seen: {n: a - a.mean() for n, a in Sensitivity.__call__(self, seen).items()})
wrong("nothing said where a value anywhere is not finite", "probe", "neighbours", Above(),
      __call__=lambda self, seen: {"above": Above.__call__(self, seen)["above"] * np.isfinite(seen.values["act1"]).all()})
wrong("threshold read without ctx.per", "probe", "stack_law", Above(),
      __call__=lambda self, seen: {"above": (seen.values["act1"] - np.max(self.margin)).mean((-2, -1))})
wrong("gradients turned in place", "probe", "pure", Sensitivity(),
      _size=lambda self, delta, seen: Sensitivity._size(self, np.abs(delta, out=delta), seen))
wrong("weights put back", "probe", "pure", UpdateRatio(),
      __call__=lambda self, seen: (UpdateRatio.__call__(self, seen), put(seen.after, seen.w))[0])
wrong("the look before remembered", "probe", "pure", Dead(),
      __call__=lambda self, seen: self.__dict__.setdefault("first", Dead.__call__(self, seen)))
wrong("a fraction in float64", "probe", "dtype", Dead(),
      _fraction=lambda self, y, seen: 1 - (y != 0).any(-2).mean(-1))
wrong("numbers brought to the host", "probe", "device", ActivationSpread(),
      __call__=lambda self, seen: {n: to_host(a) for n, a in ActivationSpread.__call__(self, seen).items()})
wrong("decided on the host", "probe", "device", UpdateRatio(),
      __call__=lambda self, seen: UpdateRatio.__call__(self, seen) if (seen.after != seen.w).any() else {})
wrong("a study that wants more than the experiment", "study", "asked", LrRange(),
      __call__=lambda self, experiment, seed: None)
wrong("a verb without words", "command", "signature", Say(), __call__=lambda self: 0)
wrong("a figure by its name", "figure", "draws", Nothing(), __call__=lambda self, run: "loss.png")
wrong("a figure of every run", "figure", "draws", Nothing(), __call__=lambda self, run: run.series["val/loss"] and None)
wrong("rows scaled in place", "callback", "calls", Diary(),
      on_steps=lambda self, member, first, columns, rows: np.multiply(rows, 2, out=rows))
wrong("a method with a typing error in its name", "callback", "methods", Diary(), on_ends=lambda self, result: None)
# fmt: on


@pytest.mark.parametrize("what", CASES)
def test_a_wrong_component_is_caught_and_its_right_twin_is_not(what):
    check, right, bad = CASES[what]
    for each in conformance(*right):
        each()
    with pytest.raises(AssertionError) as told:
        named(check, conformance(*bad))()
    assert " " in str(told.value)  # words, not a bare assert


def named(name, checks):
    (check,) = [each for each in checks if each.name == name]
    return check


def test_every_check_has_caught_something():
    names = {name for always, offered in TABLES.values() for name in (*always, *offered)}
    found = {check for check, *_ in CASES.values()} | {fault.check for fault in FAULTS}
    assert names <= found, sorted(names - found)


def test_outputs_are_drawn_as_the_loss_reads_them():
    rng = np.random.default_rng(0)
    drawn = of_loss(None).draw(CrossEntropy(), rng)
    assert drawn["y"].sum(-1) == pytest.approx(np.ones(len(drawn["y"])))
    assert drawn["y"].min() > 0
    assert of_loss(None).draw(MaxMargin(), rng).keys() == {"y0", "y1", "mask"}


def test_the_message_about_an_option_names_it_and_the_remedy():
    check, _, bad = CASES["option read without ctx.per"]
    with pytest.raises(AssertionError, match=r"'slope'.*read it as ctx\.per\(self\.slope, x\)"):
        named(check, conformance(*bad))()


@dataclass(frozen=True)
class Curious(Scale):
    """Looks at a number, which is not known while a step is traced."""

    def forward(self, x, ctx):
        return super().forward(x if float(x.max()) < 1e9 else x * 0, ctx)


def test_a_component_that_cannot_be_traced_is_skipped_with_the_reason():
    with pytest.raises(unittest.SkipTest, match=r"test_kit_catches.py, line \d+: a traced number is known"):
        named("tiers", conformance("activation", Curious()))()


def test_an_expected_failure_must_fail():
    told = {"gradient": "the sign is turned on purpose"}
    _, right, bad = CASES["wrong sign"]
    named("gradient", conformance(*bad, expected_failures=told))()
    with pytest.raises(AssertionError, match=r"'gradient' passes now.*the sign is turned on purpose"):
        named("gradient", conformance(*right[:2], expected_failures=told))()
    with pytest.raises(ValueError, match="unknown check 'gradiant'"):
        conformance(*bad, expected_failures={"gradiant": ""})


def test_what_cannot_be_checked_is_said():
    with pytest.raises(ValueError, match="unknown kind 'flavour'; the kit checks layer, activation"):
        conformance("flavour", Tanh())
    with pytest.raises(ValueError, match=r"Dense: an option has no default; add a static method examples\(\)"):
        examples(type("Dense", (Dense,), {"examples": None}))
