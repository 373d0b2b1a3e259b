"""Ant colony optimisation of numbers and words: ACO_R (Socha & Dorigo, EJOR 185, 2008) and pheromone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.core.options import option
from framework.core.random import generator
from framework.sweeps.search.space import Choice, Number, Space, Trial


@dataclass(frozen=True)
class ColonyOptions:
    """Options of `AntColony`. Defaults: those of Socha & Dorigo."""

    ants: int = option(2, least=1, help="trials of an iteration")
    k: int = option(50, least=2, help="trials in the archive; this many are random at the start")
    q: float = option(1e-4, above=0, help="rank of guides in the archive: near 0 only the best, 0.1 allows lower ranks")
    xi: float = option(0.85, above=0, help="width of the search around a guide; smaller values converge sooner")
    evaporation: float = option(0.1, above=0, most=1, help="rho, the fraction of pheromone that is replaced in an iteration")
    least: float = option(0.1, above=0, most=1, help="minimum pheromone of a word, as a fraction of its initial value")


class AntColony:
    """Numbers: an archive of the k best trials so far, sorted by loss, s_1 the best. Each ant selects one as its guide,

        p_l = w_l / sum w,   w_l = exp(-(l - 1)^2 / (2 q^2 k^2)) / (q k sqrt(2 pi)),

    and draws each number from N(s_l, sigma_l^2), sigma_l = xi sum_e |s_e - s_l| / (k - 1): the further a guide is from the
    others, the wider the search. Numbers searched in ratios are drawn as logarithms; integers are rounded.

    Words: an ant selects word j with probability tau_j / sum tau. After each iteration

        tau_j <- (1 - rho) tau_j + rho sum of p_l over the trials of the archive with word j,

    from tau_j = 1 / J on, and never below `least` of that, so that no word is lost. Until the archive is full ants
    are drawn uniformly.

    Args:
        space: key -> its possible values.
        seed: of all draws; the ants of iteration n depend on it, on n and on the archive only.

    Attributes:
        tau: key -> pheromone of its words.
    """

    def __init__(self, space: Space, options: ColonyOptions, seed: int = 0) -> None:
        self.options, self.seed, self.iteration = options, seed, 0
        self.numbers = {key: part for key, part in space.items() if isinstance(part, Number)}
        self.choices = {key: part for key, part in space.items() if isinstance(part, Choice)}
        self.tau = {key: np.full(len(part.words), 1 / len(part.words)) for key, part in self.choices.items()}
        self.low, self.high = np.array([part.bounds for part in self.numbers.values()]).reshape(-1, 2).T
        self.s, self.chosen = np.empty((0, len(self.numbers))), np.empty((0, len(self.choices)), int)
        self.losses = np.empty(0)
        self.asked = self.s, self.chosen

    @property
    def is_full(self) -> bool:
        """Whether the archive is full and guides the ants."""
        return len(self.losses) == self.options.k

    def ask(self, count: int) -> list[Trial]:
        """The next ants of an iteration."""
        self.asked = self.draw(count)
        return [self._trial(s, chosen) for s, chosen in zip(*self.asked, strict=True)]

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (count, numbers), and indices of words (count, choices)."""
        rng, m = generator(self.seed, "ant_colony", self.iteration), count
        if self.is_full:
            guides = rng.choice(len(self.s), m, p=probabilities(len(self.s), self.options.q))
            s = rng.normal(self.s[guides], self._sigma(guides)).clip(self.low, self.high)
        else:
            s = rng.uniform(self.low, self.high, (m, len(self.low)))
        words = [rng.choice(len(tau), m, p=tau / tau.sum()) for tau in self.tau.values()]
        return s, np.array(words, int).reshape(-1, m).T

    def _sigma(self, guides: np.ndarray) -> np.ndarray:
        """(m, numbers): each guide's mean distance from the others of the archive, times xi."""
        distances = np.abs(self.s - self.s[guides][:, None]).sum(1)
        return np.asarray(self.options.xi * distances / (len(self.s) - 1))

    def tell(self, losses: Sequence[float]) -> None:
        """Keep the best k trials; a loss that is not finite is the worst. Of equal ones, the older stays."""
        values = np.nan_to_num(np.array(losses, float), nan=np.inf, posinf=np.inf)
        all_losses = np.concatenate([self.losses, values])
        best = np.argsort(all_losses, kind="stable")[: self.options.k]
        self.losses = all_losses[best]
        self.s = np.concatenate([self.s, self.asked[0]])[best]
        self.chosen = np.concatenate([self.chosen, self.asked[1]])[best]
        self.iteration += 1
        if self.is_full:
            self._evaporate()

    def _evaporate(self) -> None:
        rho, p = self.options.evaporation, probabilities(len(self.losses), self.options.q)
        p = np.where(np.isfinite(self.losses), p, 0)  # failed trials add no pheromone
        for i, (key, tau) in enumerate(self.tau.items()):
            praise = np.bincount(self.chosen[:, i], p, len(tau))
            self.tau[key] = np.maximum((1 - rho) * tau + rho * praise, self.options.least / len(tau))

    def _trial(self, s: np.ndarray, chosen: np.ndarray) -> Trial:
        numbers = {key: part.word(float(x)) for (key, part), x in zip(self.numbers.items(), s, strict=True)}
        return numbers | {key: part.words[j] for (key, part), j in zip(self.choices.items(), chosen, strict=True)}


def weights(k: int, q: float) -> np.ndarray:
    """w_l of ranks l = 1 ... k."""
    rank = np.arange(k)
    return np.asarray(np.exp(-(rank**2) / (2 * q**2 * k**2)) / (q * k * np.sqrt(2 * np.pi)))


def probabilities(k: int, q: float) -> np.ndarray:
    """p_l = w_l / sum w."""
    w = weights(k, q)
    return np.asarray(w / w.sum())
