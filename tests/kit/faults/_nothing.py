"""What the faults of layers share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Nothing:
    """A layer without parameters."""

    def init(self, rng, in_shape):
        return {}, in_shape
