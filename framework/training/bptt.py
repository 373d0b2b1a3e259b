"""Sequences in chunks of a few steps, one update each, and batches that go on from each other: truncated backpropagation
through time. The state is carried, the gradient is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from framework.data.dataset import Data


def chunks(data: Data, size: int | None, accumulate: int = 1) -> list[slice | None]:
    """The steps of each chunk of a batch's sequences; one None where they stay whole.

    Raises:
        ValueError: the data have no sequences, or several that are not in step.
    """
    if size is None:
        return [None]
    check_time_axis("trainer.bptt.chunk", data)
    lengths = {name: data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise ValueError(f"trainer.bptt.chunk: chunks need sequences of one length, which walk in step ({told})")
    if accumulate > 1:
        raise ValueError("trainer.bptt.chunk: every chunk is an update; it cannot be put together with trainer.accumulate")
    n = next(iter(lengths.values()))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def check_time_axis(key: str, data: Data) -> None:
    """
    Raises:
        ValueError: there is no time to cut.
    """
    if not any(f.time_major for f in data.fields.values()):
        raise ValueError(f"{key}: the data set has no sequences")


def chunk_warnings(data: Data, size: int | None) -> list[str]:
    """What is to be said of a chunk that cuts nothing."""
    lengths = [data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major]
    if size is None or not lengths or size < max(lengths):
        return []
    return [f"trainer.bptt.chunk: {size} cuts nothing; the sequences have {max(lengths)} steps"]


def check_truncation(targets: Collection[str], nodes: Mapping[str, Any], data: Data) -> None:
    """
    Raises:
        ValueError: a target belongs to a whole sequence, and no chunk but the last could be judged by it; or a layer needs
            more than the chunk before it.
    """
    for name in targets:
        if not data.fields[name].time_major:
            raise ValueError(
                f"trainer.bptt.chunk: the target '{name}' belongs to the whole sequence, and every chunk needs one; "
                "trainer.bptt.lag shortens the way back without cutting the sequence"
            )
    _check_layers("trainer.bptt.chunk", nodes)


def _check_layers(key: str, nodes: Mapping[str, Any]) -> None:
    """
    Raises:
        ValueError: a layer cannot begin where the sequence was left.
    """
    for name, node in nodes.items():
        if getattr(node.layer, "reverse", False):
            raise ValueError(f"{key}: the layer '{name}' reads from the end, which is still to come")
        if hasattr(node.layer, "carry") and len(node.sources) > 1:
            raise ValueError(f"{key}: the layer '{name}' is given its first state by '{node.sources[1]}'; none is carried")


def check_carry(nodes: Mapping[str, Any], data: Data, size: int, accumulate: int = 1) -> None:
    """
    Args:
        size: examples in a batch.

    Raises:
        ValueError: rows go on from each other, and no state can be carried from one batch to the next.
    """
    n = len(next(iter(data.splits["train"].values())))
    _check_layers("dataset.stateful", nodes)
    if not any(hasattr(node.layer, "carry") for node in nodes.values()):
        raise ValueError("dataset.stateful: no layer of the network has a state to carry from batch to batch")
    if accumulate > 1:
        raise ValueError(
            "dataset.stateful: every batch goes on from the one before; trainer.accumulate puts several together"
        )
    if 0 < n <= size:
        raise ValueError(
            f"dataset.stateful: {n} windows side by side in a batch of {size} leave nothing to carry; trainer.batch_size is "
            "the number of streams, each of several windows"
        )
