"""Checks of random numbers, and of what a component reads from the context."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any
from unittest import mock

import numpy as np

from framework.core.context import Context
from framework.testing.members import everything
from framework.testing.purity import untouched
from framework.testing.stacks import context, equal, stacked
from framework.testing.subjects import Differentiable, weighed

TRIES, FEW = 16, 4  # draws that may agree by accident, and that may not
Change = Callable[[Context, int], Context]
ASPECTS: Mapping[str, Change] = {
    "key of the replica": lambda ctx, i: ctx.but(keys=tuple(100 * i + r for r in range(len(ctx.keys)))),
    "training step": lambda ctx, i: ctx.but(step=ctx.step + i),
    "name of the node": lambda ctx, i: ctx.but(name=f"node {i}"),
    "part of the batch": lambda ctx, i: ctx.but(part=i),
}


@contextlib.contextmanager
def own_generators_refused() -> Iterator[None]:
    """Report a generator that the component makes itself."""
    why = "a random generator of its own was made; random numbers come from the given generator, ctx.uniform or ctx.normal"
    refuse = mock.Mock(side_effect=AssertionError(why))
    with mock.patch.object(np.random, "default_rng", refuse), mock.patch.object(np.random, "RandomState", refuse):
        yield


def check_determinism(component: Any, about: Differentiable) -> None:
    """The same context gives the same values, without another source of randomness: no global one, and no generator that the
    component makes.

    Cannot see: a generator imported by name.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    with untouched(part), own_generators_refused():
        first, second = (everything(part, about, inputs, context((3,))) for _ in range(2))
    for name, a in first.items():
        assert np.array_equal(a, second[name], equal_nan=True), f"{name}: two passes with one context differ"


def check_chance(component: Any, about: Differentiable) -> None:
    """What is random in training depends on the replica's key, the step, the node's name and the part of the batch; a cell
    declares it as `draws`.

    Cannot see: two draws of one node that should differ and do not.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ctx = context((3,))
    y, _ = about.forward(part, inputs, ctx)

    def depends(*changes: Change) -> bool:
        for i in range(1, TRIES + 1):
            other = ctx
            for change in changes:
                other = change(other, i)
            if not np.array_equal(about.forward(part, inputs, other)[0], y, equal_nan=True):
                return True
        return False

    named, parted = ASPECTS["name of the node"], ASPECTS["part of the batch"]
    if not depends(ASPECTS["key of the replica"]):
        assert not depends(named, parted), "random numbers do not depend on the key of the replica"
        return
    assert about.kind != "cell" or getattr(component, "draws", False), "a step draws random numbers; declare draws = True"

    def all_differ(change: Change) -> bool:
        drawn = [about.forward(part, inputs, change(ctx, i))[0] for i in range(1, FEW + 1)]
        return not any(np.array_equal(a, b) for a, b in itertools.combinations(drawn, 2))

    often = all_differ(ASPECTS["key of the replica"])  # else two draws may agree by accident
    for what, change in ASPECTS.items():
        assert depends(change), f"random numbers do not depend on the {what}"
        assert not often or all_differ(change), f"two successive values of the {what} have the same random numbers"


class Noting(Context):
    """A context that notes every draw of a pass."""

    def _draw(self, like: Any, draw: int, sample: Any) -> Any:
        self.__dict__.setdefault("drawn", []).append((self.name, self.time, self.part, draw))
        return super()._draw(like, draw, sample)


def check_draws(component: Any, about: Differentiable) -> None:
    """Two draws of one pass have different numbers (`ctx.uniform(x, draw=1)`): else they are the same random numbers.

    Cannot see: draws of components inside the component.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ctx, drawn = context((3,)), []  # type: ignore[var-annotated]
    noting = Noting(**{f.name: getattr(ctx, f.name) for f in fields(ctx)})
    noting.__dict__["drawn"] = drawn
    about.forward(part, inputs, noting)
    if not any(is_dataclass(getattr(component, f.name)) for f in fields(component)):
        assert len(set(drawn)) == len(drawn), "two draws of one pass give the same numbers; write ctx.uniform(x, draw=1)"


class Fields(dict[str, Any]):
    """The fields of a batch: none, and reading one that no option names is reported."""

    def __init__(self, named: set[str]) -> None:
        super().__init__()
        self.named = named

    def _asked(self, name: Any) -> None:
        internal = str(name).startswith("(")  # no field of a data set has such a name
        why = f"it reads the field '{name}' of the batch; only fields that its options name may be read"
        assert internal or name in self.named, why

    def get(self, name: Any, default: Any = None) -> Any:
        self._asked(name)
        return default

    def __getitem__(self, name: Any) -> Any:
        self._asked(name)
        raise KeyError(name)

    def __contains__(self, name: Any) -> bool:
        self._asked(name)
        return False

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("it reads all fields of the batch; only fields that its options name may be read")

    def keys(self) -> Any:
        return list(self)

    values = items = keys


def check_fields(component: Any, about: Differentiable) -> None:
    """A pass reads no field of the batch (`ctx.batch`, `ctx.mask`) but those that an option names.

    Cannot see: whether a field that an option names is used well (see `mask`).
    """
    part, _, _, inputs = stacked(component, about, (3,))
    named = set(_words(component))
    for train in (True, False):
        everything(part, about, inputs, context((3,), train).but(batch=Fields(named)))


def _words(component: Any) -> Iterator[str]:
    for f in fields(component) if is_dataclass(component) else ():
        value = getattr(component, f.name)
        if isinstance(value, str):
            yield value
        elif is_dataclass(value):
            yield from _words(value)


def check_linear(component: Any, about: Differentiable) -> None:
    """`backward` is linear in dy: a million times dy, a millionth and 0 give such gradients.

    Cannot see: a wrong factor, which `gradient` sees.
    """
    part, _, _, inputs = stacked(component, about, (3,))
    ctx = context((3,))
    y, cache = about.forward(part, inputs, ctx)
    dy = weighed(y, ctx)[1].copy()
    if y.dtype.kind != "f":
        return
    grads = about.backward(part, inputs, cache, dy, ctx)
    for factor in (1e6, 1e-6, 0.0):
        for name, g in about.backward(part, inputs, cache, factor * dy, ctx).items():
            what = f"gradient of '{name}' for {factor:g} dy" + (f", divided by {factor:g}," if factor else "")
            equal(g / (factor or 1), grads[name] if factor else grads[name] * 0, what, 1e-8)
