"""One training step of all networks of a sweep: R seeds of one network, Adam, float32, two threads.

Ours goes through the public trainer, stacked in slices on two threads, and one network after another; layer norms are
recorded at every step. The baselines get one fixed batch: PyTorch one network after another in its usual style, and stacked
by torch.func.vmap, eager and compiled; JAX by vmap and jit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.mlp_step import Run, void

THREADS = 2
FEWEST = 20
REFERENCE = "stackprop, stacked"


class Kind(NamedTuple):
    """R networks and their task: the shape of x, the units of each layer, classes (0: a number), and the recurrent cell."""

    replicas: int
    x: tuple[int, ...]
    units: tuple[int, ...]
    classes: int = 0
    cell: str = "simple"


KINDS = {
    "mlp": Kind(32, (64, 64), (128, 64, 10), 10),
    "regression": Kind(200, (64, 1), (32, 1)),
    "rnn": Kind(32, (20, 32, 8), (32, 1)),  # time-major: steps, examples, features
    "lstm": Kind(32, (20, 32, 8), (32, 1), cell="lstm"),
    "mlp8": Kind(8, (64, 64), (128, 64, 10), 10),
    "mlp128": Kind(128, (64, 64), (128, 64, 10), 10),
    "mlp1024": Kind(1024, (64, 64), (128, 64, 10), 10),
}
WAYS = {
    REFERENCE: "stacked",
    "stackprop, stacked, array tier": "stacked_arrays",
    "stackprop, one after another": "alone",
    "PyTorch eager, one after another": "torch_sequential",
    "PyTorch, torch.func.vmap": "torch_vmap",
    "PyTorch, vmap compiled": "torch_compiled",
    "JAX vmap jit": "jax_vmap",
}
TITLES = {"mlp": "sweep_mlp_32", "regression": "sweep_regression_200", "rnn": "sweep_rnn_32", "lstm": "sweep_lstm_32"}
TITLES |= {"mlp8": "sweep_mlp_8", "mlp128": "sweep_mlp_128", "mlp1024": "sweep_mlp_1024"}
LONG = ("alone", "torch_sequential")  # one network after another takes minutes for a thousand of them
TABLES = {
    title: {
        label: f"benchmarks.sweep_step:{way}:{kind}"
        for label, way in WAYS.items()
        if way not in LONG or KINDS[kind].replicas in (32, 200)
    }
    for kind, title in TITLES.items()
}


def examples(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    """x, and a class or a number for each example."""
    rng, n = np.random.default_rng(0), kind.x[-2]
    return rng.standard_normal(kind.x), rng.integers(0, 10, n) if kind.classes else rng.standard_normal((n, 1))


def ours(kind: Kind, steps: int) -> tuple[Any, Any]:
    """A learner, and a training split that is one batch."""
    from framework import Data, Field, Head, Network, discover
    from framework.config.options import TrainerOptions
    from framework.training.learner import Learner

    get, (x, y) = discover().get, examples(kind)
    recurrent = len(kind.x) == 3
    layers: dict[str, Any] = {}
    if recurrent:
        layers["rnn"] = get("layer", "recurrent")(cell=get("cell", kind.cell)(kind.units[0]), output="last")
        x = x.swapaxes(0, 1)
    for i, units in enumerate(kind.units[recurrent:], 1):
        layers[f"dense{i}"] = get("layer", "dense")(units)
        if i < len(kind.units) - recurrent:
            layers[f"act{i}"] = get("layer", "activation")(get("activation", "relu")())
    fields = {"x": Field("NTF" if recurrent else "NF"), "y": Field("N", "label", 10) if kind.classes else Field("NF")}
    data = Data({"train": {"x": x, "y": y}}, fields)
    loss = get("loss", "softmax_cross_entropy" if kind.classes else "mse")()
    trainer = TrainerOptions(steps=steps, batch_size="all", train_metrics=False, validate_every=10**9)
    network = Network(layers, data.shapes())
    head, adam = {"loss": Head(loss, list(layers)[-1])}, get("optimizer", "adam")()
    return Learner(network, head, adam, get("schedule", "constant")(), trainer), data


def stacked(name: str, tier: str = "compiled") -> Run:
    """The stack, as a sweep trains it."""
    from framework.training.parallel import train_sliced

    def run(steps: int) -> None:
        learner, data = ours(KINDS[name], steps)
        keys = range(KINDS[name].replicas)
        void(train_sliced([learner] * len(keys), [data], list(keys), threads=THREADS, tier=tier))

    return run


def stacked_arrays(name: str) -> Run:
    """The stack in the array tier."""
    return stacked(name, "array")


def alone(name: str) -> Run:
    """Networks of the sweep, each trained separately."""
    from framework.training.trainer import train

    def run(steps: int) -> None:
        learner, data = ours(KINDS[name], steps)
        for key in range(KINDS[name].replicas):
            void(train([learner], [data], [key], threads=1, tier="array"))

    return run


def torch_module(kind: Kind) -> Any:
    """The network in PyTorch's usual style."""
    import torch

    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = (torch.nn.LSTM if kind.cell == "lstm" else torch.nn.RNN)(kind.x[-1], kind.units[0])
            self.out = torch.nn.Linear(kind.units[0], 1)

        def forward(self, x: Any) -> Any:
            return self.out(self.rnn(x)[0][-1])

    if len(kind.x) == 3:
        return Recurrent()
    sizes = [kind.x[-1], *kind.units]
    parts = [[torch.nn.Linear(a, b), torch.nn.ReLU()] for a, b in pairwise(sizes)]
    return torch.nn.Sequential(*[layer for part in parts for layer in part][:-1])


def torch_data(kind: Kind) -> tuple[Any, Any, Callable[..., Any]]:
    """x, y and the loss."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    torch.manual_seed(0)
    x, y = (torch.from_numpy(a) for a in examples(kind))
    loss = torch.nn.functional.cross_entropy if kind.classes else torch.nn.functional.mse_loss
    return x.float(), y if kind.classes else y.float(), loss


def torch_sequential(name: str) -> Run:
    """One network after another, Adam with defaults."""
    import torch

    kind = KINDS[name]
    x, y, loss = torch_data(kind)
    nets = [torch_module(kind) for _ in range(kind.replicas)]
    optimizers = [torch.optim.Adam(net.parameters()) for net in nets]

    def run(steps: int) -> None:
        for _ in range(steps):
            for net, optimizer in zip(nets, optimizers, strict=True):
                optimizer.zero_grad()
                loss(net(x), y).backward()
                optimizer.step()

    return run


def torch_forward(kind: Kind, p: dict[str, Any], x: Any) -> Any:
    """A PyTorch network on a dict of its tensors, for vmap, which does not know nn.RNN."""
    import torch

    if len(kind.x) == 3:
        a = x @ p["rnn.weight_ih_l0"].T + p["rnn.bias_ih_l0"] + p["rnn.bias_hh_l0"]
        h = c = torch.zeros_like(a[0][..., : kind.units[0]])
        for step in a:
            z = step + h @ p["rnn.weight_hh_l0"].T
            if kind.cell == "lstm":
                i, f, g, o = z.chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                h = torch.tanh(z)
        return h @ p["out.weight"].T + p["out.bias"]
    count = len(kind.units)
    for i in range(count):
        x = x @ p[f"{2 * i}.weight"].T + p[f"{2 * i}.bias"]
        x = torch.relu(x) if i < count - 1 else x
    return x


def torch_stacked(name: str, compiled: bool) -> Run:
    """vmap over stacked tensors; Adam is elementwise, and one for all of them."""
    import torch

    kind = KINDS[name]
    x, y, loss = torch_data(kind)
    nets = [dict(torch_module(kind).named_parameters()) for _ in range(kind.replicas)]
    params = {key: torch.stack([net[key].detach() for net in nets]).requires_grad_() for key in nets[0]}
    optimizer = torch.optim.Adam(list(params.values()), fused=True)
    grads_of = torch.func.vmap(torch.func.grad(lambda p: loss(torch_forward(kind, p, x), y)))
    if compiled:
        grads_of = torch.compile(grads_of)

    def run(steps: int) -> None:
        for _ in range(steps):
            for key, grad in grads_of({key: p.detach() for key, p in params.items()}).items():
                params[key].grad = grad
            optimizer.step()

    return run


def torch_vmap(name: str) -> Run:
    """Eager."""
    return torch_stacked(name, compiled=False)


def torch_compiled(name: str) -> Run:
    """Compiled: half a minute before the first step, which is not counted."""
    return torch_stacked(name, compiled=True)


def jax_vmap(name: str) -> Run:
    """vmap over the replicas, loss and Adam of all of them compiled together; the gradient of the summed loss contains all
    gradients."""
    import jax
    import jax.numpy as jnp

    from benchmarks.jax_adam import training

    kind = KINDS[name]
    x, y = (jnp.asarray(a, a.dtype if a.dtype.kind == "i" else jnp.float32) for a in examples(kind))
    rng, sizes = np.random.default_rng(1), [kind.x[-1], *kind.units]
    shapes, gates = list(pairwise(sizes)), 4 if kind.cell == "lstm" else 1
    if len(kind.x) == 3:
        shapes[0] = (shapes[0][0], gates * kind.units[0])
    p = [(_drawn(rng, kind, *shape), jnp.zeros((kind.replicas, shape[1]))) for shape in shapes]
    p += [(_drawn(rng, kind, kind.units[0], gates * kind.units[0]),)] if len(kind.x) == 3 else []

    def cell(state: Any, z: Any) -> Any:
        if kind.cell != "lstm":
            return jnp.tanh(z), state[1]
        i, f, g, o = jnp.split(z, 4, -1)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def forward(p: Any) -> Any:
        if len(kind.x) == 3:
            (W, b), (V, c), (U,) = p
            first = jnp.zeros((kind.x[1], kind.units[0]))
            (h, _), _ = jax.lax.scan(lambda s, a: (cell(s, a + s[0] @ U), None), (first, first), x @ W + b)
            return h @ V + c
        h = x
        for i, (W, b) in enumerate(p):
            h = h @ W + b
            h = jnp.maximum(h, 0) if i < len(p) - 1 else h
        return h

    def loss(p: Any) -> Any:
        out = forward(p)
        if kind.classes:
            return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1).mean()
        return ((out - y) ** 2).mean()

    return training(lambda p: jax.vmap(loss)(p).sum(), p)


def _drawn(rng: np.random.Generator, kind: Kind, a: int, b: int) -> Any:
    """Weights (R, a, b)."""
    import jax.numpy as jnp

    return jnp.asarray(rng.standard_normal((kind.replicas, a, b)) / a**0.5, jnp.float32)
