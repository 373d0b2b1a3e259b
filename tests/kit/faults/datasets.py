"""Data sets with one fault each."""

import numpy as np

from framework import Data, Field
from tests.kit.faults import Faults

FAULTS = fault = Faults("dataset")
CACHE: dict = {}


class Points:
    """y = 1 if x_0 > 0; 40 points in the plane."""

    def points(self, rng, n=40):
        x = rng.standard_normal((n, 2))
        return {"x": x, "y": (x[:, 0] > 0).astype(int)}

    def splits(self, rng):
        return {"train": self.points(rng), "val": self.points(rng, 10)}

    def fields(self):
        return {"x": Field("NF"), "y": Field("N", "label", 2)}

    def load(self, rng):
        return Data(self.splits(rng), self.fields(), **self.more())

    def more(self):
        return {}


class Sequences(Points):
    """Ids and their labels, under a mask."""

    def points(self, rng, n=40):
        x = rng.integers(0, 5, (n, 12))
        return {"x": x, "y": x % 3, "mask": (np.arange(12) < rng.integers(1, 13, (n, 1))).astype(float)}

    def fields(self):
        return {"x": Field("NT", "id", 5), "y": Field("NT", "label", 3), "mask": Field("NT", "mask")}


@fault("overlap")
class ValidatesOnTraining(Points):
    """val is the beginning of train."""

    def splits(self, rng):
        a = self.points(rng)
        return {"train": a, "val": {k: v[:10] for k, v in a.items()}}


@fault("overlap")
class SplitsOverlap(Points):
    """Two splits share a few rows: off by some."""

    def splits(self, rng):
        a = self.points(rng, 60)
        return {"train": {k: v[:45] for k, v in a.items()}, "val": {k: v[40:] for k, v in a.items()}}


@fault("overlap")
class DrawsWithReplacement(Points):
    """Every split is drawn from all rows."""

    def splits(self, rng):
        a = self.points(rng, 60)
        rows = {"train": rng.integers(0, 60, 40), "test": rng.integers(0, 60, 20)}
        return {k: {f: v[i] for f, v in a.items()} for k, i in rows.items()}


@fault("overlap")
class SameIds(Sequences):
    """The test is a copy of the validation."""

    def splits(self, rng):
        val = self.points(rng, 20)
        return {"train": self.points(rng), "val": val, "test": {k: v.copy() for k, v in val.items()}}


@fault("seeded")
class GlobalNoise(Points):
    """NumPy's global generator."""

    def points(self, rng, n=40):
        return super().points(np.random, n) | {"x": np.random.standard_normal((n, 2))}


@fault("seeded")
class SeedOfItsOwn(Points):
    """dataset.seed has no effect."""

    def points(self, rng, n=40):
        return super().points(np.random.default_rng(n), n)


@fault("seeded")
class OrderOfASet(Points):
    """Every load continues a generator of the module."""

    def points(self, rng, n=40):
        return super().points(CACHE.setdefault("rng", np.random.default_rng(3)), n)


@fault("fresh")
class KeepsTheFirst(Points):
    """The first seed's data are kept for all seeds."""

    def load(self, rng):
        return CACHE.setdefault("data", super().load(rng))


@fault("names")
class TooFewNames(Points):
    """One name for two classes."""

    def more(self):
        return {"names": ["only"]}


@fault("names")
class TooManyNames(Points):
    """Three names for two classes."""

    def more(self):
        return {"names": ["a", "b", "c"]}


@fault("names")
class NumbersAsNames(Points):
    """Names that are not text."""

    def more(self):
        return {"names": [0, 1]}


@fault("names")
class SameName(Points):
    """Two classes of one name."""

    def more(self):
        return {"names": ["a", "a"]}


@fault("names")
class ForecastOfNothing(Points):
    """forecast names a field that does not exist."""

    def more(self):
        return {"forecast": ("inputs",)}


@fault("names")
class ScaledWithNothing(Points):
    """scaled_with names a field that does not exist."""

    def more(self):
        return {"scaled_with": {"y": "z"}}


@fault("data")
class IdsBeyondSize(Sequences):
    """The id of the unknown word is not counted in the size."""

    def fields(self):
        return super().fields() | {"x": Field("NT", "id", 4)}


@fault("data")
class LabelsFromOne(Points):
    """Classes 1 and 2 of 2."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"y": a["y"] + 1}


@fault("data")
class NegativeLabel(Points):
    """-1 for unknown."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"y": np.where(np.arange(n) == 7, -1, a["y"])}


@fault("data")
class BadLabelOnlyInTest(Points):
    """The test split has a class that training lacks."""

    def splits(self, rng):
        test = self.points(rng, 9)
        return {"train": self.points(rng), "test": test | {"y": test["y"] + 1}}


@fault("data")
class LabelsAreFloats(Points):
    """0.0 and 1.0."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"y": a["y"].astype(float)}


@fault("data")
class MissingValues(Points):
    """NaN in a field of real numbers."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        a["x"][3, 1] = np.nan
        return a


@fault("data")
class NegativeWeight(Sequences):
    """A mask of -1."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"mask": a["mask"] * 2 - 1}


@fault("data")
class EmptyRow(Sequences):
    """A sequence without a step."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        a["mask"][2] = 0
        return a


@fault("data")
class BooleanMask(Sequences):
    """A mask of booleans."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"mask": a["mask"] > 0}


@fault("data")
class TextValues(Points):
    """Strings as numbers."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"x": a["x"].astype(str)}


@fault("data")
class ColumnsNotZeroOne(Points):
    """Columns of labels with a 2."""

    def points(self, rng, n=40):
        return super().points(rng, n) | {"y": rng.integers(0, 3, (n, 2))}

    def fields(self):
        return {"x": Field("NF"), "y": Field("NF", "label", 2)}


@fault("data")
class EmptySplit(Points):
    """A split without rows, where it should be missing."""

    def splits(self, rng):
        return super().splits(rng) | {"test": self.points(rng, 0)}


@fault("data")
class WrongSplitName(Points):
    """valid in place of val: it is never validated."""

    def splits(self, rng):
        return {"train": self.points(rng), "valid": self.points(rng, 10)}


@fault("data")
class NoTraining(Points):
    """Only a test."""

    def splits(self, rng):
        return {"test": self.points(rng)}


@fault("data")
class MissingField(Points):
    """val has no y."""

    def splits(self, rng):
        return {"train": self.points(rng), "val": {"x": self.points(rng, 5)["x"]}}


@fault("data")
class UndeclaredField(Points):
    """A field that is not declared."""

    def points(self, rng, n=40):
        return super().points(rng, n) | {"z": np.zeros(n)}


@fault("data")
class OtherWidth(Points):
    """The test has a column more than training."""

    def splits(self, rng):
        a = super().splits(rng)
        return a | {"val": a["val"] | {"x": np.ones((10, 3))}}


@fault("data")
class OtherCount(Points):
    """One target too many."""

    def points(self, rng, n=40):
        return super().points(rng, n) | {"y": np.zeros(n + 1, int)}


@fault("data")
class WrongAxes(Points):
    """Axes NTF of a table."""

    def fields(self):
        return super().fields() | {"x": Field("NTF")}


@fault("data")
class MaskOfOtherLength(Sequences):
    """The mask is one step shorter."""

    def points(self, rng, n=40):
        a = super().points(rng, n)
        return a | {"mask": a["mask"][:, :-1]}
