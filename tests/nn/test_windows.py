"""Windows of rows and columns: sizes that differ, dilation, groups and padding, and what is refused."""

import numpy as np
import pytest

from framework import Context
from framework_layers.average_pool import AveragePool
from framework_layers.conv1d import Conv1d
from framework_layers.conv2d import Conv2d
from framework_layers.max_pool import MaxPool

RNG = np.random.default_rng(0)


def test_one_number_is_the_same_for_rows_and_columns():
    x = RNG.standard_normal((3, 2, 6, 5))
    layers = Conv2d(4, 3, 2, 1, dilation=1), Conv2d(4, (3, 3), (2, 2), (1, 1), dilation=(1, 1))
    (p, shape), (q, other) = (layer.init(np.random.default_rng(0), (2, 6, 5)) for layer in layers)
    assert (shape, p["W"].tolist()) == (other, q["W"].tolist())
    y, z = (layer.forward(p, x, Context())[0] for layer in layers)
    assert np.array_equal(y, z)


def test_a_group_is_a_convolution_of_its_own():
    x, grouped, alone = RNG.standard_normal((3, 4, 5, 5)), Conv2d(6, groups=2), Conv2d(3)
    p, _ = grouped.init(np.random.default_rng(0), (4, 5, 5))
    y, _ = grouped.forward(p, x, Context())
    for part, filters in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 6))):
        own = {name: a[..., filters] for name, a in p.items()}
        assert np.allclose(y[:, filters], alone.forward(own, x[:, part], Context())[0])


def test_padding_of_an_average_counts_or_not():
    x = np.ones((1, 1, 4, 4))
    for counts, corner in ((True, 4 / 9), (False, 1)):
        y, _ = AveragePool(3, 1, 1, count_include_pad=counts).forward({}, x, Context())
        assert (y[0, 0, 0, 0], y[0, 0, 1, 1]) == pytest.approx((corner, 1))


def test_a_causal_window_ends_with_its_step():
    layer = Conv1d(1, 2, "causal", dilation=3, bias=False)
    p, x = {"W": np.array([[10.0], [1.0]])}, np.arange(1.0, 7).reshape(6, 1, 1)
    y, _ = layer.forward(p, x, Context())
    assert y.ravel().tolist() == [1, 2, 3, 14, 25, 36]
    assert (layer.reverse, layer.whole_sequences) == (False, True)


@pytest.mark.parametrize(
    ("layer", "in_shape", "message"),
    [
        (Conv2d(4, (0, 3)), (2, 5, 5), r"size: both must be at least 1 \(got \[0, 3\]\)"),
        (Conv2d(4, (3, 7)), (2, 5, 5), "a window of 3 x 7 does not fit into 5 x 5"),
        (Conv2d(4, 2, 2, "same"), (2, 5, 5), "padding: same needs stride 1"),
        (Conv2d(4, groups=3), (3, 5, 5), "groups: 3 must divide the 3 channels and the 4 filters"),
        (MaxPool(2, padding=2), (2, 5, 5), r"padding: at most half of a window of 2 \(got 2\)"),
        (Conv1d(4, 3, "valid", stride=2), (None, 4), r"stride: more than 1 needs .* mask: null \(got 2\)"),
        (Conv1d(4, 3, "valid", dilation=4), (8, 4), "a window of 9 does not fit into 8 steps"),
    ],
)
def test_windows_that_do_not_fit_are_refused(layer, in_shape, message):
    with pytest.raises(ValueError, match=message):
        layer.init(np.random.default_rng(0), in_shape)
