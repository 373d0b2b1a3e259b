"""One training step of a GRU over 50 steps of 64 features, batch 32, 128 units, 64 classes; otherwise as rnn_step.
PyTorch's GRU applies r after the product with U, and so does ours here; the notes' variant is measured separately.
"""

from __future__ import annotations

from benchmarks import rnn_step

THREADS, REFERENCE, CONTESTANTS = rnn_step.THREADS, rnn_step.REFERENCE, rnn_step.contestants("gru")


def verify() -> str:
    """Our gradients against PyTorch's."""
    return rnn_step.verify("gru")
