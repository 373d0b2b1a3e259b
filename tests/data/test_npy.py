"""`dataset=npy`: arrays that stay on disk while a network trains on them."""

import tracemalloc

import numpy as np
import pytest
from shell import newest, stackprop

from benchmarks.mlp_step import learner
from framework import Data, DataError, discover
from framework.data.dataset import is_mapped
from framework.data.loader import DataLoader
from framework.training.trainer import train

RNG = np.random.default_rng(0)


def npy(folder, **options):
    return discover().get("dataset", "npy")(str(folder), **options)


def write(folder, **arrays):
    folder.mkdir(exist_ok=True)
    for name, a in arrays.items():
        np.save(folder / f"{name}.npy", a)
    return folder


def rows(n, features=64, dtype=np.float32):
    return RNG.standard_normal((n, features)).astype(dtype), np.arange(n) % 10


def test_splits_are_views_of_the_files(tmp_path):
    x, y = rows(10)
    data = npy(write(tmp_path / "a", x=x, y=y), val=0.2, test=0.1).load(RNG)
    assert {split: len(fields["y"]) for split, fields in data.splits.items()} == {"train": 7, "val": 2, "test": 1}
    assert all(is_mapped(a) for fields in data.splits.values() for a in fields.values())
    assert np.array_equal(data.splits["val"]["x"], x[7:9])
    assert is_mapped(DataLoader([data], "train", np, np.float32).arrays["x"])
    assert not is_mapped(x)


def test_files_of_each_split(tmp_path):
    (x, _), (more, _) = rows(10), rows(4)
    data = npy(write(tmp_path / "a", x_train=x, y_train=x[:, :2], x_test=more, y_test=more[:, :2])).load(RNG)
    assert list(data.splits) == ["train", "test"]
    assert np.array_equal(data.splits["test"]["x"], more)
    assert data.fields["y"].kind == "real"


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_D2_descent_reads_examples_from_disk(tmp_path, tier):
    x, y = rows(200)
    found = npy(write(tmp_path / "a", x=x, y=y)).load(RNG)
    held = Data({s: {k: np.array(a) for k, a in f.items()} for s, f in found.splits.items()}, found.fields)
    one, other = (train([learner(8)], [data], [0], tier=tier)[0].weights for data in (found, held))
    for node, tensors in one.items():
        for name, a in tensors.items():
            assert np.array_equal(a, other[node][name])


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_training_takes_little_of_the_memory_of_the_file(tmp_path, tier):
    n, features = 100_000, 64
    write(tmp_path / "a", y=np.zeros(n, np.int64) + np.arange(n) % 10)
    x = np.lib.format.open_memmap(tmp_path / "a" / "x.npy", "w+", np.float32, (n, features))  # a file with holes
    size = x.nbytes
    del x
    data = npy(tmp_path / "a", val=0, test=0).load(RNG)
    train([learner(1)], [data], [0], tier=tier)  # compiled and imported
    tracemalloc.start()
    train([learner(3)], [data], [0], tier=tier)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 4


def test_another_type_on_disk_is_not_copied_silently(tmp_path):
    x, y = rows(20, dtype=np.float64)
    data = npy(write(tmp_path / "a", x=x, y=y)).load(RNG)
    with pytest.raises(DataError, match=r"'x' is float64 on disk, and training reads float32.*set dtype=float64"):
        train([learner(1)], [data], [0])
    train([learner(1)], [data], [0], dtype=np.float64)


X, Y = rows(4)
FAULTS = {
    "x must be float32 or float64": {"x": X.astype(int), "y": Y},
    "y must be integers": {"x": X, "y": X.astype(float)},
    "x has 4 rows, but y has 3": {"x": X, "y": Y[:3]},
    r"y\.npy: this file does not exist": {"x": X},
    "the array is empty": {"x": X[:0], "y": Y[:0]},
}


@pytest.mark.parametrize("message", FAULTS)
def test_a_file_that_does_not_fit_is_named(tmp_path, message):
    with pytest.raises(DataError, match=message):
        npy(write(tmp_path / "a", **FAULTS[message])).load(RNG)


def test_a_damaged_file_is_named(tmp_path):
    folder = write(tmp_path / "a", x=X, y=Y)
    whole = (folder / "x.npy").read_bytes()
    for content in (whole[:-100], b"text", b""):
        (folder / "x.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"x\.npy"):
            npy(folder).load(RNG)


def test_from_the_shell_to_a_prediction(tmp_path):
    x, y = rows(60, 4)
    write(tmp_path / "a", x=x, y=y)
    done = stackprop(tmp_path, "dataset=npy", "dataset.path=a", "model=mlp", "trainer.epochs=2", "tracking=none")
    assert done.returncode == 0, done.stderr
    assert "stay on disk" in done.stderr
    np.savez(tmp_path / "new.npz", x=x[:3])
    done = stackprop(tmp_path, "predict", str(newest(tmp_path)), "new.npz")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) >= 3
    for word, message in {"dataset.path=b": "this folder does not exist", "dataset.scale=standard": "stays on disk"}.items():
        wrong = stackprop(tmp_path, "dataset=npy", "dataset.path=a", word, "tracking=none")
        assert wrong.returncode == 2
        assert message in wrong.stderr
