"""Unusual but right layers, activations, cells, losses and regularizers pass every check."""

import pytest

from tests.kit import unusual_functions as functions
from tests.kit import unusual_layers as layers
from tests.kit.passing import failures

KINDS = {
    "layer": layers.LAYERS,
    "cell": layers.CELLS,
    "activation": functions.ACTIVATIONS,
    "loss": functions.LOSSES,
    "regularizer": functions.REGULARIZERS,
}
RIGHT = [(kind, component, in_shape) for kind, found in KINDS.items() for component, in_shape in found]


@pytest.mark.parametrize(("kind", "component", "in_shape"), RIGHT, ids=lambda value: str(value))
def test_a_right_component_passes(kind, component, in_shape):
    assert failures(kind, component, in_shape, without=("tiers",)) == []  # compiles; test_conformance does that
