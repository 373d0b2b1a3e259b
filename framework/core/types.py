"""Types shared by all components."""

from __future__ import annotations

from typing import Any

from framework.core.arrays import Array

Params = dict[str, Array]


Shape = tuple[Any, ...]
