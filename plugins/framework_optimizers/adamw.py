from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, Context, option
from framework_optimizers.adam import Adam


@dataclass(frozen=True)
class Adamw(Adam):
    """w <- w - lr decay w, and then Adam's step: the decay does not pass through the moments (Loshchilov & Hutter 2019).

    Shapes: as adam. It acts on all parameters, also biases. With l2 the penalty's gradient is divided by sqrt(v), so
    that weights with large gradients are decayed less. Default decay: PyTorch's.
    """

    elementwise: ClassVar[bool] = True

    decay: float | Array = option(0.01, least=0, stackable=True, help="fraction of w removed per step, times lr")

    def update(self, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
        w *= 1 - lr * ctx.per(self.decay, w)
        super().update(w, g, state, lr, ctx)
