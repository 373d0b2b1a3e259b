"""I10: what the first layer looks for in an image, drawn beside the loss."""

import json

import numpy as np
import pytest

from framework.analysis.figures import draw
from framework.analysis.figures.filters import filters
from framework.analysis.figures.run_view import RunView


def left(folder, shape, axes="NCHW", **tensors):
    """A run's folder as far as the figures read it."""
    np.savez(folder / "model.npz", **{name.replace("__", "/"): a for name, a in tensors.items()})
    (folder / "model.json").write_text(json.dumps({"fields": {"x": {"axes": axes, "shape": shape}}}))
    (folder / "metrics.jsonl").write_text('{"step": 1, "train/loss": 1.0}\n')
    return folder


@pytest.mark.parametrize(("rows", "size"), [(2 * 9, (3, 3)), (2 * 25, (5, 5)), (2 * 64, (8, 8))])
def test_I10_units_of_the_first_layer_as_images(tmp_path, rows, size):
    W = np.arange(rows * 5.0).reshape(rows, 5)
    node, images = filters(left(tmp_path, (2, 8, 8), conv__W=W, out__W=np.zeros((3, 3))))
    assert (node, images.shape) == ("conv", (5, *size))
    assert images[4, 0, 1] == (W[1, 4] + W[1 + rows // 2, 4]) / 2  # the mean of both channels, row 0, column 1


@pytest.mark.parametrize(
    ("shape", "axes", "tensors"),
    [
        ((8,), "NF", {"hidden__W": np.zeros((8, 4))}),
        ((1, 8, 8), "NCHW", {"norm__gamma": np.zeros((1, 1))}),
        ((1, 8, 8), "NCHW", {"hidden__W": np.zeros((20, 4))}),
    ],
)
def test_other_layers_and_other_data_have_no_such_figure(tmp_path, shape, axes, tensors):
    assert filters(left(tmp_path, shape, axes, **tensors)) is None


@pytest.mark.parametrize("units", [1, 3, 40])
def test_the_figure_is_written_beside_the_loss(tmp_path, units):
    written = draw(RunView(left(tmp_path, (1, 8, 8), conv__W=np.random.default_rng(0).standard_normal((9, units)))))
    assert [path.name for path in written] == ["loss.png", "filters.png"]
    assert all(path.stat().st_size for path in written)


@pytest.mark.filterwarnings("error")
def test_weights_of_nan_are_drawn_without_a_warning(tmp_path):
    written = draw(RunView(left(tmp_path, (1, 8, 8), conv__W=np.full((9, 3), np.nan))))
    assert "filters.png" in [path.name for path in written]
