"""Faults of all kinds without a gradient, and of options: each is caught by the check named for it."""

import pytest

from framework.testing import conformance
from tests.kit.faults import (
    augmentations,
    callbacks,
    dataset_notes,
    datasets,
    initializers,
    lookaheads,
    metrics,
    optimizer_numbers,
    optimizers,
    options,
    other_inputs,
    probes,
    schedules,
    studies,
)

TABLES = (augmentations, callbacks, dataset_notes, datasets, initializers, lookaheads, metrics, optimizers, options, probes)
TABLES += (other_inputs, optimizer_numbers, schedules, studies)
FAULTS = [fault for table in TABLES for fault in table.FAULTS.all]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_caught_by_the_check_named_for_it(fault):
    (check,) = [each for each in conformance(fault.kind, fault.component, fault.in_shape) if each.name == fault.check]
    with pytest.raises(AssertionError) as told:
        check()
    assert " " in str(told.value)  # words, not a bare assert


def test_no_two_faults_have_one_name():
    names = [str(fault) for fault in FAULTS]
    assert len(set(names)) == len(names)
