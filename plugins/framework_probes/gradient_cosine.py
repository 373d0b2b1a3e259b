from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from framework import Array, TrainingStep, option
from framework_probes._axes import squares


@dataclass(frozen=True)
class GradientCosine:
    """gradient_cosine/<layer> = g . g' / (|g| |g'|), the cosine between the gradients of a step and of the step before, and
    gradient_cosine/total of all parameters.

    Shapes: g, g' (..., K) all parameters of a layer (its W and its b), as the optimizer gets them: of loss plus penalty;
    cosine (...). Near 1 the steps go on in one direction, and a larger learning rate or momentum pays; near -1 the loss
    jumps from wall to wall of a valley; around 0 the noise of the batches is larger than the slope. NaN at the first step,
    and where g or g' is 0.
    """

    previous: ClassVar[bool] = True
    nodes: tuple[str, ...] | None = option(None, help="layers; null: all with trained tensors")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        for node in self.nodes or ():
            if node not in seen.arena.trained:
                raise ValueError(f"probe gradient_cosine: layer '{node}' has no trained tensors")
        found = {"gradient_cosine/total": self._cosine(seen, 0, seen.arena.P)}
        for node in self.nodes or seen.arena.layers:
            slots = seen.arena.trained[node].values()
            place = min(slot.start for slot in slots), max(slot.stop for slot in slots)
            found[f"gradient_cosine/{node}"] = self._cosine(seen, *place)
        return found

    @staticmethod
    def _cosine(seen: TrainingStep, start: int, stop: int) -> Array:
        g = seen.gradient[..., start:stop]  # type: ignore[index]
        if seen.previous is None:
            return squares(g) * seen.ctx.xp.nan
        other = seen.previous.gradient[..., start:stop]
        dot = (g[..., None, :] @ other[..., None])[..., 0, 0]
        return dot / (seen.ctx.xp.sqrt(squares(g)) * seen.ctx.xp.sqrt(squares(other)))
