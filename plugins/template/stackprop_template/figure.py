from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import RunView, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Curve:
    """A metric against the training step; nothing for a run that does not have it."""

    metric: str = option("val/loss", help="name of the metric")

    def __call__(self, run: RunView) -> Any:
        if self.metric not in run.series:
            return None
        from matplotlib.figure import Figure  # here, as its import takes a while in every command

        fig = Figure()
        ax = fig.subplots()
        ax.plot(*run.series[self.metric].T)
        ax.set(xlabel="training step", ylabel=self.metric)
        return fig


@hookimpl
def register_figures(register: Register) -> None:
    register("template_curve", Curve)
