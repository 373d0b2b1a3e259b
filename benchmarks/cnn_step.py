"""One training step of a small convolutional network on 28 x 28 images: batch 64, two threads, float32.

conv 3x3x32 - relu - max pool - conv 3x3x64 - relu - max pool - dense 10, softmax cross-entropy, Adam. Ours goes through the
public trainer: batches are gathered, and the gradient norm of every layer is recorded at every step.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.jax_adam import training
from benchmarks.mlp_step import Run, void

SIZE, FILTERS, CLASSES, BATCH, LR = 28, (32, 64), 10, 64, 1e-3
THREADS, FEWEST = 2, 20
REFERENCE = "PyTorch eager, channels last, fused Adam"
CONTESTANTS = {
    "stackprop": "benchmarks.cnn_step:stackprop",
    "stackprop, array tier": "benchmarks.cnn_step:stackprop:array",
    "PyTorch eager, default Adam": "benchmarks.cnn_step:torch_default",
    "PyTorch eager, fused Adam": "benchmarks.cnn_step:torch_fused",
    REFERENCE: "benchmarks.cnn_step:torch_channels_last",
    "JAX jit": "benchmarks.cnn_step:jax_jit",
}


def examples(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, 1, size, size) and labels (n,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 1, size, size)), rng.integers(0, CLASSES, n)


def features(size: int, filters: tuple[int, ...]) -> int:
    """The number of features before the dense layer."""
    for _ in filters:
        size = (size - 2) // 2
    return size * size * filters[-1]


def learner(steps: int, size: int = SIZE, filters: tuple[int, ...] = FILTERS) -> Any:
    """The learner for stackprop."""
    from framework import Head, Network
    from framework.config.options import TrainerOptions
    from framework.registry import discovery
    from framework.training.learner import Learner

    get = discovery.discover().get
    layers: dict[str, Any] = {}
    for i, maps in enumerate(filters, 1):
        layers[f"conv{i}"] = get("layer", "conv2d")(maps)
        layers[f"act{i}"] = get("layer", "activation")()
        layers[f"pool{i}"] = get("layer", "max_pool")()
    layers |= {"flat": get("layer", "flatten")(), "out": get("layer", "dense")(CLASSES)}
    head = Head(get("loss", "softmax_cross_entropy")(), "out")
    optimizer = get("optimizer", "adam")(lr=LR, epsilon="outside")
    trainer = TrainerOptions(steps=steps, batch_size=BATCH, train_metrics=False, validate_every=10**9)
    network = Network(layers, {"x": (1, size, size), "y": ()})
    return Learner(network, {"loss": head}, optimizer, get("schedule", "constant")(), trainer)


def stackprop(tier: str = "compiled", size: int = SIZE, filters: tuple[int, ...] = FILTERS) -> Run:
    """The public trainer."""
    from framework import Data, Field
    from framework.training.trainer import train

    x, y = examples(20 * BATCH, size)
    split = Data({"train": {"x": x, "y": y}}, {"x": Field("NCHW"), "y": Field("N", "label", CLASSES)})
    threads = int(os.environ.get("BENCH_THREADS", "2"))
    return lambda steps: void(train([learner(steps, size, filters)], [split], [0], threads=threads, tier=tier))


def torch_net(torch: Any, size: int, filters: tuple[int, ...]) -> Any:
    """The network in PyTorch."""
    parts, channels = [], 1
    for maps in filters:
        parts += [torch.nn.Conv2d(channels, maps, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        channels = maps
    return torch.nn.Sequential(*parts, torch.nn.Flatten(), torch.nn.Linear(features(size, filters), CLASSES))


def torch_step(fused: bool, last: bool, size: int = SIZE, filters: tuple[int, ...] = FILTERS) -> Run:
    """PyTorch in its usual style; `last`: images and kernels in the layout that is fastest for its convolutions."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    torch.manual_seed(0)
    layout = torch.channels_last if last else torch.contiguous_format
    net = torch_net(torch, size, filters).to(memory_format=layout)
    x, y = (torch.from_numpy(a) for a in examples(BATCH, size))
    x, loss_of = x.float().to(memory_format=layout), torch.nn.functional.cross_entropy
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=fused)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(net(x), y).backward()
            optimizer.step()

    return run


def torch_default() -> Run:
    """torch.optim.Adam with defaults."""
    return torch_step(fused=False, last=False)


def torch_fused() -> Run:
    """torch.optim.Adam(fused=True)."""
    return torch_step(fused=True, last=False)


def torch_channels_last() -> Run:
    """The fastest variant of PyTorch."""
    return torch_step(fused=True, last=True)


def jax_step(size: int, filters: tuple[int, ...]) -> Run:
    """The whole step compiled, images as (N, H, W, C)."""
    import jax
    import jax.numpy as jnp

    x, y = examples(BATCH, size)
    x, y, rng = jnp.asarray(x.transpose(0, 2, 3, 1), jnp.float32), jnp.asarray(y), np.random.default_rng(1)
    sizes = [(3, 3, c, f) for c, f in zip((1, *filters[:-1]), filters, strict=True)] + [(features(size, filters), CLASSES)]
    p = [(jnp.asarray(rng.standard_normal(s) / np.prod(s[:-1]) ** 0.5, jnp.float32), jnp.zeros(s[-1])) for s in sizes]

    def loss(p: Any) -> Any:
        h = x
        for W, b in p[:-1]:
            h = jax.lax.conv_general_dilated(h, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
            h = jax.lax.reduce_window(jnp.maximum(h, 0), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        W, b = p[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(h.reshape(BATCH, -1) @ W + b), y[:, None], 1).mean()

    return training(loss, p)


def jax_jit() -> Run:
    """JAX."""
    return jax_step(SIZE, FILTERS)


def verify(size: int = SIZE, filters: tuple[int, ...] = FILTERS) -> str:
    """Our gradients, in blocks as in the trainer, against PyTorch's in float64.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    import torch

    from framework import Context
    from framework.nn.heads import total_loss
    from framework.nn.microbatch import in_blocks

    ours, net = learner(1, size, filters), torch_net(torch, size, filters).double()
    tensors, shapes = ours.network.init(0)
    arena = ours.network.arena(tensors)
    w = arena.fill([tensors], "float64")
    layers = [layer for layer in net if hasattr(layer, "weight")]
    for layer, p in zip(layers, arena.views(w).values(), strict=True):
        weight = layer.weight.detach().numpy()
        p["W"][0], p["b"][0] = weight.reshape(len(weight), -1).T, layer.bias.detach().numpy()
    x, y = examples(BATCH, size)
    torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    ctx, passes = Context(replicas=(1,), batch={"x": x[None], "y": y[None]}), in_blocks(ours.network, shapes, {"out"}, 2)
    values, caches = passes.forward(arena.views(w), ctx)
    g = np.zeros((1, arena.P))
    passes.backward(arena.views(w), caches, total_loss(ours.heads, values, ctx)[1], arena.views(g), ctx)
    grads = [(k.weight.grad.numpy(), k.bias.grad.numpy()) for k in layers]
    theirs = np.concatenate([np.concatenate([W.reshape(len(W), -1).T.ravel(), b]) for W, b in grads])
    worst = float(np.abs(g[0] - theirs).max() / np.abs(theirs).max())
    assert worst < 1e-12, f"gradients differ from PyTorch's by {worst:.1e}"
    return f"gradients equal PyTorch's to {worst:.0e} in float64"
