"""A run's folder from somebody else may hold links; nothing is written through them."""

import os

import pytest

from framework.writing import LinkError, appending, inside, replaced, write_json, write_text


def test_a_link_is_replaced_and_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("a.json", "a.json.part"):
        (tmp_path / name).symlink_to(mine)
    write_json(tmp_path / "a.json", {"a": 1})
    assert mine.read_text() == "mine"
    assert not (tmp_path / "a.json").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.json", "mine"]


def test_what_was_there_stays_if_writing_fails(tmp_path):
    write_text(tmp_path / "a", "before")
    with pytest.raises(TypeError), replaced(tmp_path / "a") as file:
        file.writelines([b"half", None])
    assert (tmp_path / "a").read_text() == "before"
    assert os.listdir(tmp_path) == ["a"]


def test_lines_are_appended_to_files_only(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "new").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("link", "this is a link to"), ("new", "this is a link to"), ("pipe", "this is no file")):
        with pytest.raises(LinkError, match=told):
            appending(tmp_path / name)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_within_a_run_is_no_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path)
    (tmp_path / "run" / "files").touch()
    for name, told in (("figures", "this is a link to"), ("files", "this is no folder")):
        with pytest.raises(LinkError, match=told):
            inside(tmp_path / "run", name)
    assert inside(tmp_path / "run", "new").is_dir()
