"""One training step of an LSTM over 50 steps of 64 features, batch 32, 128 units, 64 classes; otherwise as rnn_step."""

from __future__ import annotations

from benchmarks import rnn_step

THREADS, REFERENCE, CONTESTANTS = rnn_step.THREADS, rnn_step.REFERENCE, rnn_step.contestants("lstm")


def verify() -> str:
    """Our gradients against PyTorch's."""
    return rnn_step.verify("lstm")
