"""Files from somebody else: whatever they claim or hold, they are read within bounds, or refused in words."""

import os

import pytest

from framework.reading import UnreadableError, parse_json, parse_yaml, read_bytes, read_text

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
    with pytest.raises(UnreadableError, match="no UTF-8"):
        read_text(tmp_path / "file")
