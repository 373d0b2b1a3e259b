"""One training step of an MLP 64-128-64-10: batch 64, relu, softmax cross-entropy, Adam, float32, one thread each.

Ours goes through the public trainer: batches are drawn in every epoch and gathered, and the gradient norm of every
layer is recorded at every step. The others get one fixed batch, and only one of them computes the norms.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

SIZES, BATCH, LR, N = (64, 128, 64, 10), 64, 1e-3, 1280
THREADS = 1
REFERENCE = "PyTorch eager, fused Adam"
CONTESTANTS = {
    "stackprop": "benchmarks.mlp_step:stackprop:array",
    "stackprop, compiled": "benchmarks.mlp_step:stackprop:compiled",
    "PyTorch eager, default Adam": "benchmarks.mlp_step:torch_default",
    REFERENCE: "benchmarks.mlp_step:torch_fused",
    "PyTorch eager, fused Adam, layer norms": "benchmarks.mlp_step:torch_norms",
    "JAX jit": "benchmarks.mlp_step:jax_jit",
}
Run = Callable[[int], None]


def examples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, 64) and labels (n,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, SIZES[0])), rng.integers(0, SIZES[-1], n)


def learner(steps: int, **options: Any) -> Any:
    """The learner for stackprop: network, loss, optimizer, options."""
    from framework import Head, Network
    from framework.config.options import TrainerOptions
    from framework.registry import discovery
    from framework.training.learner import Learner

    get = discovery.discover().get
    layers: dict[str, Any] = {}
    for i, units in enumerate(SIZES[1:], 1):
        layers[f"dense{i}"] = get("layer", "dense")(units)
        if i < len(SIZES) - 1:
            layers[f"act{i}"] = get("layer", "activation")()
    network = Network(layers, {"x": (SIZES[0],), "y": ()})
    head = Head(get("loss", "softmax_cross_entropy")(), f"dense{len(SIZES) - 1}")
    optimizer = get("optimizer", "adam")(lr=LR, epsilon="outside")
    trainer = TrainerOptions(steps=steps, batch_size=BATCH, train_metrics=False, validate_every=10**9, **options)
    return Learner(network, {"loss": head}, optimizer, get("schedule", "constant")(), trainer)


def data() -> Any:
    """A training split only."""
    from framework import Data, Field

    x, y = examples(N)
    return Data({"train": {"x": x, "y": y}}, {"x": Field("NF"), "y": Field("N", "label", SIZES[-1])})


def stackprop(tier: str = "array") -> Run:
    """The public trainer."""
    from threadpoolctl import threadpool_limits

    from framework.training.trainer import train

    threadpool_limits(int(os.environ.get("BENCH_THREADS", "1")))
    split = data()
    return lambda steps: void(train([learner(steps)], [split], [0], tier=tier))


def void(_: Any) -> None:
    """Ignore a result."""


def torch_step(fused: bool, norms: bool) -> Run:
    """PyTorch in its usual style."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "1")))
    torch.manual_seed(0)
    net = torch_net(torch)
    x, y = (torch.from_numpy(a) for a in examples(BATCH))
    x, loss_of = x.float(), torch.nn.functional.cross_entropy
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=fused)
    kept = []

    def run(steps: int) -> None:
        kept.clear()
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(net(x), y).backward()
            if norms:
                kept.append(layer_norms(torch, net))
            optimizer.step()

    return run


def torch_net(torch: Any) -> Any:
    """The network in PyTorch."""
    parts = []
    for i, (a, b) in enumerate(pairwise(SIZES)):
        parts += [torch.nn.Linear(a, b), *([torch.nn.ReLU()] if i < len(SIZES) - 2 else [])]
    return torch.nn.Sequential(*parts)


def layer_norms(torch: Any, net: Any) -> Any:
    """The norm of every layer's gradient, and of the whole, left on the device."""
    grads = [[p.grad for p in layer.parameters()] for layer in net if isinstance(layer, torch.nn.Linear)]
    each = torch.stack([torch.linalg.vector_norm(torch.cat([g.flatten() for g in layer])) for layer in grads])
    return torch.cat([each, torch.linalg.vector_norm(each)[None]])


def torch_default() -> Run:
    """torch.optim.Adam with defaults."""
    return torch_step(fused=False, norms=False)


def torch_fused() -> Run:
    """torch.optim.Adam(fused=True)."""
    return torch_step(fused=True, norms=False)


def torch_norms() -> Run:
    """PyTorch with the layer norms that ours always records."""
    return torch_step(fused=True, norms=True)


def jax_jit() -> Run:
    """The whole step compiled."""
    import jax
    import jax.numpy as jnp

    from benchmarks.jax_adam import training  # it imports names from this module

    x, y = examples(BATCH)
    x, y, rng = jnp.asarray(x, jnp.float32), jnp.asarray(y), np.random.default_rng(1)
    p = [(jnp.asarray(rng.standard_normal(s) / s[0] ** 0.5, jnp.float32), jnp.zeros(s[1])) for s in pairwise(SIZES)]

    def loss(p: Any) -> Any:
        h = x
        for i, (W, b) in enumerate(p):
            h = h @ W + b
            h = jnp.maximum(h, 0) if i < len(p) - 1 else h
        return -jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1).mean()

    return training(loss, p)


def verify() -> str:
    """Our gradients against PyTorch's, in float64 and float32.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    import torch

    from framework import Context
    from framework.nn.heads import total_loss

    worst = {}
    for name, dtype, limit in (("float64", torch.float64, 1e-12), ("float32", torch.float32, 1e-5)):
        ours, net = learner(1), torch_net(torch).to(dtype)
        x, y = examples(BATCH)
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
