"""Mixing two examples of a batch, in every field that has numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from framework import Field


def mixed(a: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """share a + (1 - share) other, for (N, ...) and shares (N,)."""
    share = share.reshape(-1, *(1,) * (a.ndim - 1)).astype(a.dtype)
    return share * a + (1 - share) * other


def mixed_labels(
    batch: Mapping[str, np.ndarray],
    fields: Mapping[str, Field],
    order: np.ndarray,
    share: np.ndarray,
    leave: tuple[str, ...] = (),
) -> dict[str, np.ndarray]:
    """Every field but those of `leave`, mixed with itself in another order of the examples.

    Args:
        order: the partner of each example (N,).
        share: the share of an example in its mixture (N,).

    Raises:
        ValueError: a field holds ids, or has a time axis.
    """
    dtype, found = next(iter(batch.values())).dtype, {}
    for name, a in batch.items():
        about = fields[name]
        if about.kind == "id" or about.time_major:
            what = "ids" if about.kind == "id" else "sequences"
            raise ValueError(f"it mixes numbers and labels of examples, but the field '{name}' holds {what}")
        if name not in leave:
            a = as_probabilities(a, about, dtype)
            found[name] = mixed(a, a[order], share)
    return found


def as_probabilities(t: np.ndarray, about: Field, dtype: np.dtype) -> np.ndarray:
    """Classes (N,) as probabilities of classes (N, K), 1 for the class; everything else as it is, in real numbers."""
    if about.kind == "label" and t.ndim == 1:
        return (t[:, None] == np.arange(about.size)).astype(dtype)
    return t.astype(dtype, copy=False)


def shares(alpha: float, rng: np.random.Generator, n: int, each: bool) -> np.ndarray:
    """The shares of n examples, from Beta(alpha, alpha): one for each, or one for all; 1 where alpha is 0."""
    if alpha == 0:
        return np.ones(n)
    return rng.beta(alpha, alpha, n) if each else np.full(n, rng.beta(alpha, alpha))
