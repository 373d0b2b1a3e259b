"""Faults of all kinds and of options (tests/kit/faults): each is caught by the check named for it."""

import importlib
from pathlib import Path

import pytest

from framework.testing import conformance

FOLDER = Path(__file__).with_name("faults")
FILES = [importlib.import_module(f"tests.kit.faults.{path.stem}") for path in sorted(FOLDER.glob("[a-z]*.py"))]
FAULTS = [fault for file in FILES for fault in file.FAULTS.all]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_caught_by_the_check_named_for_it(fault):
    (check,) = [each for each in conformance(fault.kind, fault.component, fault.in_shape) if each.name == fault.check]
    with pytest.raises(AssertionError) as error:
        check()
    assert " " in str(error.value)  # a sentence, not a bare assert


def test_no_two_faults_have_one_name():
    names = [str(fault) for fault in FAULTS]
    assert len(set(names)) == len(names)
