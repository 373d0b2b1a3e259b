"""`Findings`, the result of a study.

A study is a component: a frozen dataclass whose call takes the experiment (settings and loaded data, see
`framework.experiments.experiment.Experiment`) and returns `Findings`. It trains through `experiment.train`, where its
networks are one stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from framework.core.callback import TrainingResult


@dataclass(frozen=True)
class Findings:
    """The result of a study.

    Attributes:
        summary: Markdown, printed at the end and saved as `study.md`.
        series: metric -> (K, 2) of training step and value.
        columns, rows: values of consecutive training steps from 1 on, (steps, len(columns)): loss and gradient norms, as a
            single training records them.
        figures: name -> matplotlib figure, kept as `figures/<name>.png`.
        files: name -> text, kept in the run's folder.
        arrays: name -> array, kept in `study.npz`.
        failure: the reason, if the result of the study is negative; the run then fails.
        outcomes: the trainings, networks included; they are not recorded.
    """

    summary: str
    series: Mapping[str, np.ndarray] = field(default_factory=dict)
    columns: Sequence[str] = ()
    rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    figures: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    failure: str = ""
    outcomes: Sequence[TrainingResult] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of every series."""
        last = (
            {name: float(value) for name, value in zip(self.columns, self.rows[-1], strict=True)} if len(self.rows) else {}
        )
        return last | {name: float(a[-1, 1]) for name, a in self.series.items() if len(a)}
