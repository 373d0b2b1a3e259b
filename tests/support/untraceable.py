"""A component that cannot be traced."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Curious:
    """An activation that looks at a number."""

    def forward(self, x, ctx):
        return (x if x.sum() > 0 else -x), x

    def backward(self, cache, dy, ctx):
        return dy
