from __future__ import annotations

from dataclasses import dataclass

from framework import Array, option


@dataclass(frozen=True)
class Polynomial:
    """factor = final + (1 - final) (1 - step / total)^power.

    The learning rate is lr times the factor; step = 0, 1, ... of `total`, and after them it is `final`. Power 1 is a line;
    with a larger one the factor decreases faster at first. Equal to PyTorch's PolynomialLR, whose power is 1. Default power:
    that of Chen et al. (2018), for images.
    """

    power: float | Array = option(0.9, above=0, stackable=True, help="exponent")
    final: float | Array = option(0.0, least=0, stackable=True, help="the factor after the last step")

    def __call__(self, step: int, total: int) -> float | Array:
        return self.final + (1 - self.final) * max(0.0, 1 - step / total) ** self.power
