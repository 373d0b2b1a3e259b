"""One training step of an MLP: relu, softmax cross-entropy, Adam, float32. 64-128-64-10 with batch 64, on one thread each.

Ours goes through the public trainer: batches are drawn in every epoch and gathered, and the gradient norm of every
layer is recorded at every step. The others get one fixed batch, and only one of them computes the norms.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np


class Sizes(NamedTuple):
    """Units of each layer, examples of a batch."""

    units: tuple[int, ...]
    batch: int


SIZES = {"small": Sizes((64, 128, 64, 10), 64), "large": Sizes((784, 512, 256, 10), 128)}
LR, BATCHES = 1e-3, 20
THREADS = 1
REFERENCE = "PyTorch eager, fused Adam"
WAYS = {
    "stackprop": "stackprop:{}:compiled",
    "stackprop, array tier": "stackprop:{}:array",
    "PyTorch eager, default Adam": "torch_default:{}",
    REFERENCE: "torch_fused:{}",
    "PyTorch eager, fused Adam, layer norms": "torch_norms:{}",
    "PyTorch compiled, fused Adam": "torch_compiled:{}",
    "JAX jit": "jax_jit:{}",
}
Run = Callable[[int], None]


def contestants(kind: str) -> dict[str, str]:
    """Ours in both tiers, PyTorch eager and compiled, JAX."""
    return {label: f"benchmarks.mlp_step:{way.format(kind)}" for label, way in WAYS.items()}


CONTESTANTS = contestants("small")


def examples(s: Sizes, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, features) and labels (n,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, s.units[0])), rng.integers(0, s.units[-1], n)


def learner(steps: int, kind: str = "small", **options: Any) -> Any:
    """The learner for stackprop: network, loss, optimizer, options."""
    from framework import Head, Network
    from framework.config.options import TrainerOptions
    from framework.registry import discovery
    from framework.training.learner import Learner

    get = discovery.discover().get
    layers: dict[str, Any] = {}
    s = SIZES[kind]
    for i, units in enumerate(s.units[1:], 1):
        layers[f"dense{i}"] = get("layer", "dense")(units)
        if i < len(s.units) - 1:
            layers[f"act{i}"] = get("layer", "activation")()
    network = Network(layers, {"x": (s.units[0],), "y": ()})
    head = Head(get("loss", "softmax_cross_entropy")(), f"dense{len(s.units) - 1}")
    optimizer = get("optimizer", "adam")(lr=LR, epsilon="outside")
    trainer = TrainerOptions(steps=steps, batch_size=s.batch, train_metrics=False, validate_every=10**9, **options)
    return Learner(network, {"loss": head}, optimizer, get("schedule", "constant")(), trainer)


def data(kind: str = "small") -> Any:
    """A training split only."""
    from framework import Data, Field

    s = SIZES[kind]
    x, y = examples(s, BATCHES * s.batch)
    return Data({"train": {"x": x, "y": y}}, {"x": Field("NF"), "y": Field("N", "label", s.units[-1])})


def stackprop(kind: str, tier: str) -> Run:
    """The public trainer."""
    from threadpoolctl import threadpool_limits

    from framework.training.trainer import train

    threadpool_limits(int(os.environ.get("BENCH_THREADS", "1")))
    split = data(kind)
    return lambda steps: void(train([learner(steps, kind)], [split], [0], tier=tier))


def void(_: Any) -> None:
    """Ignore a result."""


def torch_step(kind: str, fused: bool, norms: bool = False, compiled: bool = False) -> Run:
    """PyTorch in its usual style."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "1")))
    torch.manual_seed(0)
    s = SIZES[kind]
    net = torch_net(torch, s)
    x, y = (torch.from_numpy(a) for a in examples(s, s.batch))
    x, loss_of = x.float(), torch.nn.functional.cross_entropy
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=fused)
    kept = []
    forward = torch.compile(net) if compiled else net

    def run(steps: int) -> None:
        kept.clear()
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(forward(x), y).backward()
            if norms:
                kept.append(layer_norms(torch, net))
            optimizer.step()

    return run


def torch_net(torch: Any, s: Sizes) -> Any:
    """The network in PyTorch."""
    parts = []
    for i, (a, b) in enumerate(pairwise(s.units)):
        parts += [torch.nn.Linear(a, b), *([torch.nn.ReLU()] if i < len(s.units) - 2 else [])]
    return torch.nn.Sequential(*parts)


def layer_norms(torch: Any, net: Any) -> Any:
    """The norm of every layer's gradient, and of the whole, left on the device."""
    grads = [[p.grad for p in layer.parameters()] for layer in net if isinstance(layer, torch.nn.Linear)]
    each = torch.stack([torch.linalg.vector_norm(torch.cat([g.flatten() for g in layer])) for layer in grads])
    return torch.cat([each, torch.linalg.vector_norm(each)[None]])


def torch_default(kind: str) -> Run:
    """torch.optim.Adam with defaults."""
    return torch_step(kind, fused=False)


def torch_fused(kind: str) -> Run:
    """torch.optim.Adam(fused=True)."""
    return torch_step(kind, fused=True)


def torch_norms(kind: str) -> Run:
    """PyTorch with the layer norms that ours always records."""
    return torch_step(kind, fused=True, norms=True)


def torch_compiled(kind: str) -> Run:
    """Forward and backward pass through torch.compile."""
    return torch_step(kind, fused=True, compiled=True)


def jax_jit(kind: str) -> Run:
    """The whole step compiled."""
    import jax
    import jax.numpy as jnp

    from benchmarks.jax_adam import training  # it imports names from this module

    s = SIZES[kind]
    x, y = examples(s, s.batch)
    x, y, rng = jnp.asarray(x, jnp.float32), jnp.asarray(y), np.random.default_rng(1)
    shapes = pairwise(s.units)
    p = [(jnp.asarray(rng.standard_normal(k) / k[0] ** 0.5, jnp.float32), jnp.zeros(k[1])) for k in shapes]

    def loss(p: Any) -> Any:
        h = x
        for i, (W, b) in enumerate(p):
            h = h @ W + b
            h = jnp.maximum(h, 0) if i < len(p) - 1 else h
        return -jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1).mean()

    return training(loss, p)


def verify(kind: str = "small") -> str:
    """Our gradients against PyTorch's, in float64 and float32.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    import torch

    from framework import Context
    from framework.nn.heads import total_loss

    worst = {}
    for name, dtype, limit in (("float64", torch.float64, 1e-12), ("float32", torch.float32, 1e-5)):
        ours, net = learner(1, kind), torch_net(torch, SIZES[kind]).to(dtype)
        x, y = examples(SIZES[kind], SIZES[kind].batch)
        tensors, _ = ours.network.init(0)
        arena = ours.network.arena(tensors)
        w = arena.fill([tensors], name)
        linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
        for layer, p in zip(linear, arena.views(w).values(), strict=True):
            p["W"][0], p["b"][0] = layer.weight.detach().T.numpy(), layer.bias.detach().numpy()
        torch.nn.functional.cross_entropy(net(torch.from_numpy(x).to(dtype)), torch.from_numpy(y)).backward()
        ctx = Context(replicas=(1,), batch={"x": x[None].astype(name), "y": y[None]})
        values, caches = ours.network.forward(arena.views(w), ctx)
        g = np.zeros((1, arena.P), name)
        ours.network.backward(arena.views(w), caches, total_loss(ours.heads, values, ctx)[1], arena.views(g), ctx)
        theirs = np.concatenate([np.concatenate([k.weight.grad.T.numpy().ravel(), k.bias.grad.numpy()]) for k in linear])
        worst[name] = float(np.abs(g[0] - theirs).max() / np.abs(theirs).max())
        assert worst[name] < limit, f"gradients differ from PyTorch's by {worst[name]:.1e} in {name}"
    return "gradients equal PyTorch's to " + " and ".join(f"{value:.0e} in {name}" for name, value in worst.items())
