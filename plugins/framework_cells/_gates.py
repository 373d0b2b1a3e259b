"""Gates concatenated in one array: sigmoids first, then tanh, all through one tanh."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import Array, Initializer


def squashed(z: Array, sigmoids: int, xp: Any) -> Array:
    """In place: sigmoid z = (1 + tanh z/2) / 2 in the first `sigmoids` columns, tanh z in the others."""
    gates = z[..., :sigmoids]
    gates *= 0.5
    xp.tanh(z, out=z)
    gates *= 0.5
    gates += 0.5
    return z


def slopes(y: Array, sigmoids: int) -> Array:
    """The derivatives: y (1 - y) in the first `sigmoids` columns, 1 - y^2 in the others."""
    slope = y - y * y
    g = y[..., sigmoids:]
    slope[..., sigmoids:] = 1 - g * g
    return slope


def packed(draw: Initializer, rng: np.random.Generator, units: int, gates: int) -> np.ndarray:
    """(units, gates units): each gate's square matrix drawn separately, with its own fans, then concatenated."""
    return np.concatenate([draw(rng, (units, units)) for _ in range(gates)], -1)
