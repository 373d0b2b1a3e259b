"""One training step of a convolutional network on 8 x 8 digits: batch 64, two threads, float32.

conv 3x3x16 - relu - max pool - dense 10, softmax cross-entropy, Adam; otherwise as cnn_step.
"""

from __future__ import annotations

from benchmarks import cnn_step
from benchmarks.mlp_step import Run

SIZE, FILTERS = 8, (16,)
THREADS, FEWEST, REFERENCE = cnn_step.THREADS, 500, cnn_step.REFERENCE
CONTESTANTS = {label: where.replace("cnn_step", "digits_cnn_step") for label, where in cnn_step.CONTESTANTS.items()}


def stackprop(tier: str = "compiled") -> Run:
    """The public trainer."""
    return cnn_step.stackprop(tier, SIZE, FILTERS)


def torch_default() -> Run:
    """torch.optim.Adam with defaults."""
    return cnn_step.torch_step(False, False, SIZE, FILTERS)


def torch_fused() -> Run:
    """torch.optim.Adam(fused=True)."""
    return cnn_step.torch_step(True, False, SIZE, FILTERS)


def torch_channels_last() -> Run:
    """The fastest variant of PyTorch."""
    return cnn_step.torch_step(True, True, SIZE, FILTERS)


def jax_jit() -> Run:
    """JAX."""
    return cnn_step.jax_step(SIZE, FILTERS)


def verify() -> str:
    """Our gradients against PyTorch's."""
    return cnn_step.verify(SIZE, FILTERS)
