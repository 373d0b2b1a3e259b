"""Central differences of a training step's loss, with all perturbed networks in one stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from framework import TrainingStep, to_host

MEMORY = 1 << 26  # bytes of outputs of one stack


@dataclass(frozen=True)
class Entries:
    """Some parameters of a network.

    Attributes:
        seen: the step whose loss is differentiated.
        places: (E,) their indices in the arena.
        gradient: (E,) their gradients from backpropagation.
    """

    seen: TrainingStep
    places: np.ndarray
    gradient: np.ndarray

    def take(self, keep: np.ndarray) -> Entries:
        """A selection of the entries."""
        return replace(self, places=self.places[keep], gradient=self.gradient[keep])


def central(experiment: Any, entries: Entries, h: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """(J(w + h) - J(w - h)) / 2h (E,), the slopes to the left and to the right, and the effect of one unit in the last place
    of J on the first. h is multiplied by |w| if that is above 1."""
    seen, places = entries.seen, entries.places
    w = np.asarray(to_host(seen.look))[0].astype(np.float64)
    step = h * np.maximum(1.0, np.abs(w[places]))
    stack = np.repeat(w[None], 2 * len(places) + 1, 0)
    each = np.arange(len(places))
    stack[each, places] += step
    stack[len(places) + each, places] -= step
    wide = max(1, MEMORY // max(1, sum(np.asarray(a).nbytes for a in seen.values.values()) + w.nbytes))
    J = np.concatenate([sum(experiment.losses(seen, stack[i : i + wide])) for i in range(0, len(stack), wide)])
    up, down, here = J[: len(places)], J[len(places) : -1], J[-1]
    plus, minus = stack[each, places] - w[places], w[places] - stack[len(places) + each, places]  # h after rounding
    noise = np.finfo(float).eps * np.abs(J).max() / step
    return (up - down) / (plus + minus), ((here - down) / minus, (up - here) / plus), noise
