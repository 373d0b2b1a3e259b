from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from framework import Array, TrainingStep, option

OWN = ("W", "b", "Wq", "Wo")  # the tensors that a step uses for itself; through the others it reads other steps


@dataclass(frozen=True)
class GradientByLag:
    """gradient_by_lag/<layer>[k] = |dE_T / dU at lag k|: the part of the gradient that goes from the loss of the last step T
    back to the use of the recurrent tensors in step T - k. Their sum over k is dE_T / dU: backpropagation through time,
    separated by lag. state_by_lag/<layer>[k] = |dE_T / ds_{T-k}|, and state_by_lag_direct/<layer>[k] the same along the
    cell's memory only, as if no output were fed back (in an LSTM the product of the forget gates).

    In self_attention step T reads all steps at once: gradient_by_lag is the part of dE_T / d(Wk, Wv) from the key and the
    value of step T - k, and there is no state. Wq and Wo are used in step T only, and left out, as W and b are.

    Shapes: each (..., T), norms over tensors, or over N and the state, of the batch's loss. Where the output has no time
    axis, its single loss replaces E_T. If it has one, sequences padded on the right have no loss at T and do
    not count. Layers that read later steps are left out. A network whose gradient vanishes at lag k cannot learn from
    inputs k steps back (Bengio, Simard & Frasconi 1994).
    """

    sequences: ClassVar[bool] = True
    nodes: tuple[str, ...] | None = option(None, help="recurrent and self_attention layers; null: all")
    states: bool = option(True, help="whether to measure the gradients of the states too")

    def __call__(self, seen: TrainingStep) -> dict[str, Array]:
        names = self.nodes or [n for n, node in seen.network.nodes.items() if _walks(node.layer)]
        dvalues = _of_the_last_step(seen) if names else {}
        found: dict[str, Array] = {}
        for name in names:
            layer = seen.network.nodes[name].layer
            if not _walks(layer):
                raise ValueError(f"probe gradient_by_lag: layer '{name}' has no gradient by lag, or reads later steps")
            given = (seen.p[seen.network.nodes[name].share or name], seen.caches[name], dvalues[name], seen.ctx.at(name))
            terms = [a for tensor, a in layer.terms(*given).items() if tensor not in OWN]
            found[f"gradient_by_lag/{name}"] = _norms(terms, seen)
            if self.states and hasattr(layer, "flow"):
                found[f"state_by_lag/{name}"] = _norms([layer.flow(*given)], seen)
                found[f"state_by_lag_direct/{name}"] = _norms([layer.flow(*given, direct=True)], seen)
        return found


def _walks(layer: Any) -> bool:
    return hasattr(layer, "terms") and not layer.reverse


def _of_the_last_step(seen: TrainingStep) -> Any:
    """The gradients of all values, for the loss of the last step only."""
    last = next(node for node in reversed(list(seen.network.nodes)) if node in seen.dvalues)
    dy, lead = seen.dvalues[last], len(seen.ctx.replicas)
    if dy.ndim == lead + 3:  # (..., T, N, K)
        alone = seen.ctx.xp.zeros_like(dy)
        alone[..., -1, :, :] = dy[..., -1, :, :]
        dy = alone
    aside = {node: {t: seen.ctx.xp.empty_like(a) for t, a in tensors.items()} for node, tensors in seen.g.items()}
    return seen.network.backward(seen.p, seen.caches, {last: dy}, aside, seen.ctx)


def _norms(terms: list[Array], seen: TrainingStep) -> Array:
    """Norms by lag (..., T) of arrays (..., T, i, o) by time."""
    squares: Any = sum((a * a).sum((-2, -1)) for a in terms)
    return seen.ctx.xp.sqrt(squares)[..., ::-1]
