"""The conformance kit: what every component must obey, as checks that anybody's tests can run.

    import pytest
    from framework.testing import conformance

    @pytest.mark.parametrize("check", conformance("layer", MyLayer(units=3), in_shape=(4,)))
    def test_my_layer(check):
        check()

Every check is judged in float64 unless it is about the dtype, with replica axes (), (3,) and (2, 3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from framework.components import Shape
from framework.testing.differentiable import EXTRA, GENERAL
from framework.testing.plain import PLAIN
from framework.testing.subjects import DIFFERENTIABLE

__all__ = ["Check", "all_checks", "conformance", "examples"]


class Check(NamedTuple):
    """A named check, ready to call; it raises AssertionError."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        self.run()


def conformance(kind: str, component: Any, in_shape: Shape | None = None) -> list[Check]:
    """The checks of a component.

    Args:
        kind: "layer", "activation", "loss", ... as in the registry.
        component: an instance with the options to check.
        in_shape: for layers, the shape of the input without N; (None, F) for a sequence, a tuple of shapes for several
            inputs.

    Raises:
        ValueError: the kit has no checks for that kind.
    """
    if kind in DIFFERENTIABLE:
        about = DIFFERENTIABLE[kind](in_shape)
        checks = {**GENERAL, **EXTRA.get(kind, {})}
        return [Check(name, functools.partial(check, component, about)) for name, check in checks.items()]
    if kind not in PLAIN:
        raise ValueError(f"the kit has no checks for a {kind}; it has for {', '.join([*DIFFERENTIABLE, *PLAIN])}")
    return [Check(name, functools.partial(check, component)) for name, check in PLAIN[kind].items()]


def examples(component_class: Any) -> list[tuple[Any, Shape | None]]:
    """What the kit checks of a class: its own `examples()`, or the component with its defaults."""
    own = getattr(component_class, "examples", None)
    return own() if own else [(component_class(), None)]


def all_checks(registry: Any) -> Iterator[tuple[str, Check]]:
    """(kind/name, check) of every registered component of the kinds that the kit knows."""
    for kind in (*DIFFERENTIABLE, *PLAIN):
        for name in registry.names(kind):
            for component, in_shape in examples(registry.get(kind, name)):
                for check in conformance(kind, component, in_shape):
                    yield f"{kind}/{name}", check
