"""Compiled steps of tests: in a folder of their own, and compiled quickly."""

import pytest

from framework.training.compiled import build


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path_factory):
    """Without most optimisations a step is compiled in a fraction of the time; the arithmetic is the same."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(build, "FLAGS", ("-O1", *build.FLAGS[1:]))
