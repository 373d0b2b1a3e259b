"""Faults of layers, activations, cells, losses and regularizers: each is caught by the check named for it."""

import pytest

from framework.testing import conformance
from tests.kit.faults import (
    activations,
    cells,
    later,
    layer_chance,
    layer_members,
    layer_memory,
    layers,
    loss_members,
    losses,
    other_values,
    regularizers,
)

TABLES = (layers, layer_memory, layer_chance, layer_members, activations, cells, losses, loss_members, regularizers, later)
TABLES += (other_values,)
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
