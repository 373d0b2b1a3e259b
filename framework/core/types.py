"""Types shared by all components."""

from __future__ import annotations

from typing import Any, NamedTuple

from framework.core.arrays import Array

Params = dict[str, Array]


Shape = tuple[Any, ...]


class Tensor(NamedTuple):
    """A trained tensor: its node and name, its columns `start:stop` of w (..., P), and its shape, two core axes."""

    node: str
    name: str
    start: int
    stop: int
    shape: tuple[int, ...]
