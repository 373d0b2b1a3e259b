"""Initial values of a layer's b."""

from __future__ import annotations

import numpy as np

from framework import Initializer

HELP = "initial values of b; it is given the fans of W"


def drawn_bias(
    has_bias: bool, initializer: Initializer, rng: np.random.Generator, units: int, fans: tuple[int, int]
) -> dict[str, np.ndarray]:
    """b (1, units), drawn with the fans of W; nothing without a bias.

    Raises:
        ValueError: there is no b, but an initializer that would give it other values than 0.
    """
    b = initializer(rng, (1, units), fans)
    if has_bias:
        return {"b": b}
    if b.any():
        raise ValueError("bias_initializer: there is no b (bias: false); remove this key, or set bias: true")
    return {}
