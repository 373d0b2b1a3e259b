"""Files reach the disk: each by itself, or many together at the end."""

import os

from framework.core.writing import lasting_together, write_text


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
