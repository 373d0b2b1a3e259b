"""Augmentations of whole batches: mixup and cutmix with their soft labels, and somebody else's masked words."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from configs import assembled
from networks import distance, learner, lone
from stack_law import assert_law

from framework import Context, Data, Field, Network
from framework.config.options import TrainerOptions
from framework.core.errors import ConfigError
from framework.inference.evaluation import HeadMetric
from framework.testing import conformance
from framework.testing.double import Double
from framework.training.step import Batch, TrainState
from framework.training.trainer import train
from framework_augmentations.cutmix import Cutmix
from framework_augmentations.mixup import Mixup
from framework_augmentations.noise import Noise
from framework_layers.dense import Dense
from framework_layers.embedding import Embedding
from framework_layers.flatten import Flatten
from framework_losses.binary_cross_entropy import BinaryCrossEntropy
from framework_losses.half_squared_error import HalfSquaredError
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_metrics.accuracy import Accuracy
from framework_optimizers.sgd import Sgd

RNG = np.random.default_rng(0)
IMAGES = {"x": Field("NCHW"), "y": Field("N", "label", 3), "mask": Field("N", "mask")}


def batch(n=6):
    return {"x": RNG.standard_normal((n, 2, 6, 4)), "y": RNG.integers(0, 3, n), "mask": RNG.uniform(1, 2, n)}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("draw", ["batch", "example"])
def test_mixup_is_the_papers_formula(draw):
    given = batch()
    found = Mixup(0.7, draw)(given, rng(), IMAGES)
    same = rng()
    j = same.permutation(6)
    share = same.beta(0.7, 0.7, 6) if draw == "example" else np.full(6, same.beta(0.7, 0.7))
    t = np.eye(3)[given["y"]]
    assert np.allclose(
        found["x"], share[:, None, None, None] * given["x"] + (1 - share)[:, None, None, None] * given["x"][j]
    )
    assert np.allclose(found["y"], share[:, None] * t + (1 - share[:, None]) * t[j])
    assert np.allclose(found["mask"], share * given["mask"] + (1 - share) * given["mask"][j])


def test_without_alpha_nothing_is_mixed():
    given = batch()
    for made in (Mixup(0), Cutmix(0), Cutmix(1, probability=0)):
        found = made(given, rng(), IMAGES)
        assert np.array_equal(found["x"], given["x"])
        assert np.array_equal(found["y"], np.eye(3)[given["y"]])


def test_cutmix_labels_have_the_parts_of_the_image():
    areas = []
    for seed in range(200):
        given = {"x": np.arange(5.0)[:, None, None, None] * np.ones((5, 2, 6, 4)), "y": np.arange(5)}
        fields = {"x": Field("NCHW"), "y": Field("N", "label", 5)}
        found = Cutmix()(given, rng(seed), fields)
        for x, t in zip(found["x"], found["y"], strict=True):
            parts = np.array([(x[0] == k).mean() for k in range(5)])
            assert np.array_equal(x[0], x[1])
            assert t == pytest.approx(parts)
        areas.append(1 - found["y"].max())
    assert 0 in areas
    assert max(areas) > 0.3


def data(n=24, classes=3, real=False):
    r = np.random.default_rng(1)
    y = r.standard_normal((n, 1)) if real else r.integers(0, classes, n)
    splits = {"x": r.standard_normal((n, 1, 4, 4)), "y": y}
    about = {"x": Field("NCHW"), "y": Field("NF") if real else Field("N", "label", classes)}
    return Data({"train": splits, "val": {k: a[:8] for k, a in splits.items()}}, about)


def member(augmentations, loss=None, outputs=3, held=None, **options):
    net = Network({"flat": Flatten(), "out": Dense(outputs)}, (held or data()).shapes())
    made = learner(net, Sgd(0.1), loss or SoftmaxCrossEntropy(), **{"steps": 12, "batch_size": 8, **options})
    return replace(made, augmentations=augmentations, measures={"accuracy": HeadMetric(Accuracy(), "loss")})


BOTH = {"noise": Noise(0.1), "cutmix": Cutmix(), "mixup": Mixup(0.5)}


def test_a_batch_has_soft_labels_and_validation_has_classes():
    stack = TrainState([member(BOTH)] * 2, [data()], [0, 1], np, np.float64)
    found = stack.batch(Batch(np.arange(8)[None]), step=3)
    assert stack.soft == ("y",)
    assert found["y"].shape == (2, 8, 3)
    assert found["y"].sum(-1) == pytest.approx(np.ones((2, 8)))
    assert stack.feeds["val"].batch(slice(0, 4))["y"].shape == (1, 4)


def test_metrics_compare_with_the_most_likely_class():
    heads, t = member({}).heads, np.array([[0.1, 0.7, 0.2], [0.4, 0.3, 0.3]])
    values, ctx = {"out": np.array([[0, 1.0, 0], [0, 0, 1.0]])}, Context(batch={"y": t}, soft=("y",))
    assert HeadMetric(Accuracy(), "loss").count(heads, values, ctx).tolist() == [1, 2]


def test_a_stack_of_mixed_batches_trains_as_its_members_alone():
    members = [member({"mixup": Mixup(alpha), "cutmix": Cutmix()}) for alpha in (0.2, 1.0, 0.2)]
    outcomes = assert_law(members, data(), keys=[0, 0, 5])
    assert distance(outcomes[0], outcomes[1]) > 1e-4
    assert_law([member(BOTH, accumulate=2)] * 2, data(), keys=[0, 3])


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "batch_size": 5}])
def test_both_tiers_train_the_same_with_soft_labels(options):
    made = [replace(member(BOTH, **options), options=TrainerOptions(steps=12, batch_size=5)) for _ in range(2)]
    array, compiled = (train(made, [data()], [0, 1], dtype=np.float64, tier=tier) for tier in ("array", "compiled"))
    for a, b in zip(array, compiled, strict=True):
        assert distance(a, b) < 1e-12
        assert a.metrics == pytest.approx(b.metrics, abs=1e-12)


def test_a_resumed_training_with_soft_labels_is_the_same():
    snapshots = {}
    made = [member(BOTH, checkpoint_every=5)] * 2

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain)

    whole = train(made, [data()], [1, 2], save=save)
    again = train(made, [data()], [1, 2], resume=snapshots[5])
    assert [distance(a, b) for a, b in zip(whole, again, strict=True)] == [0, 0]


def test_one_output_reads_the_probability_of_class_1():
    held = data(classes=2)
    made = member({"mixup": Mixup(1.0)}, BinaryCrossEntropy(), 1, held)
    stack = TrainState([made], [held], [0], np, np.float64)
    y = stack.batch(Batch(np.arange(8)[None]), 0)["y"]
    assert y.shape == (1, 8, 1)
    assert ((y > 0) & (y < 1)).any()
    assert 1 in y.round(12)
    assert lone(made, held).metrics["train/accuracy"] > 0.3


def test_real_targets_are_mixed_too():
    held = data(real=True)
    made = replace(member({"mixup": Mixup(1.0)}, HalfSquaredError(), 1, held), measures={})
    stack = TrainState([made], [held], [0], np, np.float64)
    assert stack.soft == ()
    assert not np.isin(stack.batch(Batch(np.arange(8)[None]), 0)["y"], held.splits["train"]["y"]).any()


def test_soft_labels_reach_a_device_and_nothing_comes_back():
    xp = Double()
    stack = TrainState([member(BOTH)] * 2, [data()], [1, 2], xp, np.float32)
    before = xp.to_host
    found = stack.batch(Batch(np.arange(16).reshape(2, 8)), 0)
    assert (found["y"].shape, found["y"].dtype) == ((2, 8, 3), np.float32)
    assert xp.to_host == before


# ---- somebody else's ----

WORDS = Data(
    {"train": {"x": RNG.integers(1, 7, (12, 4)), "y": np.zeros((12, 4), int), "mask": np.ones((12, 4))}},
    {"x": Field("NT", "id", 7), "y": Field("NT", "label", 7), "mask": Field("NT", "mask")},
)


@dataclass(frozen=True)
class MaskWords:
    """Replaces words by the id 0; the targets are the words, and only the replaced ones count (Devlin et al. 2019)."""

    whole_batch: ClassVar[bool] = True
    rate: float = 0.5

    def __call__(self, batch, rng, fields):
        hidden = rng.uniform(size=batch["x"].shape) < self.rate
        return {"x": np.where(hidden, 0, batch["x"]), "y": batch["x"], "mask": batch["mask"] * hidden}


def words(augmentation, **options):
    net = Network({"words": Embedding(4, 7), "out": Dense(7)}, WORDS.shapes())
    made = learner(net, Sgd(0.5), SoftmaxCrossEntropy(), steps=20, batch_size=6, **options)
    return replace(made, augmentations={"masked": augmentation})


def test_masked_words_become_the_targets():
    stack = TrainState([words(MaskWords())], [WORDS], [0], np, np.float64)
    rows = np.arange(6)[None]
    found, plain = stack.batch(Batch(rows), 0), stack.feeds["train"].batch(rows)
    hidden = found["x"] == 0
    assert 0 < hidden.mean() < 1
    assert np.array_equal(found["y"], plain["x"])
    assert np.array_equal(found["mask"], hidden)


@pytest.mark.usefixtures("compiled_quickly")
def test_masked_words_train_the_same_in_both_tiers():
    array, compiled = (lone(words(MaskWords()), WORDS, tier=tier) for tier in ("array", "compiled"))
    assert distance(array, compiled) < 1e-12


@dataclass(frozen=True)
class Changes:
    """Returns what it is given."""

    given: dict
    whole_batch: ClassVar[bool] = True

    def __call__(self, batch, rng, fields):
        return {name: make(batch) for name, make in self.given.items()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"z": lambda b: b["x"]}, r"augmentation\.masked: 'z' is not a field of the data"),
        ({"x": lambda b: b["x"] * 0.5}, r"augmentation\.masked: 'x' must stay integers \(got float64\)"),
        ({"x": lambda b: b["x"][:1]}, r"augmentation\.masked: it changes the shape \(4, 2\) to \(1, 2\); keep the shape"),
        ({"x": lambda b: b["x"] + 7}, r"augmentation\.masked: 'x' has values from .*; allowed: 0 \.\.\. 6"),
        ({"y": lambda b: b["y"] * 0.5}, r"'y' has the shape \(4, 2\); as probabilities of classes, \(4, 2, 7\)"),
    ],
)
def test_what_it_returns_is_checked_before_training(given, expected):
    with pytest.raises(ValueError, match=expected):
        lone(words(Changes(given)), WORDS)


def test_ids_out_of_range_in_a_later_batch_are_rejected():
    with pytest.raises(ValueError, match=r"augmentation: 'x' has values from 8 to 8; allowed: 0 \.\.\. 6"):
        lone(words(Changes({"x": lambda b: b["x"] * 0 + (8 if b["x"].shape[1] > 2 else 0)})), WORDS)


# ---- configured ----

CNN = "model/layers: {flat: flatten, out: {type: dense, units: auto}}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            f"{{dataset: digits, {CNN}, augmentation: [mixup], loss: half_squared_error}}",
            "half_squared_error|HalfSquaredError needs targets of kind real",
        ),
        ("{augmentation: [cutmix]}", r"augmentation\.cutmix: it works on NCHW, but the first field 'x' is NF"),
    ],
)
def test_data_that_cannot_be_mixed_are_told_before_training(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        assembled(changes)


def test_sequences_and_ids_are_not_mixed():
    with pytest.raises(
        ValueError, match=r"augmentation\.masked: it works on N or NF or NCHW, but the first field 'x' is NT"
    ):
        lone(words(Mixup()), WORDS)
    held = data()
    held = replace(held, fields={**held.fields, "id": Field("N", "id", 5)})
    splits = {name: {**split, "id": 0 * split["y"]} for name, split in held.splits.items()}
    with pytest.raises(ValueError, match=r"augmentation\.mixup: it mixes numbers and labels .* the field 'id' holds ids"):
        lone(member({"mixup": Mixup()}), replace(held, splits=splits))


def test_a_loss_without_soft_labels_is_told_with_those_that_have():
    @dataclass(frozen=True)
    class Hard:
        targets: ClassVar[tuple[str, ...]] = ("label",)

        def __call__(self, y, t, ctx, mask=None):
            return SoftmaxCrossEntropy()(y, t, ctx, mask)

    expected = (
        r"augmentation\.mixup: the labels 'y' become probabilities of classes, which the loss Hard does not take; losses"
    )
    with pytest.raises(
        ConfigError, match=f"{expected} that do: binary_cross_entropy, cross_entropy, mse, softmax_cross_entropy"
    ):
        lone(member({"mixup": Mixup()}, Hard()), data())


def test_a_mask_that_changes_does_not_go_with_accumulated_gradients():
    with pytest.raises(
        ConfigError, match=r"augmentation\.masked: the mask 'mask' changes, which needs trainer\.accumulate=1"
    ):
        lone(words(MaskWords(), accumulate=2), WORDS)


@dataclass(frozen=True)
class InPlace(Mixup):
    """Mixes the batch itself."""

    def __call__(self, batch, rng, fields):
        batch["x"][...] = batch["x"][rng.permutation(len(batch["x"]))]
        return {"x": batch["x"]}


@dataclass(frozen=True)
class Sometimes(Mixup):
    """Returns the labels only now and then."""

    def __call__(self, batch, rng, fields):
        found = super().__call__(batch, rng, fields)
        return found if rng.uniform() < 0.5 else {"x": found["x"]}


@dataclass(frozen=True)
class Global(Mixup):
    """Draws from another generator."""

    def __call__(self, batch, rng, fields):
        return super().__call__(batch, np.random.default_rng(), fields)


@pytest.mark.parametrize(("wrong", "name"), [(InPlace(), "pure"), (Sometimes(), "changes"), (Global(), "seeded")])
def test_the_kit_catches_a_wrong_augmentation_of_batches(wrong, name):
    check = next(check for check in conformance("augmentation", wrong) if check.name == name)
    with pytest.raises(AssertionError):
        check()


def test_the_kit_passes_masked_words():
    for check in conformance("augmentation", MaskWords()):
        check()
