"""Losses and their gradients against those of PyTorch 2.13.0 in float64; weights of classes in batches and both tiers.

`focal` and `binary_focal` are formulas of Lin et al. (2017), differentiated by PyTorch.
"""

import json
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from configs import prepared
from networks import differences, learner, mlp

from framework import Context, Data, Field, Head
from framework.core.errors import ConfigError
from framework.data.loader import DataLoader
from framework.inference.evaluation import EVALUATION_BATCH, HeadMetric, evaluate
from framework.testing import conformance
from framework.training.trainer import train
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.binary_focal import BinaryFocal
from framework_losses.focal import Focal
from framework_losses.gaussian_nll import GaussianNll
from framework_losses.huber import Huber
from framework_losses.kl_divergence import KlDivergence
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.loss import LossMetric

KNOWN = json.loads(Path(__file__).with_name("pytorch_losses.json").read_text())
Y, REAL, P = (np.array(KNOWN[name]) for name in ("y", "real", "probabilities"))
T, COLUMNS = (np.array(KNOWN[name]) for name in ("t", "columns"))
CTX = Context()
RARE = (1, 2.5, 0.5)
CASES = {
    **{f"huber {delta}": (Huber(delta), REAL) for delta in (0.5, 1.0, 3.0)},
    "kl": (KlDivergence(), P),
    "soft smoothing": (SoftmaxCrossEntropy(smoothing=0.1), P),
    "pos_weight 3": (BinaryCrossEntropy(pos_weight=3), COLUMNS),
    "pos_weight list": (BinaryCrossEntropy(pos_weight=RARE), COLUMNS),
    "focal": (Focal(), T),
    "focal alpha": (Focal(0.5, RARE), T),
    "binary_focal": (BinaryFocal(), COLUMNS),
}
for how in ("mean", "sum"):
    CASES[f"smoothing {how}"] = (SoftmaxCrossEntropy(how, 0.1), T)
    CASES[f"class_weights {how}"] = (SoftmaxCrossEntropy(how, class_weights=RARE), T)
    CASES[f"both {how}"] = (SoftmaxCrossEntropy(how, 0.2, RARE), T)


def assert_known(name, loss, dy):
    assert loss == pytest.approx(KNOWN["values"][name]["loss"], abs=1e-12)
    assert dy == pytest.approx(np.array(KNOWN["values"][name]["dy"]), abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name):
    loss, t = CASES[name]
    assert_known(name, *loss(Y, t, CTX))


def test_gaussian_nll_is_that_of_pytorch():
    loss, dy = GaussianNll()(Y[:, :2], REAL[:, :1], CTX)
    assert_known("gaussian_nll", loss, np.concatenate([dy, 0 * Y[:, 2:]], -1))


def test_huber_over_delta_is_the_smooth_absolute_error():
    loss, dy = Huber(0.5)(Y, REAL, CTX)
    assert_known("smooth_l1 0.5", loss / 0.5, dy / 0.5)


def test_focal_losses_of_gamma_0_are_cross_entropies():
    for focal, plain, t in ((Focal(0.0), SoftmaxCrossEntropy(), T), (BinaryFocal(0.0, 0.5), BinaryCrossEntropy(), COLUMNS)):
        scale = 1 if t is T else 0.5
        for found, wanted in zip(focal(Y, t, CTX), plain(Y, t, CTX), strict=True):
            assert found == pytest.approx(scale * wanted, abs=1e-15)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_losses_of_certain_outputs_are_finite(gamma):
    y, t = np.array([[800.0, 0, 0], [0, 800, 0]]), np.array([0, 0])
    for loss, target in ((Focal(gamma), t), (BinaryFocal(gamma), np.array([[1, 0, 0], [1, 0, 1]]))):
        with np.errstate(under="ignore"):
            assert all(np.isfinite(a).all() for a in loss(y, target, CTX))


CHECKED = ("gradient", "stack_law", "mask", "sequence", "tiers", "precision")
WEIGHTED = {
    "class_weights": SoftmaxCrossEntropy(class_weights=(1, 0, 3, 0.5)),
    "both": SoftmaxCrossEntropy(smoothing=0.1, class_weights=(1, 2, 3, 0.5)),
    "sum_over_time": SoftmaxCrossEntropy("sum_over_time", class_weights=(1, 2, 3, 0.5)),
    "pos_weight": BinaryCrossEntropy(pos_weight=(1, 2, 3, 0.5)),
    "alpha": Focal(alpha=(1, 2, 3, 0.5)),
}


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("check", CHECKED)
def test_weights_of_four_classes_obey_the_kit(name, check):
    (found,) = [each for each in conformance("loss", WEIGHTED[name]) if each.name == check]
    try:
        found()
    except unittest.SkipTest as why:
        pytest.fail(str(why))


def test_probabilities_of_one_class_weigh_what_the_class_does():
    loss, one_hot = SoftmaxCrossEntropy(smoothing=0.1, class_weights=RARE), np.eye(3)[T]
    for found, wanted in zip(loss(Y, one_hot, CTX), loss(Y, T, CTX), strict=True):
        assert found == pytest.approx(wanted, abs=1e-15)


def test_gradients_of_weighted_probabilities_are_differences():
    loss, y = SoftmaxCrossEntropy(smoothing=0.1, class_weights=RARE), Y.copy()
    assert loss(y, P, CTX)[1] == pytest.approx(differences(lambda: loss(y, P, CTX)[0], y), abs=1e-9)


def test_a_mask_weighs_examples_beside_their_classes():
    loss, mask = SoftmaxCrossEntropy(class_weights=RARE), np.array([0.5, 1, 0, 2])
    each = np.array([SoftmaxCrossEntropy()(Y[i : i + 1], T[i : i + 1], CTX)[0] for i in range(4)])
    weights = mask * np.array(RARE)[T]
    assert loss(Y, T, CTX, mask)[0] == pytest.approx((weights * each).sum() / weights.sum(), abs=1e-15)


def classes(n, mask=False):
    rng = np.random.default_rng(0)
    arrays, fields = {"x": rng.standard_normal((n, 3)), "y": rng.integers(0, 3, n)}, {"x": Field("NF")}
    arrays["y"][n // 2 :] = 2  # later batches have other classes
    fields["y"] = Field("N", "label", 3)
    if mask:
        arrays["mask"], fields["mask"] = rng.uniform(0, 2, n), Field("N", "mask")
    return Data({"train": arrays, "val": arrays}, fields)


@pytest.mark.parametrize("mask", [False, True])
def test_a_weighted_loss_of_a_split_is_that_of_one_batch(mask):
    loss, data, network = (
        SoftmaxCrossEntropy(smoothing=0.1, class_weights=RARE),
        classes(EVALUATION_BATCH + 300, mask),
        mlp(3),
    )
    p = {node: {name: a[None] for name, a in tensors.items()} for node, tensors in network.init(0)[0].items()}
    feed, heads = DataLoader([data], "val", np, np.float64), {"loss": Head(loss, "out")}
    found = evaluate(network, heads, {"again": HeadMetric(LossMetric(loss), "loss")}, p, feed, Context(replicas=(1,)))
    ctx = Context(replicas=(1,), batch=feed.batch(slice(0, feed.n)), train=False)
    whole, _ = heads["loss"].loss_and_gradient(network.forward(p, ctx)[0], ctx)
    assert (found["loss"], found["again"]) == (pytest.approx(whole, rel=1e-12), pytest.approx(whole, rel=1e-12))


@pytest.mark.usefixtures("compiled_quickly")
def test_weighted_losses_train_equally_in_parts_and_tiers():
    data, loss = classes(20), SoftmaxCrossEntropy(smoothing=0.1, class_weights=RARE)
    options = {"steps": 3, "shuffle": False}
    whole = learner(mlp(3), loss=loss, batch_size=20, **options)
    parts = learner(mlp(3), loss=loss, batch_size=5, accumulate=4, **options)
    runs = [(whole, "array"), (whole, "compiled"), (parts, "array"), (parts, "compiled")]
    found = [train([member], [data], [0], dtype=np.float64, tier=tier)[0].metrics["val/loss"] for member, tier in runs]
    assert found == pytest.approx(found[:1] * 4, rel=1e-12)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("loss.class_weights=[1,2]", r"loss.class_weights: there are 3 classes \(got 2 weights\); give one for each"),
        (
            "loss.class_weights=[1,-2,1]",
            r"loss: class_weights: weights are numbers from 0 on, .* \(got \[1.0, -2.0, 1.0\]\)",
        ),
        ("loss=focal loss.alpha=[1,2]", r"loss.alpha: there are 3 classes \(got 2 weights\); give one for each"),
        (
            "metrics={it:{type:loss,loss:{type:softmax_cross_entropy,class_weights:[1]}}}",
            "metrics.it.loss.class_weights: there are 3",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_before_training(overrides, message):
    with pytest.raises(ConfigError, match=message):
        prepared(f"model=mlp dataset=wine loss=softmax_cross_entropy {overrides}")


def test_weights_of_mixed_labels_need_whole_updates():
    words = "augmentation=mixup trainer.accumulate=2 trainer.batch_size=8 loss=softmax_cross_entropy"
    prepared(f"model=mlp dataset=wine {words}")
    with pytest.raises(ConfigError, match=r"the weights of the labels 'y' change, which needs trainer.accumulate=1"):
        prepared(f"model=mlp dataset=wine {words} loss.class_weights=[1,2,3]")


def test_one_weight_is_for_all_columns_or_there_is_one_for_each():
    with pytest.raises(ValueError, match=r"pos_weight: there are 3 label columns \(got 2 weights\)"):
        BinaryCrossEntropy(pos_weight=(1, 2))(Y, COLUMNS, CTX)
    with pytest.raises(ValueError, match=r"pos_weight: weights are numbers from 0 on"):
        BinaryCrossEntropy(pos_weight=-1)


def test_smoothing_of_replicas_may_differ():
    whole = SoftmaxCrossEntropy(smoothing=np.array([0.0, 0.1]))
    value, dy = whole(np.stack([Y, Y]), T[None], Context(replicas=(2,), keys=(0, 1)))
    for r, loss in enumerate((SoftmaxCrossEntropy(), replace(whole, smoothing=0.1))):
        assert value[r] == pytest.approx(loss(Y, T, CTX)[0], abs=1e-15)
        assert dy[r] == pytest.approx(loss(Y, T, CTX)[1], abs=1e-15)
