from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from framework import Callback, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Log(Callback):
    """Prints a line for every validation that beats a value: the member, the step and the loss."""

    below: float = option(1e9, help="only losses below it")

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        if values.get("val/loss", self.below) < self.below:
            print(f"network {member}, step {step}: val/loss {values['val/loss']:.6g}")


@hookimpl
def register_callbacks(register: Register) -> None:
    register("template_log", Log)
