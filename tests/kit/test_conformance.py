"""Every registered component through the conformance kit."""

import pytest

from framework import discover
from framework.testing import all_checks

CHECKS = list(all_checks(discover()))


@pytest.mark.parametrize("check", [check for _, check in CHECKS], ids=[f"{name}-{check.name}" for name, check in CHECKS])
def test_conformance(check):
    check()


def test_every_built_in_plugin_loads():
    assert discover().problems == []
