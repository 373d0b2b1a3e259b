"""Augmentations with one fault each."""

from typing import ClassVar

import numpy as np

from framework import option
from tests.kit.faults import Faults

FAULTS = fault = Faults("augmentation")


def jitter(x, rng):
    return x + 0.1 * rng.standard_normal(x.shape).astype(x.dtype)


@fault("pure")
class InPlace:
    """x changes."""

    def __call__(self, x, rng):
        x += 0.1 * rng.standard_normal(x.shape).astype(x.dtype)
        return x


@fault("pure")
class InPlaceForImages:
    """Only images change in place."""

    def __call__(self, x, rng):
        if x.ndim == 4:
            x[..., 0, 0] = 0
            return x
        return jitter(x, rng)


@fault("shape")
class Double:
    """float32 becomes float64."""

    def __call__(self, x, rng):
        return x + 0.1 * rng.standard_normal(x.shape)


@fault("shape")
class DoubleForImages:
    """Images become float64."""

    def __call__(self, x, rng):
        return jitter(x, rng) if x.ndim < 4 else x * rng.uniform(0.9, 1.1, (x.shape[0], 1, 1, 1))


@fault("shape")
class Rotates:
    """Images that are not square change their shape."""

    axes: ClassVar = ("NCHW",)

    def __call__(self, x, rng):
        return np.where(rng.random() < 2, np.rot90(x, 1, (2, 3)), 0)


@fault("shape")
class ColourOnly:
    """Grey images become three channels."""

    axes: ClassVar = ("NCHW",)

    def __call__(self, x, rng):
        return x * rng.uniform(0.9, 1.1, (x.shape[0], 3, 1, 1)).astype(x.dtype)


@fault("shape")
class GreyOnly:
    """Colours are lost."""

    axes: ClassVar = ("NCHW",)

    def __call__(self, x, rng):
        return x[:, :1] * rng.uniform(0.9, 1.1, (x.shape[0], 1, 1, 1)).astype(x.dtype)


@fault("seeded")
class Global:
    """NumPy's global generator."""

    def __call__(self, x, rng):
        return x + np.random.standard_normal(x.shape).astype(x.dtype)


@fault("seeded")
class Fixed:
    """A generator of its own: the same noise at every step."""

    def __call__(self, x, rng):
        return jitter(x, np.random.default_rng(0))


@fault("seeded")
class CountsCalls:
    """The strength grows with every call."""

    def __call__(self, x, rng):
        object.__setattr__(self, "_n", getattr(self, "_n", 0) + 1)
        return x * x.dtype.type(1 + 0.1 * self._n)


@fault("independent")
class Shuffles:
    """Examples change places; their labels do not."""

    def __call__(self, x, rng):
        return x[rng.permutation(x.shape[0])]


@fault("independent")
class SwapsTwo:
    """Only sequences: examples are the second axis and are rolled."""

    axes: ClassVar = ("NTF",)

    def __call__(self, x, rng):
        return np.roll(x, int(rng.integers(1, 3)), 1)


@fault("independent")
class Mixes:
    """Each example is mixed with its neighbour, labels are not."""

    def __call__(self, x, rng):
        return (0.9 * x + 0.1 * np.roll(x, 1, 0)).astype(x.dtype)


@fault("independent")
class MixesImages:
    """Images are mixed with their neighbours."""

    axes: ClassVar = ("NCHW",)

    def __call__(self, x, rng):
        return (0.9 * x + 0.1 * x[::-1]).astype(x.dtype)


@fault("independent")
class MixesSequences:
    """Sequences are mixed, on their second axis."""

    axes: ClassVar = ("NTF",)

    def __call__(self, x, rng):
        return (0.9 * x + 0.1 * x[:, ::-1]).astype(x.dtype)


@fault("independent")
class ScalesByTheBatch:
    """The batch's deviation enters."""

    def __call__(self, x, rng):
        return x + x.std(dtype=x.dtype) * rng.standard_normal(x.shape).astype(x.dtype)


@fault("independent")
class CentresTheBatch:
    """The batch's mean is subtracted."""

    def __call__(self, x, rng):
        return x - x.mean(0, keepdims=True, dtype=x.dtype)


@fault("shape")
class NeedsTwo:
    """A batch of one example fails."""

    def __call__(self, x, rng):
        if x.shape[0] < 2:
            raise AssertionError("two examples")
        return jitter(x, rng)


@fault("shape")
class NanForOne:
    """One example: its deviation is NaN."""

    axes: ClassVar = ("NF",)

    def __call__(self, x, rng):
        noise = rng.standard_normal(x.shape).astype(x.dtype)
        return x + noise * noise.std(0, ddof=1)


@fault("numbers")
class NanForConstant:
    """0 / 0 for an example of equal values."""

    def __call__(self, x, rng):
        axes = tuple(range(1, x.ndim)) if x.ndim > 1 else ()
        return x / x.std(axes, keepdims=True)


@fault("numbers")
class NanForZeros:
    """An example of zeros is divided by its largest value."""

    def __call__(self, x, rng):
        axes = tuple(range(1, x.ndim)) if x.ndim > 1 else ()
        return x / np.abs(x).max(axes, keepdims=True) if axes else x


@fault("strides")
class ReadsMemoryOrder:
    """Values in the order of memory."""

    def __call__(self, x, rng):
        return x.ravel("K").reshape(x.shape) * x.dtype.type(rng.uniform(0.9, 1.1))


@fault("shape")
class UnknownAxes:
    """Axes that no field has."""

    axes: ClassVar = ("NHWC",)

    def __call__(self, x, rng):
        return jitter(x, rng)


@fault("shape")
class AxesAreText:
    """A string in place of a tuple: N, C, H and W are not axes."""

    axes: ClassVar = "NCHW"

    def __call__(self, x, rng):
        return jitter(x, rng)


@fault("shape")
class FailsOnSequences:
    """It declares sequences and reads images."""

    axes: ClassVar = ("NCHW", "NTF")

    def __call__(self, x, rng):
        return x[:, :, ::-1, :] if x.ndim == 4 else x[..., :-1]


@fault("shape")
class List:
    """A list of examples."""

    def __call__(self, x, rng):
        return list(jitter(x, rng))


@fault("choices")
class FailsWithoutStrength:
    """Strength 0, the least that is allowed, divides by zero."""

    strength: float = option(0.1, least=0)

    def __call__(self, x, rng):
        return x + (jitter(x, rng) - x) * x.dtype.type(1 / self.strength) * x.dtype.type(self.strength)


@fault("choices")
class FailsAtOne:
    """Probability 1, the most that is allowed, drops everything and divides by what is left."""

    probability: float = option(0.1, least=0, most=1)

    def __call__(self, x, rng):
        keep = 1 - self.probability
        return (x * (rng.random(x.shape) < keep) / keep).astype(x.dtype)


@fault("pure")
class InPlaceForOne:
    """A batch of one example changes in place."""

    def __call__(self, x, rng):
        if min(x.shape[:2]) > 1:
            return jitter(x, rng)
        x *= 0.5
        return x
