"""What a component must return: the first pass of a training says which one does not, and what it returned."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from framework import ConfigError, Context, Head, Network, Node
from framework.inference.evaluation import HeadMetric, MetricAccumulator
from framework.nn.heads import total_loss
from framework.training.probes import ProbeRunner
from framework_losses.mse import MeanSquaredError

X = np.arange(12.0).reshape(4, 3)
Y = X[:, :2]


@dataclass(frozen=True)
class Faulty:
    """y = x W + b; with a fault."""

    fault: str = ""
    units: int = 2

    def init(self, rng, in_shape):
        return {"W": np.ones((in_shape[-1], self.units)), "b": np.zeros((1, self.units))}, (*in_shape[:-1], self.units)

    def forward(self, p, x, ctx):
        y = x @ p["W"] + p["b"]
        faults = {"y only": y, "narrow y": (y[..., :1], x), "float32": (y.astype(np.float32), x), "no array": (1.0, x)}
        if self.fault == "crash":
            raise KeyError("memory")
        return faults.get(self.fault, (y, x))

    def backward(self, p, cache, dy, ctx, need_dx=True):
        dx = dy @ p["W"].swapaxes(-1, -2) if need_dx else None
        W, b = cache.swapaxes(-1, -2) @ dy, dy.sum(-2, keepdims=True)
        return {
            "no b": (dx, {"W": W}),
            "no gradients": (dx, {}),
            "scalar b": (dx, {"W": W, "b": dy.sum()}),
            "number b": (dx, {"W": W, "b": 1.0}),
            "another c": (dx, {"W": W, "b": b, "c": b}),
            "dx only": dx,
            "None": (dx, None),
            "no dx": (None, {"W": W, "b": b}),
            "narrow dx": (dx if dx is None else dx[..., :1], {"W": W, "b": b}),
        }.get(self.fault, (dx, {"W": W, "b": b}))


@dataclass(frozen=True)
class FaultyLoss:
    """L = mean d^2; with a fault."""

    fault: str = ""

    def __call__(self, y, t, ctx, mask=None):
        d = y - t
        value = (d * d).mean((-1, -2))
        return {"float": (3.5, d), "no dy": value, "sum": (value, d.sum()), "examples": (d, d)}[self.fault]


def passes(first, second=None):
    network = Network({"a": first, "z": second or Faulty()}, {"x": (3,)})
    tensors = network.init(0)[0]
    ctx = Context(batch={"x": X, "y": Y})
    values, caches = network.forward(tensors, ctx)
    g = network.arena(tensors)
    flat = np.full(g.P, np.nan)
    network.backward(
        tensors, caches, total_loss({"loss": Head(MeanSquaredError(), "z")}, values, ctx)[1], g.views(flat), ctx
    )
    return flat


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no b", r"backward returns no gradient of 'b' \(only of 'W'\)"),
        ("no gradients", r"backward returns no gradient of 'W' \(none at all\)"),
        ("scalar b", r"a gradient of 'b' with shape \(\), not \(1, 2\)"),
        ("number b", r"a gradient of 'b' with a float, not \(1, 2\)"),
        ("another c", r"a gradient of 'c', which it does not have"),
        ("dx only", r"backward returns an array of shape \(4, 2\), not \(dx, gradients by tensor\)"),
        ("None", r"backward returns \(an array of shape \(4, 2\), None\)"),
        ("no dx", r"backward returns None as dx with need_dx = True"),
        ("narrow dx", r"backward gave dx \(4, 1\), but its input 'a' is \(4, 2\)"),
        ("y only", r"forward returns an array of shape \(4, 2\), not \(y, cache\)"),
        ("no array", r"forward returns a float as y"),
        ("narrow y", r"init says \(2,\), so y is \(4, 2\) for replicas \(\); forward gave \(4, 1\)"),
        ("float32", r"forward returns y in float32, but the run computes in float64"),
    ],
)
def test_a_layer_that_breaks_its_contract_is_named(fault, message):
    with pytest.raises(ConfigError, match=r"model\.layers\.z \(Faulty\): .*" + message):
        passes(Faulty(), Faulty(fault))


@pytest.mark.parametrize("fault", ["no b", "another c"])
def test_a_shared_tensor_needs_the_gradients_of_every_node(fault):
    network = Network({"a": Faulty(units=3), "z": Node(Faulty(fault, units=3), share="a")}, {"x": (3,)})
    tensors = network.init(0)[0]
    values, caches = network.forward(tensors, Context(batch={"x": X}))
    with pytest.raises(ConfigError, match=r"layers\.z"):
        network.backward(tensors, caches, {"z": values["z"]}, network.init(0)[0], Context(batch={"x": X}))


def test_a_frozen_layer_need_not_return_gradients():
    flat = passes(Faulty(), Node(Faulty("no gradients"), frozen=True))
    assert np.isfinite(flat).all()


def test_the_first_layer_need_not_return_dx():
    assert np.isfinite(passes(Faulty("no dx"))).all()


def test_an_exception_names_its_node_and_stays_itself():
    with pytest.raises(KeyError, match="memory") as caught:
        passes(Faulty(), Faulty("crash"))
    assert caught.value.component == "model.layers.z (Faulty): forward"


def test_later_passes_are_not_checked():
    network = Network({"z": Faulty()}, {"x": (3,)})
    tensors, ctx = network.init(0)[0], Context(batch={"x": X})
    network.forward(tensors, ctx)
    object.__setattr__(network.nodes["z"].layer, "fault", "narrow y")
    assert network.forward(tensors, ctx)[0]["z"].shape == (4, 1)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("float", "its value is a float, not one number per replica"),
        ("examples", r"its value is an array of shape \(4, 2\)"),
        ("no dy", r"it returns an array of shape \(\), not \(value, dy\)"),
        ("sum", r"its dy is an array of shape \(\), but y, of which it is the gradient, is \(4, 2\)"),
    ],
)
def test_a_loss_that_breaks_its_contract_is_named(fault, message):
    with pytest.raises(ConfigError, match=r"heads\.price \(FaultyLoss\): " + message):
        total_loss({"price": Head(FaultyLoss(fault), "z")}, {"z": Y}, Context(batch={"y": Y}))


@dataclass(frozen=True)
class FaultyMetric:
    """Gives what it was made with."""

    counts: object
    found: object = 0.0
    targets: ClassVar = ("real",)

    def count(self, y, t, ctx, mask=None):
        return self.counts

    def value(self, counts):
        return self.found


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (FaultyMetric(3.0), "count gave a float"),
        (FaultyMetric(np.float64(3)), r"count gave an array of shape \(\), not an array \(k\)"),
        (FaultyMetric(np.ones(2), 1.0), "value gave a float, not one number per replica"),
        (FaultyMetric(np.ones(2), np.ones(2)), r"value gave an array of shape \(2,\)"),
    ],
)
def test_a_metric_that_breaks_its_contract_is_named(metric, message):
    ctx = Context(batch={"y": Y})
    tally = MetricAccumulator({"top": HeadMetric(metric, "loss")})

    def measured():
        tally.add({"loss": Head(MeanSquaredError(), "z")}, {"z": Y}, ctx)
        return tally.values(ctx)

    with pytest.raises(ConfigError, match=r"metrics\.top \(FaultyMetric\): " + message):
        measured()


@pytest.mark.parametrize(("found", "message"), [(None, "it returns NoneType"), ({"size": 1.0}, "'size' is a float")])
def test_a_probe_that_breaks_its_contract_is_named(found, message):
    class Seen:
        ctx = Context()

    with pytest.raises(ConfigError, match=message):
        ProbeRunner(np, 1, 1).look(1, {"mine": lambda seen: found}, Seen())
