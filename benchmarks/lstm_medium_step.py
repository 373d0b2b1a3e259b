"""One training step of an LSTM over 35 steps of 650 features, batch 20, 650 units, 10 classes; otherwise as rnn_step."""

from __future__ import annotations

from benchmarks import rnn_step

THREADS, REFERENCE, CONTESTANTS = rnn_step.THREADS, rnn_step.REFERENCE, rnn_step.contestants("medium")


def verify() -> str:
    """Our gradients against PyTorch's."""
    return rnn_step.verify("medium")
