"""The update of 1e5, 1e6 and 1e7 float32 weights alone, by Adam and by gradient descent with momentum, two threads each.

Ours has one array of them, as the trainer has, and updates it with the array form at once, in blocks as the array tier,
or compiled: the update as it is traced for a compiled step, shared by two threads as in a training. PyTorch has them in 20
tensors, and updates them with its fused kernel or with defaults.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Thread
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
    optimizer, (w, g) = learner(name), numbers(int(n))
    update = updating(way, optimizer, w, g)

    def run(steps: int) -> None:
        with update.shared() if isinstance(update, Compiled) else nullcontext():
            for _ in range(steps):
                update()

    return run


def updating(way: str, optimizer: Any, w: np.ndarray, g: np.ndarray) -> Callable[[], None]:
    """One update of w in place."""
    from framework import Context
    from framework.training.update import by_array

    state, ctx = optimizer.init(w), Context(replicas=(1,))
    if way == "compiled":
        return Compiled(optimizer, {"w": w, "g": g}, state)
    update = {"array": type(optimizer).update, "blocks": by_array}[way]
    return lambda: update(optimizer, w, g, state, LR, ctx)


class Compiled:
    """The array form of an update, traced and compiled."""

    def __init__(self, optimizer: Any, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
        from framework import Context
        from framework.training.compiled.array import contiguous, new
        from framework.training.compiled.build import load, machine
        from framework.training.compiled.emit import Emitter
        from framework.training.compiled.graph import Scalar
        from framework.training.compiled.memory import allocated
        from framework.training.compiled.module import ArrayModule
        from framework.training.compiled.trainer import TEAM

        counts = [name for name, value in state.items() if not hasattr(value, "ndim")]
        arrays = {**arrays, **{name: value for name, value in state.items() if name not in counts}}
        traced: dict[str, Any] = {name: new("input", a.shape, a.dtype, name=name) for name, a in arrays.items()}
        slots = {name: traced.get(name) for name in state}
        slots |= {name: Scalar(f"counts[{i}]") for i, name in enumerate(counts)}
        optimizer.update(traced["w"], traced["g"], slots, LR, Context(ArrayModule(), (1,)))
        ends = {name: contiguous(a, copy=not a.read().is_whole) for name, a in traced.items() if name != "g"}
        emitter = Emitter({name: a.storage.value for name, a in ends.items()}, machine())
        parts = ", ".join(["double *counts", *(f"float *{name}" for name in arrays), "char *ws, struct team *team"])
        counted = " ".join(f"counts[{i}] = {slots[name].code};" for i, name in enumerate(counts))
        self.library = load(f"{emitter.head()}\nvoid run({parts}) {{ {emitter.code()} {counted} }}\n")
        self.held = [np.array([float(state[name]) for name in counts]), *arrays.values(), allocated(emitter.workspace.size)]
        self.team, self.pointers = allocated(TEAM), [ctypes.c_void_p(a.ctypes.data) for a in self.held]
        self.threads = int(os.environ.get("BENCH_THREADS", "2"))
        self.team_pointer: ctypes.c_void_p | None = None

    def __call__(self) -> None:
        """Make one update."""
        self.library.run(*self.pointers, self.team_pointer)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Further threads take parts of every update, as the trainer's do."""
        self.team[:] = 0
        self.team_pointer = ctypes.c_void_p(self.team.ctypes.data)
        helpers = [Thread(target=self.library.help, args=(self.team_pointer,)) for _ in range(self.threads - 1)]
        for helper in helpers:
            helper.start()
        try:
            yield
        finally:
            self.library.dismiss(self.team_pointer)
            self.team_pointer = None
            for helper in helpers:
                helper.join()


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

    worst = 0.0
    for name in ("adam", "momentum"):
        optimizer, (w, g) = learner(name), numbers(200_000)
        made, tensors = torch_optimizer(torch, name, w, g)
        for _ in range(20):
            made.step()
        wanted = np.concatenate([tensor.detach().numpy() for tensor in tensors])
        for way in ("array", "blocks", "compiled"):
            found = w.copy()
            update = updating(way, optimizer, found, g)
            for _ in range(20):
                update()
            worst = max(worst, float(np.abs(found[0] - wanted).max()))
    assert worst < 2e-6, f"weights differ from PyTorch's by {worst:.1e}"
    return f"weights equal PyTorch's to {worst:.0e} after 20 steps"
