"""Augmentations: what they do to images (row I12 of the notes), and to whom: the training batches, and nobody else."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from configs import assembled, judged
from networks import distance, learner, lone
from shell import stackprop
from stack_law import assert_law

from framework import Field, Network, discover, generator
from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.data.augmentation import augmented, check_augmentations
from framework.experiments.experiment import prepare
from framework.testing.double import Double
from framework.training.step import Batch, TrainState
from framework.training.trainer import train
from framework_augmentations.crop_resize import CropResize
from framework_augmentations.hflip import HorizontalFlip
from framework_augmentations.noise import Noise
from framework_augmentations.rotate import Rotate
from framework_augmentations.scale import Scale
from framework_augmentations.translate import Translate
from framework_augmentations.vflip import VerticalFlip
from framework_datasets.digits import Digits
from framework_datasets.shifted_digits import ShiftedDigits
from framework_layers.dense import Dense
from framework_layers.flatten import Flatten
from framework_losses.softmax_cross_entropy import SoftmaxCrossEntropy
from framework_optimizers.adam import Adam
from framework_optimizers.sgd import Sgd

get = discover().get
EVERY = [get("augmentation", name) for name in discover().names("augmentation")]
EVERY = [kind for kind in EVERY if not hasattr(kind, "whole_batch")]


def images(shape=(5, 2, 8, 8), dtype=np.float64):
    return np.random.default_rng(0).uniform(size=shape).astype(dtype)


def rng(seed=0):
    return np.random.default_rng(seed)


def columns(n=4, width=9):
    """An image whose pixels tell their column, counted from the middle."""
    return np.broadcast_to(np.arange(width) - (width - 1) / 2, (n, 1, width, width)).copy()


@pytest.mark.parametrize(("flip", "axis"), [(HorizontalFlip(1.0), -1), (VerticalFlip(1.0), -2)])
def test_I12_flip_twice_is_the_identity(flip, axis):
    x = images((5, 2, 7, 8))
    assert np.array_equal(flip(x, rng()), np.flip(x, axis))
    assert np.array_equal(flip(flip(x, rng()), rng()), x)


def test_a_flip_concerns_each_example_for_itself():
    x = images((400, 1, 2, 2))
    changed = (HorizontalFlip(0.25)(x, rng()) != x).any((1, 2, 3))
    assert changed.mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("frame", ["keep", "expand"])
def test_I12_four_quarter_turns_are_the_identity(dtype, side, frame):
    x = images((5, 2, side, side), dtype)
    turn = Rotate(0, centre=90, frame=frame)
    assert np.array_equal(turn(x, rng()), np.rot90(x, axes=(-2, -1)))
    y = x
    for _ in range(4):
        y = turn(y, rng())
    assert np.array_equal(y, x)


def test_I12_rotation_keeps_the_frame_and_cuts_the_corners_off():
    y = Rotate(0, centre=45)(np.ones((1, 1, 64, 64)), rng())
    assert y.shape == (1, 1, 64, 64)
    assert y[0, 0, 0, 0] == 0
    assert y.sum() == pytest.approx(64**2 * 2 * (np.sqrt(2) - 1), rel=0.01)  # the octagon that both squares share


def test_I12_rotation_expands_the_frame_and_cuts_nothing_off():
    y = Rotate(0, centre=45, frame="expand")(np.ones((1, 1, 64, 64)), rng())
    assert y.shape == (1, 1, 64, 64)
    assert y.sum() == pytest.approx(64**2 / 2, rel=0.01)  # all of it, each side shorter by the root of 2
    lying = Rotate(0, centre=90, frame="expand")(np.ones((1, 1, 4, 8)), rng())
    assert lying.sum() == pytest.approx(8, rel=0.05)  # 8 x 4 standing in 4 x 8: half as large in both directions


def test_angles_lie_in_the_range_around_the_centre():
    x = columns(400)
    y = Rotate(20, centre=10)(x, rng())
    angles = np.rad2deg(np.arctan2(y[:, 0, 3, 4] - y[:, 0, 5, 4], y[:, 0, 4, 5] - y[:, 0, 4, 3]))
    assert angles.min() == pytest.approx(-10, abs=0.5)
    assert angles.max() == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (3, 2, 5, 9), (1, 3, 1, 1)])
def test_I12_crop_and_resize_keeps_the_shape(shape):
    x = images(shape)
    y = CropResize(0.3)(x, rng())
    assert y.shape == x.shape
    assert x.min() <= y.min() <= y.max() <= x.max()
    assert np.array_equal(CropResize(1.0)(x, rng()), x)


def test_a_part_is_magnified_evenly():
    y = CropResize(0.5)(columns(), rng())[:, 0, 4, 3:6]
    slope = np.diff(y, axis=-1)
    assert np.allclose(slope[:, 0], slope[:, 1])
    assert np.all((slope > 0.5) & (slope < 1))
    assert len(np.unique(slope[:, 0])) == 4  # each example has a part of its own


@pytest.mark.parametrize(("direction", "least", "most"), [("in", 1, 1.5), ("out", 1 / 1.5, 1), ("both", 1 / 1.5, 1.5)])
def test_H7_scale_magnifies_in_out_or_both(direction, least, most):
    x = columns(400)
    s = 1 / np.diff(Scale(1.5, direction)(x, rng())[:, 0, 4, 3:5], axis=-1)
    assert s.min() == pytest.approx(least, rel=0.02)
    assert s.max() == pytest.approx(most, rel=0.02)
    assert np.array_equal(Scale(1.0)(x, rng()), x)


def test_I12_translation_fills():
    x = np.ones((200, 1, 6, 6))
    y = Translate(2, fill=-1.0)(x, rng())
    seen = {((a[0] == 1).any(1).sum(), (a[0] == 1).any(0).sum()) for a in y}
    assert seen == {(6 - v, 6 - u) for u in range(3) for v in range(3)}
    assert set(np.unique(y)) == {-1, 1}
    assert np.array_equal(Translate(2, fill="edge")(x, rng()), x)
    assert not Translate(9, fill=0.0)(x, rng(3))[:, :, 0, 0].all()


@pytest.mark.parametrize(("axis", "moves"), [("x", (False, True)), ("y", (True, False))])
def test_H7_translation_to_the_sides_or_up_and_down(axis, moves):
    x = np.zeros((50, 1, 9, 9))
    x[:, :, 4, 4] = 1
    rows, cols = np.nonzero(Translate(2, axis)(x, rng()))[-2:]
    assert ({*rows} == {2, 3, 4, 5, 6}, {*cols} == {2, 3, 4, 5, 6}) == moves
    assert {*(cols if axis == "y" else rows)} == {4}


def test_I1_black_to_white_equals_white_to_black():
    glyph = np.zeros((40, 1, 28, 28))
    glyph[:, :, 6:22, 8:11] = glyph[:, :, 6:9, 8:20] = 1  # nothing leaves the frame
    moved = Translate(2)(glyph, rng())
    to_white, to_black = (((moved - glyph) == sign).sum((1, 2, 3)) for sign in (1, -1))
    assert np.array_equal(to_white, to_black)
    assert to_white.max() > 40


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_I12_seeded(kind):
    x = images()
    assert np.array_equal(kind()(x, rng(1)), kind()(x, rng(1)))
    assert not np.array_equal(kind()(x, rng(1)), kind()(x, rng(2)))


def test_blocks_of_a_large_batch_are_those_of_its_examples():
    x = images((64, 3, 20, 20))
    for augmentation in (Translate(3), Rotate(0, centre=30), Scale(1.0)):
        alike = augmentation(np.repeat(x[40:41], 64, 0), rng())
        assert np.array_equal(augmentation(x, rng())[40], alike[40])


def test_noise_on_every_kind_of_field():
    for shape in ((6,), (50, 4), (7, 5, 3), (5, 2, 8, 8)):
        x = np.zeros(shape, np.float32)
        assert Noise(0.5)(x, rng()).shape == shape
    assert Noise(0.5)(np.zeros((100, 100)), rng()).std() == pytest.approx(0.5, rel=0.02)


# ---- in training ----

DIGITS = Digits().load(generator(0, "dataset"))
SMALL = replace(DIGITS, splits={name: {k: a[:60] for k, a in fields.items()} for name, fields in DIGITS.splits.items()})
SEVERAL = {"rotate": Rotate(20), "translate": Translate(1), "noise": Noise(0.1)}


@dataclass(frozen=True)
class Spy:
    """Keeps what it sees, and changes nothing."""

    seen: list

    def __call__(self, x, rng):
        self.seen.append(x.copy())
        return x


def network(data=SMALL):
    return Network({"flat": Flatten(), "hidden": Dense(8), "out": Dense(10)}, data.shapes())


def member(augmentations=SEVERAL, net=None, **options):
    made = learner(net or network(), Adam(0.01), SoftmaxCrossEntropy(), **{"steps": 40, **options})
    return replace(made, augmentations=augmentations)


def test_I12_labels_and_other_fields_stay_as_they_are():
    stack = TrainState([member()], [SMALL], [3], np, np.float64)
    rows = np.arange(10)[None]
    batch, plain = stack.batch(Batch(rows), step=5), stack.feeds["train"].batch(rows)
    assert np.array_equal(batch["y"], plain["y"])
    assert batch["x"].shape == plain["x"].shape
    assert not np.array_equal(batch["x"], plain["x"])


def test_I12_only_the_training_split_is_augmented():
    seen = []
    outcome = lone(member({"spy": Spy(seen)}, epochs=2, steps=None, batch_size=20), SMALL)
    of_check, *batches = seen
    assert len(of_check) == 2
    rows = {image.tobytes() for image in SMALL.splits["train"]["x"]}
    assert [len(batch) for batch in batches] == [20] * 6
    assert {image.tobytes() for batch in batches for image in batch} == rows
    assert outcome.metrics["test/loss"] > 0


def test_validation_at_the_same_weights_is_the_same_with_augmentation():
    frozen = {"lr": 1e-30}
    with_, without = (lone(replace(member(chosen), optimizer=Adam(**frozen)), SMALL).metrics for chosen in (SEVERAL, {}))
    for name in ("val/loss", "test/loss"):
        assert with_[name] == pytest.approx(without[name], abs=1e-12)


def test_a_stack_trains_as_its_members_alone():
    outcomes = assert_law([member(), member(), member()], SMALL, keys=[0, 7, (3, 1)])
    assert distance(outcomes[0], outcomes[1]) > 1e-3
    assert_law([member(batch_size=7, accumulate=3)] * 3, SMALL, keys=[0, 7, 5])
    assert_law([member(batch_size="all")] * 3, SMALL, keys=[0, 7, 5])


def test_replicas_may_differ_in_the_options_of_an_augmentation_and_in_their_data():
    degrees = [member({"rotate": Rotate(d), "translate": Translate(p)}) for d, p in ((0, 0), (30, 1), (90, 2))]
    outcomes = assert_law(degrees, SMALL, keys=[4, 4, 4])
    assert min(distance(outcomes[0], other) for other in outcomes[1:]) > 1e-3
    other = replace(SMALL, splits={name: {k: a[::-1] for k, a in f.items()} for name, f in SMALL.splits.items()})
    assert_law(degrees, [SMALL, other, SMALL], keys=[4, 4, 5])


def test_replicas_that_stop_leave_the_others_their_draws():
    members = [replace(member(), optimizer=Sgd(lr)) for lr in (1e200, 0.01, 0.02)]
    outcomes = assert_law(members, SMALL, keys=[0, 1, 2])
    assert [outcome.status for outcome in outcomes] == ["diverged", "finished", "finished"]


def test_replicas_with_one_key_share_a_batch_made_once():
    seen = []
    stack = TrainState([member({"spy": Spy(seen)})] * 3, [SMALL], [4, 4, 4], np, np.float64)
    assert stack.batch(Batch(np.arange(10)[None]), 0)["x"].shape[0] == 1
    assert len(seen) == 2  # the check, and the batch


def test_the_draw_depends_on_key_name_step_and_part_alone():
    def of(x, chosen, *when):
        return augmented({"x": x}, {"x": Field("NCHW")}, chosen, *when)["x"]

    x = images()
    first = of(x, SEVERAL, 3, 7, 1)
    assert np.array_equal(first, of(x, SEVERAL, 3, 7, 1))
    for other in ((4, 7, 1), (3, 8, 1), (3, 7, 2)):
        assert not np.array_equal(first, of(x, SEVERAL, *other))
    alone = of(of(x, {"rotate": Rotate(20)}, 3), {"noise": Noise(0.1)}, 3)
    assert np.array_equal(of(x, {"rotate": Rotate(20), "noise": Noise(0.1)}, 3), alone)


@pytest.mark.parametrize("more", [{}, {"batch_size": 8, "accumulate": 2}])
def test_a_resumed_training_equals_the_uninterrupted_one(more):
    snapshots = {}
    stack = [member(checkpoint_every=7, **more)] * 2

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain)

    whole = train(stack, [SMALL], [1, 2], save=save)
    again = train(stack, [SMALL], [1, 2], resume=snapshots[21])
    assert [distance(a, b) for a, b in zip(whole, again, strict=True)] == [0, 0]


def test_nothing_comes_back_from_the_device():
    xp = Double()
    stack = TrainState([member()] * 2, [SMALL], [1, 2], xp, np.float32)
    before = xp.to_host
    x = stack.batch(Batch(np.arange(6).reshape(2, 3)), 0)["x"]
    assert (x.shape, x.dtype) == ((2, 3, 1, 8, 8), np.float32)
    assert xp.to_host == before


def test_sequences_are_augmented_time_major():
    seen = []
    check_augmentations({"spy": Spy(seen)}, {"x": Field("NTF")}, {"x": np.zeros((9, 4, 3))})
    assert seen[0].shape == (4, 2, 3)


# ---- configured ----


def test_the_group_holds_several_in_order():
    found = assembled("{dataset: digits, model/layers: {flat: flatten, out: {type: dense, units: auto}}, "
                      "augmentation: {rotate: {degrees: 15}, hflip: {}}}")  # fmt: skip
    assert list(found.augmentations.items()) == [("rotate", Rotate(15.0)), ("hflip", HorizontalFlip())]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("{augmentation: [noise, hflip]}", r"augmentation\.hflip: it works on NCHW, but the first field 'x' is NF \(1 per"),
        ("{augmentation: [flip]}", r"augmentation\.flip\.type: unknown augmentation 'flip'; did you mean '.flip'"),
        ("{augmentation: {noise: {sigma: -1}}}", r"augmentation\.noise\.sigma: -1\.0 must be at least 0"),
    ],
)
def test_what_cannot_work_is_told_before_anything_runs(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        assembled(changes)


@pytest.mark.parametrize(
    ("augmentation", "about", "expected"),
    [
        (lambda x, rng: x[..., :-1], Field("NF"), r"augmentation\.a: it changes the shape \(2, 4\) to \(2, 3\)"),
        (lambda x, rng: x @ x, Field("NF"), r"augmentation\.a: it fails on 'x': ValueError"),
        (
            lambda x, rng: x,
            Field("NT", "id", 5),
            r"augmentation\.a: only real numbers can be augmented \(field 'x' holds ids",
        ),
    ],
)
def test_somebody_elses_augmentation_is_tried_first(augmentation, about, expected):
    with pytest.raises(ValueError, match=expected):
        check_augmentations({"a": augmentation}, {"x": about}, {"x": np.zeros((5, 4))})


def test_scales_are_those_of_the_training_split_as_it_is():
    plain, more = (
        prepare(judged(f"{{dataset: {{type: sine, n: 20, scale: standard}}, augmentation: {chosen}}}"))
        for chosen in ("null", "[noise]")
    )
    assert plain.scale.to_json() == more.scale.to_json()


@pytest.mark.slow
def test_I13_options_are_sweepable(tmp_path):
    words = ["augmentation=[hflip,rotate]", "augmentation.rotate.degrees=5,45", "augmentation.hflip.probability=0.1,0.5"]
    done = stackprop(tmp_path, "-m", *words, "debug=fast")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 4  # rows of the table


# ---- row I1: who sees through a shift ----


def test_shifted_digits_lie_in_the_middle_for_training_and_elsewhere_after():
    data = ShiftedDigits().load(generator(0, "dataset"))
    assert data.splits["train"]["x"].shape[1:] == (1, 16, 16)
    assert np.array_equal(data.splits["train"]["x"][:, :, 4:12, 4:12], DIGITS.splits["train"]["x"])
    val = data.splits["val"]["x"]
    assert val.sum((1, 2, 3)) == pytest.approx(DIGITS.splits["val"]["x"].sum((1, 2, 3)))
    assert val[:, 0, :4].any()
    assert not val[:, 0, 0].any()  # 3 of 4 pixels
    with pytest.raises(ValueError, match=r"shift: too large .got 5 pixels.; at most 4 in a frame of 16"):
        ShiftedDigits(shift=5).load(rng())


def test_I1_digits_are_zoomed_and_slanted():
    plain, same = (
        ShiftedDigits(shift=0, **more).load(generator(0, "dataset")) for more in ({}, {"zoom": 1.0, "slant": 0.0})
    )
    assert np.array_equal(plain.splits["val"]["x"], same.splits["val"]["x"])
    for more in ({"zoom": 1.5}, {"slant": 0.5}):
        made = ShiftedDigits(shift=0, **more).load(generator(0, "dataset"))
        assert np.array_equal(made.splits["train"]["x"], plain.splits["train"]["x"])
        a, b = made.splits["val"]["x"], plain.splits["val"]["x"]
        assert (a.min() >= 0, a.max() <= 1) == (True, True)
        ratio = a.sum((1, 2, 3)) / b.sum((1, 2, 3))  # ink: a size s has s^2 times as much, a slant leaves it
        if "zoom" in more:
            assert 1 / 1.5**2 - 0.1 < ratio.min() < 0.6
            assert 1.6 < ratio.max() < 1.5**2 + 0.1
        else:
            assert ratio == pytest.approx(1, abs=0.02)
            assert not np.array_equal(a, b)
            assert np.array_equal(a.sum(-1) > 0, b.sum(-1) > 0)  # rows stay where they are


QUICK = ["trainer.epochs=3", "trainer.batch_size=32", "optimizer.lr=0.003"]


def test_I1_a_convolution_sees_through_shifts_better_than_dense_layers():
    told = {}
    for model in ("mlp", "cnn"):
        words = ["dataset=shifted_digits", "dataset.train_shift=3", f"model={model}", "device=cpu", *QUICK]
        e = prepare(compose(words))
        told[model] = train([e.learner], [e.data], [0])[0].metrics["test/accuracy"]
    assert told["cnn"] >= told["mlp"] + 0.1
