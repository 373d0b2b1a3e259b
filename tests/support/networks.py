"""Small data sets, networks and learners that tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from framework import Context, Data, Field, Head, Network
from framework.config.options import TrainerOptions
from framework.nn.heads import total_loss
from framework.training.learner import Learner
from framework.training.trainer import train
from framework_activations.tanh import Tanh
from framework_layers.activation import ActivationLayer
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_losses.mse import MeanSquaredError
from framework_optimizers.sgd import Sgd
from framework_schedules.constant import Constant


def regression(n: int = 40, features: int = 3, outputs: int = 2, val: int = 0, seed: int = 0) -> Data:
    """Noisy targets that bend with x, so that a network never fits them exactly."""
    rng = np.random.default_rng(seed)
    splits = {}
    for split, size in (("train", n), ("val", val)):
        x = rng.standard_normal((size, features))
        y = np.sin(x[:, :1] + np.arange(outputs)) + 0.3 * rng.standard_normal((size, outputs))
        if size:
            splits[split] = {"x": x, "y": y}
    return Data(splits, {"x": Field("NF"), "y": Field("NF")})


def points(x: Any, y: Any) -> Data:
    """Exactly these training examples."""
    return Data({"train": {"x": np.array(x, float), "y": np.array(y, float)}}, {"x": Field("NF"), "y": Field("NF")})


def mlp(*units: int, features: int = 3, activation: Any = None, keep: float | None = None, **dense: Any) -> Network:
    """Dense layers of these widths with an activation between them (tanh), and dropout where `keep` is given."""
    nodes: dict[str, Any] = {}
    for i, width in enumerate(units[:-1]):
        nodes[f"hidden{i}"] = Dense(width, **dense)
        nodes[f"act{i}"] = ActivationLayer(activation or Tanh())
        if keep is not None:
            nodes[f"drop{i}"] = Dropout(keep)
    nodes["out"] = Dense(units[-1], **dense)
    return Network(nodes, {"x": (features,)})


def learner(network: Network, optimizer: Any = None, loss: Any = None, regularizers: Any = (), **options: Any) -> Learner:
    """A learner with one head, on `out`."""
    heads = {"loss": Head(loss or MeanSquaredError(), "out")}
    return Learner(network, heads, optimizer or Sgd(), Constant(), TrainerOptions(**options), tuple(regularizers))


def lone(member: Learner, data: Data, key: Any = 0, **more: Any) -> Any:
    """The outcome of training one network by itself, in float64."""
    (outcome,) = train([member], [data], [key], **{"dtype": np.float64, **more})
    return outcome


def distance(a: Any, b: Any) -> float:
    """The largest difference between the weights of two outcomes."""
    return max(float(np.abs(w - b.weights[node][t]).max()) for node, p in a.weights.items() for t, w in p.items())


def backpropagate(network: Network, heads: Any, p: Any, batch: Any) -> tuple[float, Any, Any, Any]:
    """Loss, outputs, tensor gradients and output gradients of one network without replica axes."""
    ctx, arena = Context(batch=batch), network.arena(p)
    g = arena.views(np.full(arena.P, np.nan))  # what no gradient reaches stays visible
    values, caches = network.forward(p, ctx)
    loss, dvalues = total_loss(heads, values, ctx)
    dvalues = network.backward(p, caches, dvalues, g, ctx)
    return float(loss), values, g, dvalues


def differences(function: Callable[[], float], a: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences of `function` with respect to every number of `a`, which it reads."""
    out = np.zeros(a.shape)
    for at in np.ndindex(a.shape):
        before = a[at]
        a[at] = before + h
        up = function()
        a[at] = before - h
        out[at] = (up - function()) / (2 * h)
        a[at] = before
    return out


def assert_gradients(network: Network, heads: Any, p: Any, batch: Any, tolerance: float = 1e-8) -> None:
    """Every gradient of the network equals finite differences."""
    _, _, g, _ = backpropagate(network, heads, p, batch)
    for node, tensors in g.items():
        for t, grad in tensors.items():
            numeric = differences(lambda: backpropagate(network, heads, p, batch)[0], p[node][t])
            assert np.abs(grad - numeric).max() < tolerance, f"{node}.{t}"


@dataclass(frozen=True)
class Fixed:
    """An initializer that hands out the same number everywhere."""

    value: float = 1.0

    def __call__(self, rng: Any, shape: Any, fans: Any = None) -> np.ndarray:
        return np.full(shape, self.value)


class Record:
    """A callback that records everything it receives."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, int, np.ndarray]] = []
        self.columns: tuple[str, ...] = ()
        self.values: list[tuple[int, int, dict[str, float]]] = []
        self.looks: list[tuple[int, int, dict[str, float]]] = []
        self.outcomes: list[Any] = []

    def on_steps(self, member: int, first: int, columns: Any, rows: np.ndarray) -> None:
        self.columns = tuple(columns)
        self.blocks.append((member, first, rows.copy()))

    def on_probe(self, member: int, steps: Any, columns: Any, rows: np.ndarray) -> None:
        self.looks += [(member, int(n), dict(zip(columns, row, strict=True))) for n, row in zip(steps, rows, strict=True)]

    def on_metrics(self, member: int, step: int, values: Any) -> None:
        self.values.append((member, step, dict(values)))

    def on_end(self, outcome: Any) -> None:
        self.outcomes.append(replace(outcome))

    def rows(self, member: int) -> np.ndarray:
        """All rows of a member, in the order in which they came."""
        return np.concatenate([rows for m, _, rows in self.blocks if m == member])

    def probe(self, member: int, name: str) -> dict[int, float]:
        """step -> what a probe measured of a member."""
        return {step: values[name] for m, step, values in self.looks if m == member and name in values}

    def column(self, member: int, name: str) -> np.ndarray:
        """One column of a member's rows."""
        return self.rows(member)[:, self.columns.index(name)]
