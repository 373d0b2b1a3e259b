"""Fan-in and fan-out: how many inputs a unit reads, and how many units read it."""

from __future__ import annotations

from typing import Literal

from framework import Shape

# What the printed quantity is. `std` is correct; `literal` uses it as the variance, as the lecture notes print it.
Reading = Literal["std", "literal"]
Mode = Literal["fan_in", "fan_out", "fan_avg"]
MODE = "the fan n: fan_in keeps the variance forward, fan_out backward, fan_avg is their mean"


def fans_of(shape: Shape, fans: tuple[int, int] | None) -> tuple[int, int]:
    """(in, out): given by the layer if they are not the tensor's last two axes (a convolution's kernel)."""
    return fans or (shape[-2], shape[-1])


def fan(shape: Shape, fans: tuple[int, int] | None, mode: Mode) -> float:
    """The fan that a mode names."""
    n_in, n_out = fans_of(shape, fans)
    return {"fan_in": n_in, "fan_out": n_out, "fan_avg": (n_in + n_out) / 2}[mode]


def deviation(quantity: float, reading: Reading) -> float:
    """The standard deviation for a printed quantity."""
    return quantity if reading == "std" else quantity**0.5
