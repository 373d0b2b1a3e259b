"""One training step of an MLP 784-512-256-10, batch 128, two threads each; otherwise as mlp_step."""

from __future__ import annotations

from benchmarks import mlp_step

THREADS, FEWEST, REFERENCE, CONTESTANTS = 2, 50, mlp_step.REFERENCE, mlp_step.contestants("large")


def verify() -> str:
    """Our gradients against PyTorch's."""
    return mlp_step.verify("large")
