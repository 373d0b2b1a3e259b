"""Every component in the conformance kit, and one value computed by hand."""

import numpy as np
import pytest
from stackprop_template.scale import Scale
from stackprop_template.signum import Signum
from stackprop_template.swish import Swish

from framework import Context, testing

CHECKS = [
    *testing.conformance("layer", Scale(), in_shape=(4,)),
    *testing.conformance("activation", Swish()),
    *testing.conformance("activation", Swish(beta=0.5), in_shape=(2, 3, 3)),
    *testing.conformance("optimizer", Signum()),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check):
    """Gradients, the stack law, purity, dtype, and more."""
    check()


def test_swish_at_one():
    """1 / (1 + e^-1) = 0.731059."""
    y, _ = Swish().forward(np.array([[1.0]]), Context())
    assert y[0, 0] == pytest.approx(0.731059, abs=1e-6)
