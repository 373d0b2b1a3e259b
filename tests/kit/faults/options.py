"""Options that no configuration can set, or that break when it does."""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import numpy as np

from framework import option
from tests.kit.faults import Faults

FAULTS = fault = Faults("optimizer")


class Plain:
    """w <- w - lr g."""

    lr: float = option(0.1, above=0, stackable=True)

    def init(self, w):
        return {}

    def update(self, w, g, state, lr, ctx):
        w -= lr * g


class Colour(Enum):
    """A choice."""

    RED = 1


def typed(hint: Any, default: Any, name: str) -> None:
    """A component with one option `extra` of that type."""
    namespace = {"__doc__": "An option.", "__annotations__": {"lr": float, "extra": hint}}
    cls = type(name, (Plain,), namespace | {"lr": option(0.1, above=0, stackable=True), "extra": default})
    fault("declaration")(cls)


typed(dict, option(lambda: {}), "BareDict")
typed(dict[str, int], option(lambda: {}), "DictOfNumbers")
typed(set, option(lambda: set()), "Set")
typed(frozenset[str], option(lambda: frozenset()), "FrozenSet")
typed(Path, option(Path("a")), "APath")
typed(np.ndarray, option(lambda: np.zeros(2)), "AnArray")
typed(Callable[[int], int], option(lambda: len), "AFunction")
typed(Sequence[int], option((1, 2)), "ASequence")
typed(tuple, option((1, 2)), "BareTuple")
typed(list, option(lambda: []), "BareList")
typed(tuple[float, float], option((0.9,)), "PairOfOne")
typed(complex, option(1j), "AComplex")
typed(bytes, option(b"a"), "Bytes")
typed(Colour, option(Colour.RED), "AnEnum")
typed(int, option("3"), "TextForANumber")
typed(int, option(0.5), "FractionForANumber")
typed(float, option(None), "NoneForANumber")
typed(bool, option(1), "NumberForABool")
typed(int, option(True), "BoolForANumber")
typed(Literal["a", "b"], option("c"), "DefaultNotAChoice")
typed(float, option(2.0, most=1), "DefaultOutOfBounds")
typed(float, option(0.5, least=1, most=0), "NoValueFits")
typed(float, option(float("nan"), least=0), "NanByDefault")
typed(str, option("a", least=0), "BoundsOfText")
typed(tuple[str, ...], option("abc"), "TextForATuple")
typed(tuple[int, ...] | None, option((1, "b")), "WrongItem")
typed(bool, option(True, stackable=True), "StackableBool")
typed(int | dict, option(1), "DictInAUnion")
typed("Unknown", option(1), "UnknownType")
typed(type, option(int), "AType")


@fault("choices")
class ChoiceBreaks(Plain):
    """The second choice calls a method that does not exist."""

    form: Literal["plain", "other"] = option("plain")

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g if self.form == "plain" else self.other(g))


@fault("choices")
class BoolBreaks(Plain):
    """`true` fails at run time."""

    nesterov: bool = option(False)

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + state["M"] if self.nesterov else g)


@fault("choices")
class NoneBreaks(Plain):
    """`null` is allowed by the type, and fails at run time."""

    clip: float | None = option(1.0, above=0)

    def update(self, w, g, state, lr, ctx):
        w -= lr * ctx.xp.clip(g, -abs(self.clip), abs(self.clip))


@fault("choices")
class NoneOnInit(Plain):
    """The default `null` works, the other values do not."""

    start: Literal["zeros", "ones"] | None = option(None)

    def init(self, w):
        return {} if self.start is None else {"M": {"zeros": w * 0}[self.start]}


@fault("choices")
class ChoiceClimbs(Plain):
    """One choice has the wrong sign."""

    sign: Literal["minus", "plus"] = option("minus")

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g if self.sign == "minus" else -g)


@fault("choices")
class ChoiceOnTheHost(Plain):
    """One choice uses the global generator."""

    noisy: bool = option(False)

    def update(self, w, g, state, lr, ctx):
        w -= lr * (g + (np.random.standard_normal(w.shape) if self.noisy else 0))
