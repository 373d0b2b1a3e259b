"""Settings meet the data."""

import pytest
from configs import assembled

from framework.core.errors import ConfigError


@pytest.mark.parametrize(
    ("dataset", "units", "loss", "metrics"),
    [
        ("sine", 1, "MeanSquaredError", []),
        ("xor", 2, "SoftmaxCrossEntropy", ["accuracy"]),
        ("{type: spirals, classes: 3}", 3, "SoftmaxCrossEntropy", ["accuracy"]),
    ],
)
def test_auto_follows_the_target(dataset, units, loss, metrics):
    found = assembled(f"{{dataset: {dataset}}}")
    assert found.network.nodes["out"].layer.units == units
    assert type(found.heads["loss"].loss).__name__ == loss
    assert list(found.measures) == metrics


def test_a_binary_loss_needs_one_unit_for_two_classes():
    assert assembled("{dataset: xor, loss: binary_cross_entropy}").network.nodes["out"].layer.units == 1


def test_units_are_found_through_layers_without_any():
    assert assembled("{model/layers/last: {type: activation, function: sigmoid}}").network.nodes["out"].layer.units == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            "{loss: softmax_cross_entropy}",
            "needs targets of kind label, but 'y' is real; losses for it: gaussian_nll, half_squared_error",
        ),
        ("{model/layers/hidden/units: auto}", "model.layers.hidden.units: auto needs a layer that a loss reads"),
        ("{model/layers/out: {type: dense, units: 3}}", "model.layers.out: it has 3 outputs, but head 'loss' needs 1"),
        ("{model/layers/out: {type: dense, units: 1, from: hiden}}", "model.layers.out: input 'hiden'"),
        ("{model/layers/sum: add}", "model.layers.sum: add needs several sources"),
        ("{heads: {a: {type: mse, target: z}}}", "heads.a.target: unknown field 'z'"),
        ("{heads: {a: {type: mse, from: outt}}}", "heads.a.from: unknown layer 'outt'; did you mean 'out'?"),
        (
            "{dataset: digits, model/layers: {out: {type: dense, units: auto}}}",
            "model.layers.out: dense needs (F,) or (T, F)",
        ),
        ("{metrics: {mse: {type: loss, head: los}}}", "metrics.mse.head: unknown head 'los'; did you mean 'loss'?"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(changes, expected):
    with pytest.raises(ConfigError) as caught:
        assembled(changes)
    assert expected in str(caught.value)
