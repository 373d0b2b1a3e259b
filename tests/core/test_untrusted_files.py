"""Files from somebody else: whatever they claim or hold, they are read within bounds, or refused in words."""

import io
import os
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from framework import DataError, open_arrays
from framework.core.memory import free_bytes, limited
from framework.core.reading import UnreadableError, parse_json, parse_yaml, read_bytes, read_text

pytestmark = pytest.mark.usefixtures("unrendered")

TOWER = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
TOWER += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
DEEP = {"lists": "[" * 200_000, "a list of lists": "- " * 200_000, "mappings": "{a: " * 200_000, "keys": "? " * 200_000}


@pytest.mark.parametrize("text", [*DEEP.values(), TOWER, "a: &a [*a]", "!!python/object:os.system x"], ids=lambda t: t[:10])
def test_yaml_is_plain_shallow_and_small(text):
    with pytest.raises(UnreadableError, match=r"^name: "):
        parse_yaml(text, "name")
    assert parse_yaml("a: &x {b: 1}\nc: *x", "name") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": ' * 200_000, "9" * 10_000, "{"], ids=lambda t: t[:6])
def test_json_is_shallow_or_an_error_in_words(text):
    with pytest.raises(UnreadableError, match=r"^name: "):
        parse_json(text, "name")


def test_only_a_file_is_read_and_no_more_than_its_bound(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"abc\xff")
    for path, told in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), ("/dev/zero", "a device")):
        with pytest.raises(UnreadableError, match=told):
            read_bytes(path)
    with pytest.raises(UnreadableError, match="it has 4 bytes; at most 3 are read"):
        read_bytes(tmp_path / "file", most=3)
    with pytest.raises(UnreadableError, match="not UTF-8"):
        read_text(tmp_path / "file")


def header(shape, dtype="<f8"):
    """The beginning of an array's file."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_an_array_holds_what_its_header_claims(tmp_path):
    claim = header((1 << 42,))
    (tmp_path / "x.npy").write_bytes(claim + b"12345678")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("x.npy", claim + b"12345678")
    for name in ("x.npy", "x.npz"):
        with pytest.raises(DataError, match=r"claims to hold 35.2 TB, but has"), open_arrays(tmp_path / name):
            pass


def test_what_is_packed_a_thousandfold_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as member:
        member.write(header((300 << 17,)))
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(DataError, match="claim to be 315 MB"), open_arrays(tmp_path / "x.npz"):
        pass


def test_a_checkpoint_that_claims_too_much_is_none(tmp_path):
    from framework.core.errors import CheckpointError
    from framework.tracking.checkpoint import load

    with zipfile.ZipFile(tmp_path / "checkpoint.npz", "w") as file:
        file.writestr("about.npy", header((1 << 42,)))
    with pytest.raises(CheckpointError, match="claims to hold"):
        load(tmp_path / "checkpoint.npz")


def test_no_more_than_the_free_memory_is_asked_for():
    with limited(), pytest.raises(MemoryError):
        np.ones(free_bytes(), np.uint8)
    assert np.ones(1 << 20, np.uint8).sum() == 1 << 20


QUICK = ["trainer.epochs=1", "tracking=none"]
HUGE = {  # a request -> the key that its message names
    "model.hidden=3000000000": "model.layers.hidden.units (3000000000)",
    "model=cnn model.layers.conv.filters=3000000000": "model.layers.conv.filters (3000000000)",
    "dataset=spirals dataset.n=3000000000": "dataset.n: 3000000000 examples",
    "dataset=linear dataset.features=3000000000": "dataset.features (3000000000)",
    "study=bias_variance study.members=1000000000": "study.members: 1000000000 must be at most",
    "-m seed=range(1000000000)": "seed: 1,000,000,000 values",
    "-m optimizer.lr=range(0,1,1e-9)": "optimizer.lr: 1,000,000,000 values",
    "-m seed=range(1000) optimizer.lr=range(0,1,1e-3)": "1,000,000",
    "-m seed=range(1,2,0)": "seed: a range with a step of 0",
}


@pytest.mark.parametrize("words", HUGE)
def test_a_request_larger_than_the_machine_names_its_key(ask, words):
    status, _, told = ask(*words.split(), *QUICK)
    assert (status, HUGE[words] in told, "Traceback" in told) == (2, True, False), told


def test_a_step_larger_than_the_memory_is_not_begun(ask, monkeypatch):
    monkeypatch.setattr("framework.training.memory.free_bytes", lambda: 1 << 20)
    status, _, told = ask("model.hidden=1000", "trainer.batch_size=all", *QUICK)
    assert (status, "(trainer.batch_size) of this layer" in told) == (2, True), told


PLACES = ("run.json", "config.yaml", "metrics.jsonl", "model.npz", "model.json", "plugins.json")


@pytest.mark.parametrize("name", PLACES)
def test_a_pipe_in_the_place_of_a_file_blocks_nothing(ask, tmp_path, name):
    assert ask("dataset=xor", *QUICK, "hydra.run.dir=runs/a")[0] == 0
    (tmp_path / "runs" / "a" / name).unlink()
    os.mkfifo(tmp_path / "runs" / "a" / name)
    (tmp_path / "x.csv").write_text("x0,x1\n0,1\n")
    for words in (("report", "runs/a"), ("predict", "runs/a", "x.csv"), ("resume", "runs/a")):
        status, _, told = ask(*words)
        assert "Traceback" not in told
        assert status == 2 or words[0] == "report" or name in ("run.json", "metrics.jsonl", "plugins.json"), (words, told)


def test_presets_are_bounded_too(ask, tmp_path):
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "tower.yaml").write_text(TOWER)
    (folder / "deep.yaml").write_text("a: " + "[" * 900)
    (folder / "words.yaml").write_text("a: '" + "${" * 3000 + "'\n")
    (folder / "large.yaml").write_text("# " + "x" * (1 << 27))
    for name in ("tower", "deep", "words", "large"):
        status, _, told = ask("--config-dir", "conf", f"experiment={name}", *QUICK)
        assert (status, "Traceback" in told) == (2, False), (name, told[:500])
        assert len(told) < 10_000
    for words in (["+a=" + "[" * 200_000], ["x=" + "{a: " * 1000]):
        status, _, told = ask(*words, *QUICK)
        assert (status, "nested more than 100 deep" in told) == (2, True), told[:500]


def test_data_come_from_files(ask, tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    os.mkfifo(tmp_path / "x.npz")
    for name in ("csv", "npz"):
        status, _, told = ask(
            f"dataset={name}", f"dataset.path=x.{name}", *(["dataset.target=y"] if name == "csv" else []), *QUICK
        )
        assert (status, "this is a pipe, not a file" in told) == (2, True), told


@pytest.mark.parametrize("known", [0, 4, 9, 10, 12])
def test_a_file_whose_size_changes_is_read_whole(tmp_path, monkeypatch, known):
    (tmp_path / "file").write_bytes(b"0123456789")
    status = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "fstat", lambda file: SimpleNamespace(st_mode=status.st_mode, st_size=known))
    assert read_bytes(tmp_path / "file") == b"0123456789"
    with pytest.raises(UnreadableError, match="bytes"):
        read_bytes(tmp_path / "file", most=8)


def test_a_file_larger_than_one_read_is_asked_for_as_a_whole(tmp_path, monkeypatch):
    asked, read = [], os.read
    monkeypatch.setattr(os, "read", lambda file, most: asked.append(most) or read(file, min(most, 1 << 22)))
    (tmp_path / "file").write_bytes(bytes(10 << 20))
    assert len(read_bytes(tmp_path / "file")) == 10 << 20
    assert asked == [(10 << 20) + 1, (6 << 20) + 1, (2 << 20) + 1]
