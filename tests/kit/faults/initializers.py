"""Initializers with one fault each."""

import numpy as np

from framework import option
from framework_initializers.he_normal import HeNormal
from tests.kit.faults import Faults

FAULTS = fault = Faults("initializer")
RNG = np.random.default_rng(0)
DRAWN: dict = {}


@fault("fans")
class IgnoresFans(HeNormal):
    """A convolution's fans are ignored."""

    def __call__(self, rng, shape, fans=None):
        return np.sqrt(2 / shape[0]) * rng.standard_normal(shape)


@fault("fans")
class SwapsTheFallback(HeNormal):
    """Without fans it reads (out, in)."""

    def __call__(self, rng, shape, fans=None):
        n_in, _ = fans or (shape[-1], shape[-2])
        return np.sqrt(2 / n_in) * rng.standard_normal(shape)


@fault("fans")
class FansOnlyOfWideTensors(HeNormal):
    """The given fans are used only where the tensor is wider than tall."""

    def __call__(self, rng, shape, fans=None):
        n_in = fans[0] if fans and shape[1] > shape[0] else shape[0]
        return np.sqrt(2 / n_in) * rng.standard_normal(shape)


@fault("fans")
class ProductOfFansAndShape(HeNormal):
    """The given fan counts twice."""

    def __call__(self, rng, shape, fans=None):
        n_in = fans[0] * shape[0] if fans else shape[0]
        return np.sqrt(2 / n_in) * rng.standard_normal(shape)


@fault("seeded")
class GlobalGenerator(HeNormal):
    """NumPy's global generator."""

    def __call__(self, rng, shape, fans=None):
        return np.random.standard_normal(shape)


@fault("seeded")
class OwnGenerator(HeNormal):
    """A new generator for every tensor, always the same."""

    def __call__(self, rng, shape, fans=None):
        return np.random.default_rng(0).standard_normal(shape)


@fault("seeded")
class ModuleGenerator(HeNormal):
    """A generator of the module: the values depend on what was drawn before."""

    def __call__(self, rng, shape, fans=None):
        return RNG.standard_normal(shape)


@fault("draws")
class Cached(HeNormal):
    """Tensors of one shape are drawn once."""

    def __call__(self, rng, shape, fans=None):
        return DRAWN.setdefault(shape, rng.standard_normal(shape))


@fault("draws")
class Transposed(HeNormal):
    """(o, i) in place of (i, o)."""

    def __call__(self, rng, shape, fans=None):
        return rng.standard_normal(shape[::-1])


@fault("draws")
class TallOnly(HeNormal):
    """Wide tensors get the shape of the tall ones."""

    def __call__(self, rng, shape, fans=None):
        Q, _ = np.linalg.qr(rng.standard_normal(shape))
        return Q


@fault("draws")
class OneRow(HeNormal):
    """NaN for a single row."""

    def __call__(self, rng, shape, fans=None):
        W = rng.standard_normal(shape)
        return W / np.log(np.float64(shape[0]))


@fault("draws")
class OneColumn(HeNormal):
    """NaN for a single column: its deviation is 0."""

    def __call__(self, rng, shape, fans=None):
        W = rng.standard_normal(shape)
        return (W - W.mean(-1, keepdims=True)) / W.std(-1, keepdims=True)


@fault("draws")
class Single(HeNormal):
    """float32: the same values rounded."""

    def __call__(self, rng, shape, fans=None):
        return rng.standard_normal(shape, np.float32)


@fault("draws")
class Integers(HeNormal):
    """Integers: float W would be cut off."""

    def __call__(self, rng, shape, fans=None):
        return np.ones(shape, int)


@fault("draws")
class Square(HeNormal):
    """Only square tensors."""

    def __call__(self, rng, shape, fans=None):
        return np.eye(shape[0])


@fault("distribution")
class OneUnit(HeNormal):
    """All units of a layer start alike and stay so."""

    def __call__(self, rng, shape, fans=None):
        return np.repeat(rng.standard_normal((shape[0], 1)), shape[1], 1)


@fault("distribution")
class OneInput(HeNormal):
    """All inputs have the same weights."""

    def __call__(self, rng, shape, fans=None):
        return np.repeat(rng.standard_normal((1, shape[1])), shape[0], 0)


@fault("distribution")
class Positive(HeNormal):
    """U(0, 1) for a draw that says it is symmetric."""

    def __call__(self, rng, shape, fans=None):
        return np.full(shape, rng.standard_normal())


@fault("draws")
class SharedMemory(HeNormal):
    """A constant tensor that all layers share."""

    gain: float = option(1.0)

    def __call__(self, rng, shape, fans=None):
        return DRAWN.setdefault((shape, "zeros"), np.zeros(shape))


@fault("seeded")
class RememberedFan(HeNormal):
    """The fans of the first tensor are kept."""

    def __call__(self, rng, shape, fans=None):
        if not hasattr(self, "_fan"):
            object.__setattr__(self, "_fan", (fans or shape)[0])
        return rng.standard_normal(shape) / self._fan


@fault("distribution")
class LastUnitLeftOut(HeNormal):
    """The last unit is never drawn."""

    def __call__(self, rng, shape, fans=None):
        W = np.zeros(shape)
        W[:, :-1] = rng.standard_normal((shape[0], shape[1] - 1))
        return W


@fault("fans")
class LargestIsIn(HeNormal):
    """Without fans the larger axis is the fan-in."""

    def __call__(self, rng, shape, fans=None):
        return rng.standard_normal(shape) / np.sqrt(fans[0] if fans else max(shape))
