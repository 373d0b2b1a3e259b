"""I10: what the first layer looks for in an image, drawn beside the loss."""

import json

import numpy as np
import pytest

from framework import Context
from framework.analysis.figures import draw
from framework.analysis.figures.feature_maps import feature_maps
from framework.analysis.figures.filters import filters
from framework.analysis.figures.run_view import RunView
from framework.config.composition import compose
from framework.data.scaling import AS_SCALED
from framework.experiments.experiment import prepare
from framework.inference.model import Model
from framework.training.trainer import train


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


@pytest.mark.parametrize("word", ["dataset.scale=none", "dataset.scale=standard", "model.layers.act=null"])
def test_I10_feature_maps_of_the_first_convolution_are_drawn(tmp_path, word):
    made = prepare(compose(["model=cnn", word, "model.filters=3", "trainer.steps=5", "tracking=none"]))
    model = Model.of(made.learner, train([made.learner], [made.data], [0])[0].weights, made.data, AS_SCALED)
    node, images, maps = feature_maps(model, made.data)
    assert node == ("conv" if word == "model.layers.act=null" else "act")
    assert (images.shape, maps.shape) == ((4, 8, 8), (4, 3, 8, 8))
    x = made.data.splits["test"]["x"][:1]
    y = model.network.forward(model.weights, Context(train=False, batch={"x": x}))[0][node]
    assert maps[0] == pytest.approx(y[0], abs=1e-5)
    assert "feature_maps.png" in [path.name for path in draw(RunView(left(tmp_path, (1, 8, 8)), model, made.data))]


def test_a_dense_network_has_no_feature_maps():
    made = prepare(compose(["model=mlp", "trainer.steps=1", "tracking=none"]))
    model = Model.of(made.learner, train([made.learner], [made.data], [0])[0].weights, made.data, AS_SCALED)
    assert feature_maps(model, made.data) is None
