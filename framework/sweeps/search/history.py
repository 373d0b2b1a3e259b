"""The completed trials of a search, in `archive.json` in the folder of its sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from framework.core.errors import ConfigError
from framework.core.reading import read_mapping
from framework.core.writing import write_json
from framework.sweeps.search.space import Trial

FILE = "archive.json"


@dataclass(frozen=True)
class CompletedTrial:
    """A trial and its result.

    Attributes:
        jobs: their numbers, one for each seed; empty for an invalid configuration.
        status: as in their `run.json`.
        failed: whether that is a failure, and not a result.
        value: of the searched metric, the mean over seeds; None: no value, scored as the worst.
        reported: epoch and value of each validation, for a search with pruned trials.
    """

    overrides: Trial
    jobs: list[int]
    status: str
    failed: bool
    value: float | None
    reported: list[tuple[int, float]] = field(default_factory=list)

    @property
    def is_pruned(self) -> bool:
        """Whether the trial was ended early, since others were better."""
        return "pruned" in self.status

    def loss(self, sign: int) -> float:
        """The value that a search minimizes."""
        return math.inf if self.value is None else sign * self.value


def read(sweep: Path) -> list[list[CompletedTrial]]:
    """The completed iterations.

    Raises:
        ConfigError: the file is not valid.
    """
    path = sweep / FILE
    content = read_mapping(path) if path.exists() else {"iterations": []}
    try:
        return [[CompletedTrial(**trial) for trial in iteration] for iteration in content["iterations"]]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"sweep.resume: {path} cannot be read; start a new sweep") from error


def write(sweep: Path, iterations: Sequence[Sequence[CompletedTrial]]) -> None:
    """Replace the file atomically: killed at any time, it holds complete iterations."""
    write_json(sweep / FILE, {"iterations": [[asdict(trial) for trial in iteration] for iteration in iterations]})
