"""Every registered component through the conformance kit."""

import unittest

import pytest

from framework import discover
from framework.testing import all_checks, tiers
from framework.training.compiled.build import FLAGS

CHECKS = list(all_checks(discover()))


@pytest.mark.parametrize("check", [check for _, check in CHECKS], ids=[f"{name}-{check.name}" for name, check in CHECKS])
def test_conformance(check):
    check()


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
