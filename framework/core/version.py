"""The version, and the name of the distribution."""

from __future__ import annotations

import re

__version__ = "0.1.0"


GROUP = "stackprop"


def normalized(name: str | None) -> str:
    """A distribution's name, normalized as installers do for comparison."""
    return re.sub(r"[-_.]+", "-", name or "").lower()
