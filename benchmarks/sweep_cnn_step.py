"""One training step of 32 convolutional networks on 8 x 8 digits, batch 64, two threads, float32: a sweep over seeds.

Each is conv 3x3x16 - relu - max pool - dense 10, softmax cross-entropy, Adam, as in digits_cnn_step. Ours goes through the
public trainer, stacked; the baselines get one fixed batch: torch.func.vmap, eager and compiled, and JAX by vmap and jit.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks import cnn_step
from benchmarks.jax_adam import training
from benchmarks.mlp_step import Run, void

REPLICAS, SIZE, FILTERS = 32, 8, (16,)
BATCH, CLASSES = cnn_step.BATCH, cnn_step.CLASSES
THREADS, FEWEST = 2, 20
REFERENCE = "stackprop, stacked"
CONTESTANTS = {
    REFERENCE: "benchmarks.sweep_cnn_step:stacked:compiled",
    "stackprop, stacked, array tier": "benchmarks.sweep_cnn_step:stacked:array",
    "PyTorch, torch.func.vmap": "benchmarks.sweep_cnn_step:torch_vmap",
    "PyTorch, vmap compiled": "benchmarks.sweep_cnn_step:torch_vmap:compiled",
    "JAX vmap jit": "benchmarks.sweep_cnn_step:jax_vmap",
}


def stacked(tier: str) -> Run:
    """The stack, as a sweep trains it."""
    from framework import Data, Field
    from framework.training.parallel import train_sliced

    x, y = cnn_step.examples(20 * BATCH, SIZE)
    split = Data({"train": {"x": x, "y": y}}, {"x": Field("NCHW"), "y": Field("N", "label", CLASSES)})

    def run(steps: int) -> None:
        members = [cnn_step.learner(steps, SIZE, FILTERS)] * REPLICAS
        void(train_sliced(members, [split], list(range(REPLICAS)), threads=THREADS, tier=tier))

    return run


def torch_vmap(how: str = "eager") -> Run:
    """vmap over stacked tensors; Adam is elementwise, and one for all of them."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    torch.manual_seed(0)
    nets = [cnn_step.torch_net(torch, SIZE, FILTERS) for _ in range(REPLICAS)]
    params = {
        name: torch.stack([dict(net.named_parameters())[name].detach() for net in nets]).requires_grad_()
        for name, _ in nets[0].named_parameters()
    }
    x, y = (torch.from_numpy(a) for a in cnn_step.examples(BATCH, SIZE))
    x, loss_of = x.float(), torch.nn.functional.cross_entropy
    optimizer = torch.optim.Adam(list(params.values()), fused=True)
    grads_of = torch.func.vmap(torch.func.grad(lambda p: loss_of(torch.func.functional_call(nets[0], p, (x,)), y)))
    if how == "compiled":
        grads_of = torch.compile(grads_of)

    def run(steps: int) -> None:
        for _ in range(steps):
            for name, grad in grads_of({name: p.detach() for name, p in params.items()}).items():
                params[name].grad = grad
            optimizer.step()

    return run


def jax_vmap() -> Run:
    """vmap over the replicas, loss and Adam compiled together; images as (N, H, W, C)."""
    import jax
    import jax.numpy as jnp

    x, y = cnn_step.examples(BATCH, SIZE)
    x, y, rng = jnp.asarray(x.transpose(0, 2, 3, 1), jnp.float32), jnp.asarray(y), np.random.default_rng(1)
    shapes = [(3, 3, 1, FILTERS[0]), (cnn_step.features(SIZE, FILTERS), CLASSES)]
    drawn = [rng.standard_normal((REPLICAS, *s)) / np.prod(s[:-1]) ** 0.5 for s in shapes]
    p = [(jnp.asarray(W, jnp.float32), jnp.zeros((REPLICAS, W.shape[-1]))) for W in drawn]

    def loss(p: Any) -> Any:
        (K, c), (W, b) = p
        h = jax.lax.conv_general_dilated(x, K, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + c
        h = jax.lax.reduce_window(jnp.maximum(h, 0), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return -jnp.take_along_axis(jax.nn.log_softmax(h.reshape(BATCH, -1) @ W + b), y[:, None], 1).mean()

    return training(lambda p: jax.vmap(loss)(p).sum(), p)


def verify() -> str:
    """Our gradients against PyTorch's."""
    return cnn_step.verify(SIZE, FILTERS)
