"""Plain trees as YAML and JSON: what the libraries write."""

import json
import random

import pytest
import yaml

from framework.core import yaml_text as module
from framework.core.writing import json_text
from framework.core.yaml_text import yaml_text

NUMBERS = (None, True, False, 0, 1, -7, 1.0, 1e-05, -0.0, float("inf"))
TEXTS = (
    "",
    "a",
    "seed=3",
    "/a/b,c-1",
    "08",
    "-1",
    "No",
    "NULL",
    "y",
    "=",
    "n/a",
    "12",
    "0",
    "1",
    "1.0",
    "true",
    "null",
    "~",
    "é: ü",
    "- x",
    "${model.hidden}",
    "a b " * 40,
    "two\nlines\n",
    " spaces ",
)
PLAIN = ("seed=3", "/a/b,c-1", "08", "-1", "No", "NULL", "y", "=", "n/a", "12", "0")
LEAVES = (*NUMBERS, *TEXTS, *PLAIN, "#no comment", "'quoted'", "2026-11-28", "x: y", "a\u2028b", "\x85")
KEYS = ("a", "yes", "n", "b.c", "1", "true", "long key " * 9, "longer key " * 20, "é", "x", "two\nlines", "? y", "")


def tree(rng, depth):
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(LEAVES)
    values = [tree(rng, depth - 1) for _ in range(rng.randrange(4))]
    keys = rng.sample(KEYS, len(values))
    return values if rng.random() < 0.4 else dict(zip(keys, values, strict=True))


@pytest.mark.parametrize("seed", range(150))
def test_the_text_is_that_of_pyyaml(seed):
    rng = random.Random(seed)
    top = {f"key {i}": tree(rng, 4) for i in range(rng.randrange(6))}
    for value in (top, list(top.values())):
        assert yaml_text(value) == plain(value)
        assert yaml_text({"hydra": value}) == plain({"hydra": value})


def plain(value):
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


def test_equal_numbers_of_other_types_are_not_confused():
    assert [yaml_text({"a": value}) for value in (1, 1.0, True, "1")] == ["a: 1\n", "a: 1.0\n", "a: true\n", "a: '1'\n"]


def test_few_parts_are_remembered(monkeypatch):
    monkeypatch.setattr(module, "MOST", 10)
    for i in range(100):
        assert yaml_text({"a": i}) == f"a: {i}\n"
    assert len(module._parts) <= 10


@pytest.mark.parametrize("seed", range(50))
def test_json_with_a_line_for_each_entry_says_the_same(seed):
    rng = random.Random(seed)
    top = {f"key {i}": tree(rng, 4) for i in range(rng.randrange(6))}
    assert repr(json.loads(json_text(top))) == repr(json.loads(json.dumps(top)))
    assert json_text(top).count("\n") >= 1 + len(top)


def test_json_has_a_line_for_each_entry():
    assert json_text({"a": 1, "b": {"c": [1, {"d": None}], "é": 0.5}}) == (
        '{\n  "a": 1,\n  "b": {\n    "c": [1, {"d": null}],\n    "\\u00e9": 0.5\n  }\n}\n'
    )
    assert json.loads(json_text({"a": {1: "x"}})) == {"a": {"1": "x"}}
