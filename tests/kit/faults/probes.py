"""Probes with one fault each."""

import numpy as np

from framework import option
from tests.kit.faults import Faults

FAULTS = fault = Faults("probe")
SEEN: list = []


def sizes(seen):
    xp = seen.ctx.xp
    return {f"size/{n}": xp.sqrt((seen.w * seen.w).sum(-1)) for n in list(seen.arena.layers)[:1]}


@fault("pure")
class ChangesTheStep:
    """The weights after the step are moved."""

    def __call__(self, seen):
        seen.after[...] *= 0.5
        return sizes(seen)


@fault("pure")
class ChangesTheGradient:
    """g is normalised in place."""

    def __call__(self, seen):
        for tensors in seen.g.values():
            for a in tensors.values():
                a *= 0.5
        return sizes(seen)


@fault("pure")
class ChangesCaches:
    """A cached array is written to."""

    def __call__(self, seen):
        for cache in seen.caches.values():
            for a in cache if isinstance(cache, tuple) else (cache,):
                if isinstance(a, np.ndarray) and a.dtype.kind == "f":
                    a[...] = 0
        return sizes(seen)


@fault("pure")
class ChangesTheBatch:
    """A field of the batch is overwritten."""

    def __call__(self, seen):
        seen.ctx.batch["x"][...] = 0
        return sizes(seen)


@fault("pure")
class AddsAValue:
    """The table of values gets another entry."""

    def __call__(self, seen):
        seen.values["mean"] = seen.w.mean(-1)
        return sizes(seen)


@fault("pure")
class RemembersTheStep:
    """The last step is kept on the object."""

    def __call__(self, seen):
        last = getattr(self, "_last", seen.w)
        object.__setattr__(self, "_last", seen.w.copy())
        return {"size/moved": abs(seen.w - last).sum(-1)}


@fault("pure")
class RemembersOnTheModule:
    """A list of the module grows: the second training sees the first."""

    def __call__(self, seen):
        SEEN.append(seen.w.shape)
        return {k: v * len(SEEN) for k, v in sizes(seen).items()}


@fault("shapes")
class ReservedName:
    """val/... belongs to the training."""

    def __call__(self, seen):
        return {"val/size": seen.w.sum(-1)}


@fault("names")
class NameByStep:
    """Every step has a series of its own."""

    def __call__(self, seen):
        return {f"size/{seen.ctx.step}": seen.w.sum(-1)}


@fault("shapes")
class NoText:
    """A tuple as a name."""

    def __call__(self, seen):
        return {("size", 1): seen.w.sum(-1)}


@fault("names")
class ShapeInTheName:
    """The size of the batch is in the name."""

    def __call__(self, seen):
        return {f"size/{seen.ctx.batch['x'].shape[len(seen.ctx.replicas)]}": seen.w.sum(-1)}


@fault("networks")
class NameOfANode:
    """It needs a node called act."""

    def __call__(self, seen):
        y = seen.values["act"]
        return {"size/act": (y * y).sum((-2, -1))}


@fault("networks")
class FeaturesOnly:
    """It sums over two axes; images and sequences have more."""

    def __call__(self, seen):
        return {f"size/{n}": (seen.values[n] ** 2).sum((-2, -1)) for n in seen.network.nodes}


@fault("networks")
class NeedsAnActivation:
    """A linear network has none."""

    def __call__(self, seen):
        first = next(iter(seen.network.activations))
        return {"size/first": seen.values[first].reshape(*seen.w.shape[:-1], -1).sum(-1)}


@fault("networks")
class NeedsABias:
    """A layer without a bias fails."""

    def __call__(self, seen):
        return {f"size/{n}": abs(t["b"]).sum((-2, -1)) for n, t in seen.g.items()}


@fault("stack_law")
class OverAllReplicas:
    """One number for all."""

    def __call__(self, seen):
        return {"size/all": seen.w[..., 0] * 0 + (seen.w * seen.w).sum()}


@fault("neighbours")
class NeighboursNan:
    """A replica of NaN spoils the others."""

    def __call__(self, seen):
        return {"size/all": seen.w.sum(-1) + 0 * seen.w.sum()}


@fault("dtype")
class DoubleValues:
    """float64 from float32."""

    def __call__(self, seen):
        return {"size/w": seen.w.astype(np.float64).sum(-1)}


@fault("device")
class OnTheHost:
    """np.linalg.norm."""

    def __call__(self, seen):
        return {"size/w": np.linalg.norm(np.asarray(seen.w), axis=-1)}


@fault("device")
class Branches:
    """`if` reads a number from the device."""

    def __call__(self, seen):
        return sizes(seen) if seen.w.sum() > -1e9 else {}


@fault("shapes")
class KeepsAxes:
    """A value per weight and example."""

    def __call__(self, seen):
        return {"size/w": seen.w[..., None] * seen.w[..., None, :]}


@fault("shapes")
class NumberForAll:
    """One Python number."""

    def __call__(self, seen):
        return {"size/steps": 1.0}


@fault("shapes")
class NotAMapping:
    """A list of pairs."""

    def __call__(self, seen):
        return list(sizes(seen).items())


@fault("pure")
class Samples:
    """A random weight."""

    def __call__(self, seen):
        return {"size/one": seen.w[..., np.random.randint(seen.w.shape[-1])] * 1}


@fault("nodes")
class IgnoresNodes:
    """It has an option `nodes` and measures all."""

    nodes: tuple[str, ...] | None = option(None)

    def __call__(self, seen):
        lead = len(seen.ctx.replicas)
        return {f"size/{n}": a.reshape(*a.shape[:lead], -1).sum(-1) for n, a in seen.dvalues.items()}


@fault("pure")
class RunsTheNetwork:
    """A second backward pass writes into the gradients of the step."""

    def __call__(self, seen):
        last = list(seen.dvalues)[-1]
        seen.network.backward(seen.p, seen.caches, {last: seen.dvalues[last] * 2}, seen.g, seen.ctx)
        return sizes(seen)


@fault("names")
class DividesByTheStep:
    """Infinite in the first step, whose number is 0."""

    def __call__(self, seen):
        return {"size/w": seen.w.sum(-1) / np.float64(seen.ctx.step).astype(seen.w.dtype)}
