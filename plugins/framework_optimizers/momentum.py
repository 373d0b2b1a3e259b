from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from framework import Array, Context, option


@dataclass(frozen=True)
class Momentum:
    """M <- alpha M - lr g;  w <- w + M  (Polyak 1964, in the form of the lecture notes).

    Shapes: w, g, M (..., P); M starts at 0. The learning rate is inside M: after a change of lr, old steps keep the rate
    with which they were made. `form: torch` is M <- alpha M - g;  w <- w + lr M, where the whole sum gets the current rate.
    At a constant lr both are the same, and equal to PyTorch's SGD with momentum. For its nesterov=True see nag. Default
    alpha: the usual one.
    """

    elementwise: ClassVar[bool] = True

    lr: float | Array = option(0.01, above=0, stackable=True, help="learning rate")
    alpha: float | Array = option(0.9, least=0, below=1, stackable=True, help="fraction of the last step that is kept")
    form: Literal["notes", "torch"] = option("notes", help="whether lr is inside M or outside")

    def init(self, w: Array) -> dict[str, Any]:
        return {"M": w * 0}

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        M = state["M"]
        M *= ctx.per(self.alpha, w)
        if self.form == "notes":
            M -= lr * g
            w += M
        else:
            M -= g
            w += lr * M
