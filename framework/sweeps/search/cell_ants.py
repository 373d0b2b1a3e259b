"""Ants that walk through a recurrent cell: a search over its connections (ElSaid et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.core.options import option
from framework.core.random import generator
from framework.sweeps.search.space import Trial


@dataclass(frozen=True)
class CellOptions:
    """Options of `CellAnts`."""

    cells: int = option(8, least=1, help="cells of an iteration, a trial each")
    ants: int = option(12, least=1, help="ants per cell: more ants keep more connections")
    k: int = option(8, least=1, help="number of best cells that attract later ants")
    evaporation: float = option(0.2, above=0, most=1, help="rho, the fraction of pheromone that is replaced in an iteration")
    least: float = option(0.02, above=0, most=1, help="minimum pheromone of a connection; the maximum is 1")


class CellAnts:
    """An ant starts outside, enters by input j with probability tau_j / sum tau, continues to unit u by tau_ju, and from
    unit to unit by tau_uv; in each unit it leaves by the output with probability 1/2. A connection leads into all gates of
    its unit. The connections of a cell are the union of the paths of its ants; all others are pruned.

    All pheromone starts at 1. After each iteration, for every connection and every entry,

        tau <- (1 - rho) tau + rho (fraction of the k best cells so far that have it),

    and no less than `least`: it increases on connections of good cells, and evaporates elsewhere. The idea is that of
    ElSaid, El Jamiy, Higgins, Wild & Desell (arXiv 1710.03753), who reward a cell that enters the best, and punish others;
    here each of the best counts as long as it is among them.

    Args:
        key: of the option that holds the connections.
        inputs, units: sizes of the cell.
        seed: of all draws; the ants of iteration n depend on it, on n and on the pheromone only.

    Attributes:
        entry: (inputs,) pheromone of the entries.
        tau: (inputs + units, units) pheromone of the connections, from inputs and from units.
    """

    def __init__(self, key: str, inputs: int, units: int, options: CellOptions, seed: int = 0) -> None:
        self.key, self.options, self.seed, self.iteration = key, options, seed, 0
        self.entry, self.tau = np.ones(inputs), np.ones((inputs + units, units))
        self.best: list[tuple[float, int, np.ndarray]] = []  # loss, age, cell
        self.count = 0
        self.asked: list[np.ndarray] = []

    def ask(self, count: int) -> list[Trial]:
        """The next cells of an iteration."""
        self.asked = [self.walked(generator(self.seed, "cell_ants", self.iteration, cell)) for cell in range(count)]
        return [{self.key: as_rows(cell)} for cell in self.asked]

    def walked(self, rng: np.random.Generator) -> np.ndarray:
        """(inputs + units, units) of a cell: true where an ant has walked."""
        inputs = len(self.entry)
        found = np.zeros(self.tau.shape, bool)
        for _ in range(self.options.ants):
            at = rng.choice(inputs, p=self.entry / self.entry.sum())
            leaves = False
            while not leaves:
                unit = rng.choice(self.tau.shape[1], p=self.tau[at] / self.tau[at].sum())
                found[at, unit] = True
                at, leaves = inputs + unit, rng.random() < 0.5
        return found

    def tell(self, losses: Sequence[float]) -> None:
        """Add pheromone to the connections of good cells. A loss that is not finite adds none."""
        inputs, rho, least = len(self.entry), self.options.evaporation, self.options.least
        for cell, loss in zip(self.asked, losses, strict=True):
            if np.isfinite(loss):
                self.best.append((float(loss), self.count, cell))
            self.count += 1
        self.best = sorted(self.best, key=lambda found: found[:2])[: self.options.k]
        if self.best:
            cells = np.stack([cell for _, _, cell in self.best])
            self.tau = np.maximum((1 - rho) * self.tau + rho * cells.mean(0), least)
            self.entry = np.maximum((1 - rho) * self.entry + rho * cells[:, :inputs].any(2).mean(0), least)
        self.iteration += 1

    def report(self) -> str:
        """The best cell, and the inputs with the most pheromone."""
        if not self.best:
            return "no trial of a cell has finished"
        cell, inputs = self.best[0][2], len(self.entry)
        kept = ", ".join(str(j) for j in range(inputs) if cell[j].any())
        ranked = ", ".join(f"{j}: {self.entry[j]:.2f}" for j in np.argsort(-self.entry, kind="stable")[:10])
        summary = f"it keeps {cell.sum()} of {cell.size} connections, from inputs {kept} of {inputs}"
        return f"{summary}\npheromone of the inputs: {ranked}{' ...' if inputs > 10 else ''}"


def as_rows(cell: np.ndarray) -> str:
    """`c1-08-...`: a word of hexadecimal digits for each source, a bit for each unit it leads to, the first unit first."""
    return "-".join(np.packbits(row).tobytes().hex() for row in cell)
