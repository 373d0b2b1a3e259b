"""Every registered component through the conformance kit."""

import unittest

import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize(("name", "check"), TIERS, ids=[name for name, _ in TIERS])
def test_components_are_compiled_with_every_optimisation(name, check, monkeypatch):
    monkeypatch.setattr(tiers, "QUICK", FLAGS)
    try:
        check()
    except unittest.SkipTest as why:
        pytest.fail(f"{name}: {why}")


def test_every_built_in_plugin_loads():
    assert discover().problems == []
