from __future__ import annotations

from dataclasses import dataclass

from framework import Array, TrainingStep, option
from framework_probes._axes import squares


@dataclass(frozen=True)
class GradientNoise:
    """gradient_noise/variance = tr S, the variance of the gradient of one example, summed over parameters;
    gradient_noise/signal = |G|^2 of the true gradient G; gradient_noise/scale = tr S / |G|^2 (McCandlish et al. 2018).

    The batch is cut into k = `parts` parts of b examples with gradients g_i, mean g. Without bias,
    tr S = b / (k - 1) sum_i |g_i - g|^2  and  |G|^2 = |g|^2 - tr S / (k b).

    Shapes: g_i (..., P), of the loss at the weights of the step, without penalties; values (...). The scale is about the
    batch size above which larger batches pay less and less. The estimates of one step vary much, and that of |G|^2 may be
    negative: average variance and signal over steps before dividing. NaN where the batch has fewer examples than parts.
    Examples that do not fill the parts are left out. For losses with the mean over examples, in random order. It costs
    one more backward pass over the batch. Default parts: the least.
    """

    parts: int = option(2, least=2, help="equal parts of the batch")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        xp, b, k = seen.ctx.xp, seen.examples // self.parts, self.parts
        if b == 0:
            none = squares(seen.w) * xp.nan
            return {f"gradient_noise/{name}": none for name in ("variance", "signal", "scale")}
        at = seen.look[..., : seen.arena.P]
        gradients = [seen.gradient_at(at, slice(i * b, (i + 1) * b))[1] for i in range(k)]
        mean = sum(gradients[1:], gradients[0]) / k
        variance = sum(squares(g - mean) for g in gradients) * (b / (k - 1))
        signal = squares(mean) - variance / (k * b)
        found = {"variance": variance, "signal": signal, "scale": variance / signal}
        return {f"gradient_noise/{name}": value for name, value in found.items()}
