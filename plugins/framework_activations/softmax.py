from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Softmax:
    """y_i = e^z_i / sum_j e^z_j over the last axis, z = x - max(x);  dz = y (dy - sum_j y_j dy_j).

    Shapes: x, y, dy, dx (..., any core axes, K). Subtracting a constant changes nothing, and keeps e^z finite. The lecture
    notes normalise in other ways against overflow, which are options. `none` overflows from about 88 on in float32.
    `standard`, z = (x - mean) / std, and `minmax`, z = (x - min) / (max - min), change the probabilities, and divide by 0
    if all x are equal. The losses that take raw outputs need no softmax before them.
    """

    per_example: ClassVar[bool] = True
    outputs: ClassVar[str] = "probability"
    place: ClassVar[str] = "output"
    normalize: Literal["max", "none", "standard", "minmax"] = option("max", help="normalization of x before the exponential")

    @property
    def expected_failures(self) -> dict[str, str]:
        """Checks of the conformance kit that cannot hold."""
        if self.normalize == "none":
            return dict.fromkeys(("numbers", "precision"), "it overflows")
        return {"numbers": "it divides by 0 if all x are equal"} if self.normalize in ("standard", "minmax") else {}

    def forward(self, x: Array, ctx: Context) -> tuple[Array, Any]:
        z = self._normalized(x, ctx)
        e = ctx.xp.exp(z)
        y = e / e.sum(-1, keepdims=True)
        return y, (y, z, x)

    def backward(self, cache: Any, dy: Array, ctx: Context) -> Array:
        y, z, x = cache
        dz = y * (dy - (y * dy).sum(-1, keepdims=True))
        if self.normalize == "standard":
            dz = dz - dz.mean(-1, keepdims=True) - z * (dz * z).mean(-1, keepdims=True)
            return dz / x.std(-1, keepdims=True)
        if self.normalize == "minmax":
            least, most = x.min(-1, keepdims=True), x.max(-1, keepdims=True)
            at_least, at_most = (dz * (z - 1)).sum(-1, keepdims=True), (dz * z).sum(-1, keepdims=True)
            low, high = ((x == end).astype(dz.dtype) for end in (least, most))
            at_least, at_most = (
                at_least / low.sum(-1, keepdims=True),
                at_most / high.sum(-1, keepdims=True),
            )  # equal x share it
            return (dz + low * at_least - high * at_most) / (most - least)
        return dz  # a shift of all x does not change y

    def _normalized(self, x: Array, ctx: Context) -> Array:
        if self.normalize == "max":
            return x - x.max(-1, keepdims=True)
        if self.normalize == "standard":
            return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
        if self.normalize == "minmax":
            least = x.min(-1, keepdims=True)
            return (x - least) / (x.max(-1, keepdims=True) - least)
        return x

    @staticmethod
    def examples() -> list[tuple[Softmax, None]]:
        return [(Softmax("max"), None), (Softmax("none"), None), (Softmax("standard"), None), (Softmax("minmax"), None)]
