"""A value computed by hand."""

import numpy as np
import pytest
from stackprop_template.activation import Swish

from framework import Context


def test_swish_at_one():
    """1 / (1 + e^-1) = 0.731059."""
    y, _ = Swish().forward(np.array([[1.0]]), Context())
    assert y[0, 0] == pytest.approx(0.731059, abs=1e-6)
