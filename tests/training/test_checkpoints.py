"""What a later process goes on from."""

from dataclasses import replace

import numpy as np
import pytest
from spirals import get, learner, trained

from framework.config.options import EarlyStopping
from framework.core.errors import CheckpointError
from framework.inference.evaluation import HeadMetric
from framework.tracking import checkpoint as checkpoints

STACKS = {
    "one, adam": [learner("adam", checkpoint_every=1)],
    "three, nag": [learner("nag", lr, checkpoint_every=1) for lr in (0.01, 0.02, 0.03)],
    "accumulated, with rows of a metric": [
        replace(
            learner("momentum", accumulate=2, batch_size=8, checkpoint_every=1),
            measures={"roc_auc": HeadMetric(get("metric", "roc_auc")(), "loss")},
        )
    ],
    "some stop, one diverges, under probes": [
        replace(
            learner("sgd", lr, early_stopping=EarlyStopping(patience=1), epochs=12, checkpoint_every=1, probe_every=3),
            probes={name: get("probe", name)() for name in ("dead", "update_ratio", "sensitivity")},
        )
        for lr in (0.5, 1e30, 1e-4)
    ],
}


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS.keys())
def test_a_resumed_training_equals_the_uninterrupted_one_bit_by_bit(stack, tmp_path):
    whole, lines, snapshots = trained(stack)
    assert len(snapshots) > 5
    for step, (arrays, plain, heard_before) in snapshots.items():
        checkpoints.save(tmp_path / "c.npz", arrays, plain)
        again, later, _ = trained(stack, checkpoints.load(tmp_path / "c.npz"))
        assert repr(later) == repr(lines[heard_before:]), f"resumed at step {step}"
        for one, other in zip(whole, again, strict=True):
            assert (one.status, one.step, one.best_epoch, one.epoch) == (
                other.status,
                other.step,
                other.best_epoch,
                other.epoch,
            )
            assert repr(one.metrics) == repr(other.metrics)
            for node, tensors in one.weights.items():
                for name, a in tensors.items():
                    assert np.array_equal(a, other.weights[node][name], equal_nan=True)


def test_a_snapshot_of_a_network_with_other_tensors_is_refused():
    arrays, plain, _ = trained([learner(checkpoint_every=1)])[2][3]
    w, b, *others = plain["tensors"]  # as if the layer had listed them in another order, in as many numbers
    with pytest.raises(CheckpointError, match=r"it has hidden\.b \(1, 6\) where the network now has hidden\.W \(2, 6\)"):
        trained([learner()], (arrays, {**plain, "tensors": [b, w, *others]}))


def written(tmp_path):
    path = tmp_path / "checkpoint.npz"
    checkpoints.save(
        path, {"w": np.arange(1000.0), "n": np.arange(3)}, {"step": 7, "latest": {0: {"val/loss": float("nan")}}}
    )
    return path


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    arrays, plain = checkpoints.load(written(tmp_path))
    assert plain["step"] == 7
    assert np.array_equal(arrays["w"], np.arange(1000.0))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_checkpoint_is_readable_without_pickle_by_anybody(tmp_path):
    with np.load(written(tmp_path), allow_pickle=False) as file:
        assert set(file.files) == {"about", "w", "n"}


@pytest.mark.parametrize("keep", [0, 1, 100, 4000, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: not a complete checkpoint"):
        checkpoints.load(path)


def test_a_changed_file_is_refused(tmp_path):
    path = written(tmp_path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["w"][3] = 0
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError, match="its checksum does not match"):
        checkpoints.load(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 hello"])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(CheckpointError):
        checkpoints.load(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", w=np.ones(3))
    with pytest.raises(CheckpointError):
        checkpoints.load(tmp_path / "y.npz")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="this checkpoint does not exist"):
        checkpoints.load(tmp_path / "z.npz")
