"""Wrong cells."""

from typing import Any, ClassVar

import numpy as np

from framework import T, option
from framework_cells.gru import Gru
from framework_cells.indrnn import IndRnn
from framework_cells.lstm import Lstm
from framework_cells.simple import Simple
from tests.kit.faults import Faults

FAULTS = fault = Faults("cell")


@fault("time", units=3)
class MeanGrads(Simple):
    """dU is a mean over N."""

    def grads(self, p, cache, da, ctx):
        g = super().grads(p, cache, da, ctx)
        return {"U": g["U"] / da.shape[-2]}


@fault("gradient", units=3)
class NoRecurrence(Simple):
    """The gradient does not pass through U."""

    def back(self, p, cache, ds, ctx):
        da, d = super().back(p, cache, ds, ctx)
        return da, d * 0


@fault("gradient", units=3)
class NoTranspose(Simple):
    """U instead of U^T."""

    def back(self, p, cache, ds, ctx):
        da, _ = super().back(p, cache, ds, ctx)
        return da, da @ p["U"]


@fault("outputs", units=3)
class OutOfC(Lstm):
    """The output is c, dout that of h."""

    def out(self, s):
        return s[..., self.units :]


@fault("gradient", units=3)
class ForgottenC(Lstm):
    """dc of the next step is lost."""

    def back(self, p, cache, ds, ctx):
        n = self.units
        ds = ctx.xp.concatenate((ds[..., :n], ds[..., n:] * 0), -1)
        return super().back(p, cache, ds, ctx)


@fault("pure", units=3)
class WritesState(Simple):
    """The state is overwritten."""

    def step(self, p, a, s, ctx):
        h, c = super().step(p, a, s, ctx)
        c = (s.copy(), *c[1:])
        s[...] = h
        return h, c


@fault("pure", units=3)
class WritesA(Simple):
    """a += s U in place."""

    def step(self, p, a, s, ctx):
        a += s @ p["U"]
        h = ctx.xp.tanh(a)
        return h, (s, h)

    def back(self, p, cache, ds, ctx):
        da = ds * (1 - cache[1] * cache[1])
        return da, da @ T(p["U"])


@fault("pure", units=3)
class WritesDs(Gru):
    """ds is overwritten."""

    def back(self, p, cache, ds, ctx):
        out = super().back(p, cache, ds, ctx)
        ds[...] = 0
        return out


@fault("sizes", units=3)
class WideTrace(Lstm):
    """A trace without N."""

    def trace(self, cache):
        return {"i": cache[2][..., 0, : self.units]}


@fault("device", units=3)
class HostTrace(Lstm):
    """A trace on the host."""

    def trace(self, cache):
        i = cache[2][..., : self.units]
        return {"i": i + np.zeros(i.shape)}


@fault("sizes", units=3)
class WrongParts(Lstm):
    """Four parts of a state of two."""

    parts: ClassVar = ("h", "c", "n", "m")


@fault("chance", units=3)
class UndeclaredDraws(Simple):
    """Noise without draws."""

    def step(self, p, a, s, ctx):
        return super().step(p, a + 0.1 * (ctx.uniform(a) if ctx.train else 0), s, ctx)


@fault("chance", units=3)
class SameDrawEveryStep(Simple):
    """The step of training does not matter."""

    draws: ClassVar[bool] = True

    def step(self, p, a, s, ctx):
        return super().step(p, a + 0.1 * (ctx.but(step=0).uniform(a) if ctx.train else 0), s, ctx)


@fault("init", units=3)
class ShortB(Lstm):
    """b of one gate only."""

    def init(self, rng):
        p = super().init(rng)
        return p | {"b": p["b"][:, : self.units]}


@fault("stack_law", units=3)
class SquaredLone(Simple):
    """replicas (1,): U is transposed."""

    def step(self, p, a, s, ctx):
        return super().step({"U": T(p["U"])} if ctx.replicas == (1,) else p, a, s, ctx)


@fault("memory", units=3)
class StaleU(Simple):
    """U is remembered by id."""

    kept: ClassVar[dict] = {}

    def back(self, p, cache, ds, ctx):
        U = self.kept.setdefault(id(p["U"]), (p["U"], p["U"].copy()))[1]
        return super().back({"U": U}, cache, ds, ctx)


@fault("state", units=3)
class LastGates(Simple):
    """back reads the last step."""

    last: ClassVar[dict] = {}

    def step(self, p, a, s, ctx):
        h, c = super().step(p, a, s, ctx)
        self.last["s"] = c
        return h, c

    def back(self, p, cache, ds, ctx):
        return super().back(p, self.last["s"], ds, ctx)


@fault("numbers", units=3)
class Overflow(Simple):
    """h = a / (1 + a^2) with a^4: NaN for large a."""

    def step(self, p, a, s, ctx):
        z = a + s @ p["U"]
        e = ctx.xp.exp(2 * z)
        h = (e - 1) / (e + 1)
        return h, (s, h)

    def back(self, p, cache, ds, ctx):
        da = ds * (1 - cache[1] * cache[1])
        return da, da @ T(p["U"])


@fault("init", units=3)
class GlobalInit(Simple):
    """U of the global state."""

    def init(self, rng):
        return {"U": np.random.standard_normal((self.units, self.units))}


@fault("project", units=3)
class JointProject(Simple):
    """project over all replicas."""

    def project(self, p, ctx):
        p["U"] /= ctx.xp.sqrt((p["U"] ** 2).sum()) + 1


@fault("project", units=3)
class ReplacedProject(IndRnn):
    """project replaces the tensor."""

    def project(self, p, ctx):
        for k in list(p):
            p[k] = p[k] * 0.5


@fault("dtype", units=3)
class Upcast(Gru):
    """The state is float64."""

    def step(self, p, a, s, ctx):
        h, c = super().step(p, a, s, ctx)
        return h * np.float64(1), c


@fault("dtype", units=3)
class UpcastGrads(Gru):
    """dU is float64."""

    def grads(self, p, cache, da, ctx):
        return {"U": super().grads(p, cache, da, ctx)["U"].astype(np.float64)}


@fault("time", units=3)
class SumsTime(Simple):
    """dU over T as well."""

    def grads(self, p, cache, da, ctx):
        g = super().grads(p, cache, da, ctx)["U"]
        return {"U": g.sum(-3, keepdims=True) + 0 * g if g.ndim > len(ctx.replicas) + 2 else g}


@fault("padding", units=3)
class DoutLosesTime(Lstm):
    """dout with T is that of the last step."""

    def dout(self, dy, ctx):
        d = super().dout(dy, ctx)
        return d * 0 if dy.ndim == len(ctx.replicas) + 3 and dy.shape[-3] == 1 else d


POOL: dict[Any, np.ndarray] = {}


@fault("memory", units=3)
class PooledState(Simple):
    """The state in a buffer of the class."""

    def step(self, p, a, s, ctx):
        h, c = super().step(p, a, s, ctx)
        POOL.setdefault((h.shape, h.dtype), h.copy())[...] = h
        return POOL[h.shape, h.dtype], c


@fault("memory", units=3)
class PooledDa(Simple):
    """da in a buffer of the class."""

    def back(self, p, cache, ds, ctx):
        da, d = super().back(p, cache, ds, ctx)
        POOL.setdefault(("da", da.shape, da.dtype), da.copy())[...] = da
        return POOL["da", da.shape, da.dtype], d


@fault("options", units=3)
class FirstLeak(Simple):
    """A stackable option of the last replica."""

    leak: float = option(0.5, stackable=True)

    def _l(self):
        return self.leak if isinstance(self.leak, float) else float(np.ravel(self.leak)[-1])

    def step(self, p, a, s, ctx):
        h, c = super().step(p, a, s, ctx)
        return self._l() * s + h, c

    def back(self, p, cache, ds, ctx):
        da, d = super().back(p, cache, ds, ctx)
        return da, d + self._l() * ds


@fault("batches", units=3)
class OneStepOnly(Simple):
    """The first step of a sequence is skipped if s is 0."""

    def grads(self, p, cache, da, ctx):
        g = super().grads(p, cache, da, ctx)
        return {"U": g["U"] * (0 if da.shape[-2] == 1 else 1)}
