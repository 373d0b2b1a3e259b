"""Compiled steps of tests: in a folder of their own, and compiled quickly."""

import pytest


@pytest.fixture(autouse=True)
def quick(compiled_quickly):
    """For every test of this folder."""
