"""The update of 1e5, 1e6 and 1e7 float32 weights alone, by Adam and by gradient descent with momentum, two threads each.

Ours has one array of them, as the trainer has, and updates it with the array form at once, in blocks as the array tier,
or with the compiled kernel. PyTorch has them in 20 tensors, and updates them with its fused kernel or with defaults.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.mlp_step import Run

THREADS, FEWEST, TENSORS = 2, 5, 20
LR, MU = 1e-3, 0.9
REFERENCE = "PyTorch, fused"
WAYS = {
    "ours, array at once": "ours:{}:{}:array",
    "ours, array by blocks": "ours:{}:{}:blocks",
    "ours, compiled": "ours:{}:{}:compiled",
    REFERENCE: "theirs:{}:{}:fused",
    "PyTorch, default": "theirs:{}:{}:default",
}
TABLES = {
    f"{optimizer}_1e{len(str(n)) - 1}": {
        k: f"benchmarks.optimizer_update:{way.format(optimizer, n)}" for k, way in WAYS.items()
    }
    for optimizer in ("adam", "momentum")
    for n in (10**5, 10**6, 10**7)
}


def numbers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and a gradient, (1, n)."""
    w, g = np.random.default_rng(0).standard_normal((2, 1, n), np.float32)
    return w, g * np.float32(0.01)


def learner(name: str) -> Any:
    """The optimizer in PyTorch's form."""
    from framework import discover

    options: dict[str, Any] = {"adam": {"epsilon": "outside"}, "momentum": {"alpha": MU, "form": "torch"}}[name]
    return discover().get("optimizer", name)(lr=LR, **options)


def ours(name: str, n: str, way: str) -> Run:
    """The update as the trainer calls it."""
    from framework import Context
    from framework.training.update import by_array, by_kernel

    optimizer, (w, g), ctx = learner(name), numbers(int(n)), Context(replicas=(1,))
    state = optimizer.init(w)
    update = {"array": type(optimizer).update, "blocks": by_array, "compiled": by_kernel}[way]

    def run(steps: int) -> None:
        for _ in range(steps):
            update(optimizer, w, g, state, LR, ctx)

    return run


def theirs(name: str, n: str, way: str) -> Run:
    """torch.optim."""
    import torch

    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    step = torch_optimizer(torch, name, *numbers(int(n)), **({"fused": True} if way == "fused" else {}))[0].step

    def run(steps: int) -> None:
        for _ in range(steps):
            step()

    return run


def torch_optimizer(torch: Any, name: str, w: np.ndarray, g: np.ndarray, **options: Any) -> tuple[Any, list[Any]]:
    """PyTorch's optimizer over 20 tensors, and the tensors."""
    tensors = [torch.nn.Parameter(torch.from_numpy(a.copy())) for a in np.split(w[0], TENSORS)]
    for tensor, a in zip(tensors, np.split(g[0], TENSORS), strict=True):
        tensor.grad = torch.from_numpy(a.copy())
    adam, sgd = torch.optim.Adam, torch.optim.SGD
    made = adam(tensors, lr=LR, **options) if name == "adam" else sgd(tensors, lr=LR, momentum=MU, **options)
    return made, tensors


def verify() -> str:
    """The largest difference of the weights from PyTorch's, after 20 steps of every variant.

    Raises:
        AssertionError: they differ by more than rounding.
    """
    import torch

    from framework import Context
    from framework.training.update import by_array, by_kernel

    worst = 0.0
    for name in ("adam", "momentum"):
        optimizer, (w, g) = learner(name), numbers(200_000)
        made, tensors = torch_optimizer(torch, name, w, g)
        for _ in range(20):
            made.step()
        wanted = np.concatenate([tensor.detach().numpy() for tensor in tensors])
        for update in (by_array, by_kernel):
            found = w.copy()
            state = optimizer.init(found)
            for _ in range(20):
                update(optimizer, found, g, state, LR, Context(replicas=(1,)))
            worst = max(worst, float(np.abs(found[0] - wanted).max()))
    assert worst < 2e-6, f"weights differ from PyTorch's by {worst:.1e}"
    return f"weights equal PyTorch's to {worst:.0e} after 20 steps"
