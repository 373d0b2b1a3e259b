from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import squares


@dataclass(frozen=True)
class Sharpness:
    """sharpness = v . H v, H the Hessian of the loss of the batch and v its eigenvector with the largest |eigenvalue|, by
    power iteration: v <- H v / |H v|.

    H v is (g(w + r v) - g(w - r v)) / 2 r, with r = e^(1/3) (1 + |w|), e the precision of the numbers.

    Shapes: w, v, g, H v (..., P), g of the loss without penalties; sharpness (...). Gradient descent with the rate lr is
    unstable in a direction where it is above 2 / lr; in training with whole batches it rises to about that value
    (Cohen et al. 2021). With relu the loss has kinks, and differences see them. Each iteration costs two backward passes.
    The start is random, drawn from the seed and the step. Default: two digits, if the second eigenvalue is a fifth smaller.
    """

    iterations: int = option(10, least=1, help="products with the Hessian")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        xp, w = seen.ctx.xp, seen.look[..., : seen.arena.P]
        precision = 2.0**-52 if w.dtype.itemsize == 8 else 2.0**-23
        r = precision ** (1 / 3) * (1 + xp.sqrt(squares(w))[..., None])
        v = seen.ctx.but(name="sharpness").normal(w) + 0 * w
        for _ in range(self.iterations):
            v = v / xp.sqrt(squares(v))[..., None]
            up, down = (seen.gradient_at(w + sign * r * v)[1] for sign in (1, -1))
            product = (up - down) / (2 * r)
            found = (v[..., None, :] @ product[..., None])[..., 0, 0]
            v = product
        return {"sharpness": found}
