"""Truncated backpropagation through time: sequences in chunks of a few steps, one update each, and stateful sequences. The
state is carried to the next chunk, the gradient is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from framework.data.dataset import Data


def chunks(data: Data, size: int | None, accumulate: int = 1) -> list[slice | None]:
    """The steps of each chunk of a batch's sequences; one None if they stay whole.

    Raises:
        ValueError: the data have no sequences, or sequences of different lengths.
    """
    if size is None:
        return [None]
    check_time_axis("trainer.bptt.chunk", data)
    lengths = {name: data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise ValueError(f"trainer.bptt.chunk: chunks need sequences of equal length (got {shown})")
    if accumulate > 1:
        raise ValueError("trainer.bptt.chunk: cannot be combined with trainer.accumulate, since every chunk is an update")
    n = next(iter(lengths.values()))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def check_time_axis(key: str, data: Data) -> None:
    """Check that the data have a time axis.

    Raises:
        ValueError: they have no sequences.
    """
    if not any(f.time_major for f in data.fields.values()):
        raise ValueError(f"{key}: the data set has no sequences")


def chunk_warnings(data: Data, size: int | None) -> list[str]:
    """A warning about a chunk length that has no effect."""
    lengths = [data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major]
    if size is None or not lengths or size < max(lengths):
        return []
    return [f"trainer.bptt.chunk: no effect (got {size}); the sequences have {max(lengths)} steps"]


def check_truncation(targets: Collection[str], nodes: Mapping[str, Any], data: Data) -> None:
    """Check that sequences may be cut into chunks.

    Raises:
        ValueError: a target belongs to a whole sequence, so that only the last chunk has one; or a layer needs more than
            the previous chunk.
    """
    for name in targets:
        if not data.fields[name].time_major:
            raise ValueError(
                f"trainer.bptt.chunk: the target '{name}' belongs to the whole sequence, but every chunk needs a target; "
                "trainer.bptt.lag truncates the gradient without cutting the sequence"
            )
    _check_layers("trainer.bptt.chunk", nodes)


def _check_layers(key: str, nodes: Mapping[str, Any]) -> None:
    """Check that every layer can continue a sequence.

    Raises:
        ValueError: a layer needs later steps, or gets its initial state from another node.
    """
    for name, node in nodes.items():
        if getattr(node.layer, "reverse", False):
            raise ValueError(f"{key}: the layer '{name}' reads sequences in reverse, but later chunks are not known yet")
        if getattr(node.layer, "whole_sequences", False):
            raise ValueError(f"{key}: the layer '{name}' reads whole sequences, and carries no state from chunk to chunk")
        if hasattr(node.layer, "carry") and len(node.sources) > 1:
            raise ValueError(f"{key}: the layer '{name}' gets its initial state from '{node.sources[1]}', not from a chunk")


def check_carry(nodes: Mapping[str, Any], data: Data, size: int, accumulate: int = 1) -> None:
    """Check that states can be carried from batch to batch.

    Args:
        size: examples in a batch.

    Raises:
        ValueError: the sequences are stateful, but no state can be carried.
    """
    n = len(next(iter(data.splits["train"].values())))
    _check_layers("dataset.stateful", nodes)
    if not any(hasattr(node.layer, "carry") for node in nodes.values()):
        raise ValueError("dataset.stateful: the network has no layer with a state to carry")
    if accumulate > 1:
        raise ValueError(
            "dataset.stateful: cannot be combined with trainer.accumulate, since every batch continues the previous one"
        )
    if 0 < n <= size:
        raise ValueError(
            f"dataset.stateful: {n} windows in a batch of {size} leave no state to carry; trainer.batch_size is the "
            "number of streams, each of several windows"
        )
