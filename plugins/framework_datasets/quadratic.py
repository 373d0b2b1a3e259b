from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Quadratic:
    """L(w) = 1/2 sum_i c_i w_i^2 as a data set: a bowl to visualize optimizers, with curvatures c_i from 1 down to
    1 / condition in equal ratios.

    Fields: x (n, n), row i with sqrt(n c_i) at index i and 0 elsewhere, y (n, 1) zeros; training only. The half squared
    error of a linear model without bias is then L(w), with the gradient (c_i w_i), for full batches:
    `model=linear model.layers.out.bias=false loss=half_squared_error trainer.batch_size=all`. `initializer=constant
    initializer.value=1` starts at w = (1, ..., 1).
    """

    n: int = option(1, least=1, help="weights")
    condition: float = option(1.0, least=1, help="largest curvature over the smallest; needs at least two weights")

    def load(self, rng: np.random.Generator) -> Data:
        curvatures = np.geomspace(1, 1 / self.condition, self.n)
        points = {"x": np.diag(np.sqrt(self.n * curvatures)), "y": np.zeros((self.n, 1))}
        return Data({"train": points}, {"x": Field("NF"), "y": Field("NF")})
