"""Files reach the disk: each by itself, or many together at the end."""

import json
import os

import pytest

from framework.core.writing import amend, json_text, lasting_together, write_text

BEFORE, AFTER = (json_text({"status": "finished", "metrics": {"loss": 1.0}, "tracked": value}) for value in (False, True))


def test_many_files_wait_for_the_disk_once_at_the_end(tmp_path, monkeypatch):
    waited, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (waited.append(os.fstat(descriptor).st_ino), real(descriptor)))
    write_text(tmp_path / "alone", "a")
    assert len(waited) == 1
    with lasting_together():
        for name in ("b", "c", "b"):
            write_text(tmp_path / name, name)
        write_text(tmp_path / "quick", "d", lasting=False)
        (tmp_path / "c").unlink()
        assert len(waited) == 1
    assert waited[1:] == [(tmp_path / "b").stat().st_ino]
    assert (tmp_path / "b").read_text() == "b"


def test_the_last_line_of_a_file_is_changed_in_place(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_text(path, BEFORE)
    inode = path.stat().st_ino
    assert amend(path, BEFORE, AFTER)
    assert (path.read_text(), path.stat().st_ino) == (AFTER, inode)
    write_text(path, BEFORE)
    monkeypatch.setattr(os, "ftruncate", lambda *_: os._exit(1))
    if not (child := os.fork()):
        amend(path, BEFORE, AFTER)  # the process ends between the two writes
    os.waitpid(child, 0)
    assert json.loads(path.read_text()) == json.loads(AFTER)


@pytest.mark.parametrize("content", [None, AFTER, BEFORE.replace("1.0", "2.0"), BEFORE + " "])
def test_a_file_that_another_process_has_changed_is_left(tmp_path, content):
    path = tmp_path / "run.json"
    if content is not None:
        write_text(path, content)
    assert not amend(path, BEFORE, AFTER)
    assert (path.read_text() if path.exists() else None) == content


def test_a_longer_end_is_not_written_in_place(tmp_path):
    write_text(tmp_path / "run.json", AFTER)
    assert not amend(tmp_path / "run.json", AFTER, BEFORE)
    assert (tmp_path / "run.json").read_text() == AFTER


def test_files_wait_one_by_one_where_no_thread_can_start(tmp_path, monkeypatch):
    def refused(*_):
        raise RuntimeError("can't start new thread")

    waited, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (waited.append(descriptor), real(descriptor)))
    monkeypatch.setattr("threading.Thread.start", refused)
    with lasting_together():
        for name in ("a", "b"):
            write_text(tmp_path / name, name)
    assert len(waited) == 2
