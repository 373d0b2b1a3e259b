from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framework import RunView, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Lowest:
    """The lowest value of a metric in the folders of runs: stackprop template_lowest runs/*/ metric=val/loss"""

    metric: str = option("val/loss", help="name of the metric")

    def __call__(self, arguments: Sequence[str]) -> int:
        for folder in arguments:
            series = RunView(Path(folder)).series
            if self.metric in series:
                print(f"{folder}  {series[self.metric][:, 1].min():.6g}")
        return 0


@hookimpl
def register_commands(register: Register) -> None:
    register("template_lowest", Lowest)
