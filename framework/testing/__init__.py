"""The conformance kit: checks of what every component must obey, for the tests of any plugin.

    import pytest
    from framework.testing import conformance

    @pytest.mark.parametrize("check", conformance("layer", MyLayer(units=3), in_shape=(4,)))
    def test_my_layer(check):
        check()

Every check runs in float64 unless it is about the dtype, with replica axes (), (3,) and (2, 3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from framework.core.types import Shape
from framework.core.validation import signature_errors
from framework.testing import (
    activations,
    augmentations,
    callbacks,
    cells,
    commands,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    probes,
    schedules,
    studies,
)
from framework.testing.batches import check_choice
from framework.testing.choices import check_choices, other_numbers, variants
from framework.testing.differentiable import GENERAL, check_per_example
from framework.testing.purity import check_declaration
from framework.testing.stacks import stackable
from framework.testing.subjects import SUBJECTS
from framework.testing.tiers import OPTIMIZER_TIERS, TIERS
from framework.testing.whole_batches import WHOLE_BATCH

__all__ = ["KINDS", "Check", "all_checks", "conformance", "examples"]

Checks = Mapping[str, Callable[..., None]]

CHOICES: Checks = {"choices": check_choices({"gradient": check_choice}, numbers=other_numbers)}

# kind -> checks for all components, and checks of optional members, by the name of the attribute.
TABLES: Mapping[str, tuple[Checks, Checks]] = {
    "layer": ({**GENERAL, **TIERS, **CHOICES, **layers.LAYER}, {**layers.OFFERED, "per_example": check_per_example}),
    "activation": ({**GENERAL, **TIERS, **CHOICES, **activations.ACTIVATION}, {"per_example": check_per_example}),
    "cell": ({**GENERAL, **TIERS, **CHOICES, **cells.CELL}, cells.CELL_OFFERED),
    "loss": ({**GENERAL, **TIERS, **CHOICES, **losses.LOSS}, losses.LOSS_OFFERED),
    "regularizer": ({**GENERAL, **TIERS, **CHOICES, **losses.REGULARIZER}, losses.REGULARIZER_OFFERED),
    "optimizer": ({**optimizers.OPTIMIZER, **OPTIMIZER_TIERS}, optimizers.OPTIMIZER_OFFERED),
    "augmentation": (augmentations.AUGMENTATION, {}),
    "probe": (probes.PROBE, {}),
    "callback": (callbacks.CALLBACK, {}),
    "initializer": (initializers.INITIALIZER, {}),
    "schedule": (schedules.SCHEDULE, schedules.SCHEDULE_OFFERED),
    "dataset": (datasets.DATASET, {}),
    "metric": (metrics.METRIC, metrics.METRIC_OFFERED),
    "study": (studies.STUDY, {}),
    "command": (commands.COMMAND, {}),
    "figure": (commands.FIGURE, {}),
}
BOUNDS: Mapping[str, bool | None] = dict.fromkeys(  # kinds whose options are also tried at the bounds of numbers
    ("optimizer", "augmentation", "probe", "callback", "figure", "initializer", "schedule", "metric")
)
GRADIENTS = ("layer", "activation", "cell", "loss", "regularizer")  # kinds whose options are also tried at another number
SIGNED = ("callback", "study", "command", "figure")  # kinds with a check of their own of what they are called with
KINDS = tuple(TABLES)  # kinds of component that the kit checks


class Check(NamedTuple):
    """A named check, ready to call; it raises AssertionError."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        self.run()


def conformance(
    kind: str,
    component: Any,
    in_shape: Shape | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """The checks of a component.

    Args:
        kind: "layer", "activation", "loss", ... as in the registry.
        component: an instance with the options to check.
        in_shape: for layers, the shape of the input without N, (4,) by default; (None, F) for a sequence, (None,) for a
            sequence of ids 0, 1, 2, (None, None) for several ids at every step, a tuple of shapes for several inputs.
        expected_failures: check -> why it cannot pass, besides those that the component declares under that name. Such a
            check must fail: once it passes, it is reported.

    Raises:
        ValueError: the kit has no checks for that kind, or no check of a name in `expected_failures`.
    """
    if kind not in TABLES:
        raise ValueError(f"unknown kind '{kind}'; the kit checks {', '.join(KINDS)}")
    if kind not in SIGNED and (wrong := signature_errors(kind, component)):  # every other check would fail in the same way
        return [Check("declaration", functools.partial(_fail, "; ".join(wrong)))]
    always, offered = TABLES[kind]
    if kind == "augmentation" and getattr(component, "whole_batch", False):
        always = WHOLE_BATCH
    chosen = {"declaration": check_declaration, **always}
    chosen |= {name: check for name, check in offered.items() if getattr(component, name, None)}
    about_options = {"options": any(stackable(component)), "choices": _has_choices(kind, component)}
    for name, needed in (about_options | {"nodes": hasattr(component, "nodes")}).items():
        if not needed:
            chosen.pop(name, None)
    expected = {**getattr(component, "expected_failures", {}), **(expected_failures or {})}
    for name in expected:
        if name not in chosen:
            raise ValueError(f"expected_failures: unknown check '{name}' (there are: {', '.join(chosen)})")
    about = (replace(SUBJECTS[kind](in_shape), excused=frozenset(expected)),) if kind in SUBJECTS else ()
    # Each check has an instance of its own, so that what one of them leaves on it is not there before the next.
    checks = {name: functools.partial(check, _again(component), *about) for name, check in chosen.items()}
    return [Check(n, functools.partial(_must_fail, n, c, expected[n]) if n in expected else c) for n, c in checks.items()]


def _fail(why: str) -> None:
    raise AssertionError(why)


def _numbers(kind: str, component: Any) -> Iterator[tuple[str, Any]]:
    if kind in GRADIENTS:
        yield from other_numbers(component)
    if kind == "dataset":
        yield from datasets.switched_off(component)


def _has_choices(kind: str, component: Any) -> bool:
    """Whether an option has another value to try."""
    return any(variants(component, BOUNDS.get(kind, False))) or any(_numbers(kind, component))


def _again(component: Any) -> Any:
    """Another instance with the same options."""
    try:
        return replace(component)
    except Exception:  # `declaration` has the reason
        return component


def _must_fail(name: str, check: Callable[[], None], why: str) -> None:
    try:
        check()
    except AssertionError:  # a crash, or a check that is skipped, is not what was expected
        return
    raise AssertionError(f"'{name}' passes now; remove it from expected_failures (reason given: {why})")


def examples(component_class: Any) -> list[tuple[Any, Shape | None]]:
    """The instances of a class that the kit checks: from its `examples()`, or the component with its defaults.

    Raises:
        ValueError: an option has no default, and there are no examples.
    """
    own = getattr(component_class, "examples", None)
    if callable(own):
        return list(own())
    try:
        return [(component_class(), None)]
    except TypeError as error:
        raise ValueError(
            f"{component_class.__name__}: an option has no default; add a static method examples() that returns "
            f"(component, in_shape) pairs ({error})"
        ) from error


def all_checks(registry: Any) -> Iterator[tuple[str, Check]]:
    """(kind/name, check) of every registered component of the kinds that the kit checks."""
    for kind in KINDS:
        for name in registry.names(kind):
            for component, in_shape in examples(registry.get(kind, name)):
                for check in conformance(kind, component, in_shape):
                    yield f"{kind}/{name}", check
