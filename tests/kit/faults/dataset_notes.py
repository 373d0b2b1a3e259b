"""Data sets with one fault each in what they say of themselves: the true function, and the encoding of files."""

import json
from dataclasses import dataclass, replace

import numpy as np

from framework import Field, option, split_at_random
from tests.kit.faults import Faults
from tests.kit.faults.datasets import CACHE, Points

FAULTS = fault = Faults("dataset")


@fault("truth")
class WrongSigma(Points):
    """sigma is a variance."""

    def points(self, rng, n=400):
        x = rng.standard_normal((n, 1))
        return {"x": x, "y": 2 * x + 0.1 * rng.standard_normal((n, 1))}

    def fields(self):
        return {"x": Field("NF"), "y": Field("NF")}

    def more(self):
        return {"f": lambda x: 2 * x, "sigma": 0.01}


@fault("truth")
class WrongFunction(WrongSigma):
    """f is not the function that made y."""

    def more(self):
        return {"f": lambda x: 2 * x + 1, "sigma": 0.1}


@fault("truth")
class FunctionOfAnotherShape(WrongSigma):
    """f loses the column axis: y - f(x) would be (n, n)."""

    def more(self):
        return {"f": lambda x: 2 * x[:, 0], "sigma": 0.1}


@dataclass(frozen=True)
class Reader:
    """Reads a file of numbers."""

    mean: float = 0.5

    def read(self, path, with_target):
        x = np.full((3, 2), self.mean)
        return {"x": x, "y": np.zeros(3, int)} if with_target else {"x": x}

    def to_json(self):
        return {"type": "points", "mean": self.mean}


class Encoded(Points):
    """Points with an encoding."""

    def encoding(self):
        return Reader()

    def more(self):
        return {"encoding": self.encoding()}

    @classmethod
    def encoding_from_json(cls, values):
        return Reader(values["mean"])


@fault("encoding")
class CannotBeRestored(Encoded):
    """No encoding_from_json."""

    encoding_from_json = None


@fault("encoding")
class ForgetsTheMean(Encoded):
    """The restored encoding has another mean."""

    @classmethod
    def encoding_from_json(cls, values):
        return Reader()

    def encoding(self):
        return Reader(2.0)


@fault("encoding")
class NotJson(Encoded):
    """An array among the plain values."""

    def encoding(self):
        @dataclass(frozen=True)
        class WithArray(Reader):
            def to_json(self):
                return super(WithArray, self).to_json() | {"mean": np.float32(0.5)}

        return WithArray()


@fault("encoding")
class WithoutType(Encoded):
    """The plain values lack the name of the data set."""

    def encoding(self):
        @dataclass(frozen=True)
        class Bare(Reader):
            def to_json(self):
                return {"mean": self.mean}

        return Bare()


@fault("encoding")
class KeysBecomeText(Encoded):
    """A dictionary with numbers as keys: JSON makes them text."""

    def encoding(self):
        @dataclass(frozen=True)
        class Keyed(Reader):
            def to_json(self):
                return super(Keyed, self).to_json() | {"names": {0: "a"}}

        return Keyed()


@fault("fresh")
class SharesItsArrays(Points):
    """Two loads share memory: a change of one is seen by the other."""

    def load(self, rng):
        data = super().load(rng)
        return replace(data, splits=CACHE.setdefault(("fixed", json.dumps([1])), data.splits))


@fault("seeded")
class CountsLoads(Points):
    """Every load has another row more."""

    n: int = option(40)

    def splits(self, rng):
        object.__setattr__(self, "_loads", getattr(self, "_loads", 0) + 1)
        return split_at_random(self.points(rng, self.n + self._loads), rng, 0.2, 0)
