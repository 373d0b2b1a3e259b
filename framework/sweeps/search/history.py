"""What a search has tried, and what came of it: `archive.json` in the folder of its sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from framework.core.errors import ConfigError
from framework.core.reading import read_mapping
from framework.core.writing import write_json
from framework.sweeps.search.space import Trial

FILE = "archive.json"


@dataclass(frozen=True)
class CompletedTrial:
    """A trial and its end.

    Attributes:
        jobs: their numbers, one for each seed; none where it cannot run.
        status: as their `run.json` say.
        failed: whether that is a failure, and not a result.
        value: of what is searched for, the mean over seeds; None: there is none, and it counts as the worst.
    """

    overrides: Trial
    jobs: list[int]
    status: str
    failed: bool
    value: float | None

    def loss(self, sign: int) -> float:
        """What a search makes small."""
        return math.inf if self.value is None else sign * self.value


def read(sweep: Path) -> list[list[CompletedTrial]]:
    """The iterations that have ended.

    Raises:
        ConfigError: the file is not what a search writes.
    """
    path = sweep / FILE
    told = read_mapping(path) if path.exists() else {"iterations": []}
    try:
        return [[CompletedTrial(**trial) for trial in iteration] for iteration in told["iterations"]]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"sweep.resume: {path} cannot be read; sweep anew") from error


def write(sweep: Path, iterations: Sequence[Sequence[CompletedTrial]]) -> None:
    """Replace it in one step: killed at any moment, it holds whole iterations."""
    write_json(sweep / FILE, {"iterations": [[asdict(trial) for trial in iteration] for iteration in iterations]})
