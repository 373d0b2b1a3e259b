"""Fan-in and fan-out: how many inputs a unit reads, and how many units read it."""

from __future__ import annotations

from typing import Literal

from framework import Shape

# What the printed quantity is. `std` is correct; `literal` uses it as the variance, as the lecture notes print it.
Reading = Literal["std", "literal"]


def fans_of(shape: Shape, fans: tuple[int, int] | None) -> tuple[int, int]:
    """(in, out): given by the layer if they are not the tensor's last two axes (a convolution's kernel)."""
    return fans or (shape[-2], shape[-1])


def deviation(quantity: float, reading: Reading) -> float:
    """The standard deviation for a printed quantity."""
    return quantity if reading == "std" else quantity**0.5
