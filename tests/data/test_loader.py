"""Splits and batches."""

import numpy as np
import pytest

from framework import Data, Field, discover, generator, split_at_random
from framework.data.loader import BatchSampler, DataLoader
from framework_datasets.sentiment import GOOD, NEGATIONS, WORDS, Sentiment

FIELDS = {
    "x": Field("NF"),
    "s": Field("NTF"),
    "ids": Field("NT", "id", 9),
    "y": Field("N", "label", 3),
    "mask": Field("N", "mask"),
}


def arrays(seed, n=6):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.standard_normal((n, 2)),
        "s": rng.standard_normal((n, 4, 3)),
        "ids": rng.integers(0, 9, (n, 4)),
        "y": rng.integers(0, 3, n),
        "mask": rng.integers(0, 2, n),
    }


def feed(*seeds, dtype=np.float64):
    return DataLoader([Data({"train": arrays(seed)}, FIELDS) for seed in seeds], "train", np, dtype)


def rows(n, size, keys, epoch=1, shuffle=True):
    return list(BatchSampler(n, size, keys, epoch, shuffle))


def test_an_epoch_visits_every_example_of_every_replica_once():
    batches = rows(10, 4, (0, 1, 2))
    assert [b.shape for b in batches] == [(3, 4), (3, 4), (3, 2)]
    assert np.array_equal(np.sort(np.concatenate(batches, 1), 1), np.arange(10) * np.ones((3, 1)))


def test_every_replica_has_its_own_order_wherever_it_stands():
    together = np.concatenate(rows(10, 4, (5, 6, 7)), 1)
    assert len({tuple(order) for order in together.tolist()}) == 3
    for r, key in enumerate((5, 6, 7)):
        assert np.array_equal(np.concatenate(rows(10, 4, (key,)), 1)[0], together[r])


def test_every_epoch_has_a_new_order_and_the_same_one_when_asked_again():
    first, second, again = (np.concatenate(rows(10, 4, (0,), epoch), 1) for epoch in (1, 2, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again)


def test_the_order_does_not_depend_on_the_batch_size():
    assert np.array_equal(np.concatenate(rows(10, 3, (0,)), 1), np.concatenate(rows(10, 5, (0,)), 1))


def test_replicas_with_one_key_share_the_batch():
    assert [b.shape for b in rows(10, 4, (3, 3, 3))] == [(1, 4), (1, 4), (1, 2)]


def test_without_shuffling_batches_are_slices():
    assert rows(10, 4, (0, 1), shuffle=False) == [slice(0, 4), slice(4, 8), slice(8, 12)]


def test_a_batch_of_everything_is_one_slice():
    assert rows(10, 10, (0, 1)) == [slice(0, 10)]
    assert len(rows(10, 99, (0, 1))) == 1


def test_replicas_that_stop_in_the_middle_of_an_epoch_leave_the_others_their_order():
    order = BatchSampler(10, 4, (5, 6, 7), 1)
    seen = iter(order)
    next(seen)
    order.keep_replicas(np.array([True, False, True]))
    assert np.array_equal(next(seen), rows(10, 4, (5, 6, 7))[1][[0, 2]])


def test_an_order_that_all_share_stays():
    order = BatchSampler(10, 4, (5, 5, 5), 1)
    order.keep_replicas(np.array([True, False, True]))
    assert [b.shape for b in order] == [(1, 4), (1, 4), (1, 2)]


def test_a_shared_set_has_one_replica_axis_of_length_one():
    batch = feed(0).batch(slice(1, 4))
    assert {name: a.shape for name, a in batch.items()} == {
        "x": (1, 3, 2),
        "s": (1, 4, 3, 3),
        "ids": (1, 4, 3),
        "y": (1, 3),
        "mask": (1, 3),
    }


def test_sequences_come_time_major():
    batch, raw = feed(0).batch(slice(1, 4)), arrays(0)
    assert np.array_equal(batch["s"][0], raw["s"][1:4].swapaxes(0, 1))
    assert np.array_equal(batch["ids"][0], raw["ids"][1:4].T)


@pytest.mark.parametrize("chosen", [np.array([[4, 0], [1, 1]]), np.array([[5, 2]])], ids=["own rows", "common rows"])
def test_rows_of_a_shared_set(chosen):
    batch, raw = feed(0).batch(chosen), arrays(0)
    for r, some in enumerate(chosen):
        assert np.array_equal(batch["x"][r], raw["x"][some])
        assert np.array_equal(batch["s"][r], raw["s"][some].swapaxes(0, 1))
        assert np.array_equal(batch["y"][r], raw["y"][some])


@pytest.mark.parametrize(
    "chosen", [np.array([[4, 0], [1, 1]]), np.array([[5, 2]]), slice(2, 4)], ids=["own", "common", "slice"]
)
def test_a_set_for_each_replica(chosen):
    batch = feed(0, 1).batch(chosen)
    for r in range(2):
        some = chosen if isinstance(chosen, slice) else chosen[r % len(chosen)]
        assert np.array_equal(batch["x"][r], arrays(r)["x"][some])
        assert np.array_equal(batch["s"][r], arrays(r)["s"][some].swapaxes(0, 1))


def test_real_numbers_and_masks_take_the_precision_and_the_others_stay_integers():
    batch = feed(0, dtype=np.float32).batch(slice(0, 2))
    assert {name: a.dtype for name, a in batch.items()} == {
        "x": np.float32,
        "s": np.float32,
        "ids": np.int64,
        "y": np.int64,
        "mask": np.float32,
    }


def test_a_feed_drops_replicas_with_a_set_of_their_own():
    own, shared = feed(0, 1, 2), feed(0)
    keep = np.array([True, False, True])
    own.keep_replicas(keep)
    shared.keep_replicas(keep)
    assert np.array_equal(own.batch(slice(0, 6))["x"], np.stack([arrays(0)["x"], arrays(2)["x"]]))
    assert shared.batch(slice(0, 6))["x"].shape == (1, 6, 2)


def test_shapes_are_without_examples_and_with_an_open_length():
    data = Data({"train": arrays(0)}, FIELDS)
    assert data.shapes() == {"x": (2,), "s": (None, 3), "ids": (None,), "y": (), "mask": ()}


def test_a_split_shares_examples_out_once():
    x = np.arange(20)
    parts = split_at_random({"x": x, "y": 10 * x}, generator(0, "split"), 0.25, 0.1)
    assert {name: len(part["x"]) for name, part in parts.items()} == {"train": 13, "val": 5, "test": 2}
    assert np.array_equal(np.sort(np.concatenate([part["x"] for part in parts.values()])), x)
    for part in parts.values():
        assert np.array_equal(part["y"], 10 * part["x"])


def test_a_split_depends_on_its_stream_alone():
    first, same, other = (split_at_random({"x": np.arange(50)}, generator(seed, "split"), 0.2, 0.2) for seed in (0, 0, 1))
    assert np.array_equal(first["val"]["x"], same["val"]["x"])
    assert not np.array_equal(first["val"]["x"], other["val"]["x"])


def test_empty_splits_are_left_out():
    assert list(split_at_random({"x": np.arange(4)}, generator(0, "split"), 0, 0)) == ["train"]
    assert list(split_at_random({"x": np.arange(4)}, generator(0, "split"), 0.1, 0.25)) == ["train", "test"]


def test_nothing_left_for_training_is_refused():
    with pytest.raises(ValueError, match="5 examples to validate and 5 to test leave none of 10 for training"):
        split_at_random({"x": np.arange(10)}, generator(0, "split"), 0.5, 0.5)


@pytest.mark.parametrize(
    ("axes", "kind", "message"),
    [("NX", "real", "unknown axes 'NX'; allowed:"), ("N", "int", "unknown kind 'int'; allowed:")],
)
def test_unknown_axes_and_kinds_are_refused(axes, kind, message):
    with pytest.raises(ValueError, match=message):
        Field(axes, kind)


def test_sentences_praise_or_blame_with_and_without_a_negation():
    x, y, _ = Sentiment(n=800, n_val=0, n_test=0).load(generator(0, "dataset")).splits["train"].values()
    negated, good = (np.isin(x, [WORDS.index(w) for w in words]).any(1) for words in (NEGATIONS, GOOD))
    assert y.tolist() == (negated != good).tolist()
    assert [np.mean((negated == a) & (good == b)) for a in (0, 1) for b in (0, 1)] == pytest.approx([1 / 4] * 4, abs=0.05)


def test_points_of_a_spiral_lie_on_its_turns():
    spirals = discover().get("dataset", "spirals")
    data = spirals(n=50, classes=3, turns=1.25, noise=0.0, val=0.0, test=0.0).load(generator(0, "dataset")).splits["train"]
    (u, v), y = data["x"].T, data["y"]
    angle = 2 * np.pi * (1.25 * np.hypot(u, v) + y / 3)  # from the centre to the rim, 1.25 revolutions
    np.testing.assert_allclose([u, v], np.hypot(u, v) * [np.cos(angle), np.sin(angle)], atol=1e-12)


def test_the_noise_of_a_spiral_has_its_standard_deviation():
    spirals = discover().get("dataset", "spirals")
    clean, noisy = (
        spirals(n=2000, noise=noise, val=0.0, test=0.0).load(generator(0, "dataset")).splits["train"]["x"]
        for noise in (0.0, 0.3)
    )
    assert (noisy - clean).std() == pytest.approx(0.3, rel=0.05)
