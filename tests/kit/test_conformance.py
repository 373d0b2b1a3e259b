"""Every registered component through the conformance kit."""

import unittest

import pytest
from effort import EFFORT

from framework import discover
from framework.testing import all_checks, tiers
from framework.training.compiled.build import FLAGS

CHECKS = list(all_checks(discover()))
COMPONENTS = {}
for name, check in CHECKS:
    COMPONENTS.setdefault(name, []).append(check)


@pytest.mark.parametrize("name", COMPONENTS)
def test_conformance(name):
    """All checks of a component in one test: a test of its own for each of five thousand would take half the time."""
    failures = []
    for check in COMPONENTS[name]:
        try:
            check()
        except AssertionError as error:
            error.add_note(f"in the check {check.name}")
            failures.append(error)
        except unittest.SkipTest:  # not traced, or no compiler: the slow test below does not allow that
            continue
    if failures:
        raise ExceptionGroup(f"{name}: {', '.join(error.__notes__[0] for error in failures)}", failures)


TIERS = [(name, check) for name, check in CHECKS if check.name == "tiers"]
CHOSEN = TIERS if EFFORT > 1 else list(dict(reversed(TIERS)).items())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "check"), CHOSEN, ids=[name for name, _ in CHOSEN])
def test_components_are_compiled_with_every_optimisation(name, check, monkeypatch):
    """Each component with its first example; EFFORT=10 takes them all, as the test above does without optimisations."""
    monkeypatch.setattr(tiers, "QUICK", FLAGS)
    try:
        check()
    except unittest.SkipTest as why:
        pytest.fail(f"{name}: {why}")


def test_every_built_in_plugin_loads():
    assert discover().problems == []
