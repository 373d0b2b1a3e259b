from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class InverseTime:
    """factor = 1 / (1 + decay step / total): from 1 to 1 / (1 + decay).

    The learning rate is lr times the factor; step = 0, 1, ... of `total`.
    """

    monotone: ClassVar[str] = "falling"
    decay: float = option(9.0, least=0, help="9 ends at a tenth of the learning rate")

    def __call__(self, step: int, total: int) -> float:
        return 1 / (1 + self.decay * step / total)


@hookimpl
def register_schedules(register: Register) -> None:
    register("template_inverse_time", InverseTime)
