"""`stackprop new-plugin`: a distribution from the template, with its names in place."""

import ast

import pytest
from shell import stackprop

from framework.cli.commands.new_plugin import check_name, written
from framework.core.errors import ConfigError
from framework.hooks import KINDS


def test_there_is_a_component_of_every_kind():
    files = dict(written("mine", tuple(KINDS.values())))
    for hook, kind in KINDS.items():
        assert f"def {hook}(" in files[f"stackprop_mine/{kind}.py"]
        assert f"import {hook} as {hook}\n" in files["stackprop_mine/__init__.py"]
    assert "stackprop_mine/py.typed" in files
    for place, text in files.items():
        assert "template" not in place + text
        assert not place.endswith(".py") or ast.parse(text)


@pytest.mark.parametrize("kind", KINDS.values())
def test_one_kind_leaves_out_the_others(kind):
    files = dict(written("two_words", (kind,)))
    modules = {place.split("/")[-1] for place in files if place.startswith("stackprop_two_words/") and "/conf/" not in place}
    layer = {"presets.py"} if kind == "layer" else set()
    assert modules == {"__init__.py", f"{kind}.py", "py.typed", *layer}
    assert ("stackprop_two_words/conf/model/two_words.yaml" in files) == (kind == "layer")
    imported = {node.module for node in ast.parse(files["stackprop_two_words/__init__.py"]).body[1:]}
    assert imported == {f"stackprop_two_words.{kind}", *(f"stackprop_two_words.{name[:-3]}" for name in layer)}
    assert 'name = "stackprop-two-words"' in files["pyproject.toml"]


def test_the_folder_is_written_once(tmp_path):
    done = stackprop(tmp_path, "new-plugin", "mine", "--kind", "metric", "--kind", "probe")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stackprop-mine" / "stackprop_mine" / "metric.py").is_file()
    done = stackprop(tmp_path, "new-plugin", "mine")
    assert (done.returncode, done.stderr.split(";")[0]) == (2, "stackprop: stackprop-mine: this folder exists already")
    done = stackprop(tmp_path, "new-plugin", "other", "--kind", "lyer")
    assert done.stderr.startswith("stackprop: --kind: unknown kind 'lyer'; did you mean 'layer'?")
    assert not (tmp_path / "stackprop-other").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    {
        "My-Plugin": "not a name for a plugin; .*; did you mean 'my_plugin'",
        "2nd": "not a name for a plugin; .*; did you mean 'nd'",
        "class": "not a name for a plugin",
        "stackprop_mine": "not a name for a plugin; .*; did you mean 'mine'",
        "": "not a name for a plugin",
        "mlp": "stackprop has a preset of the name model/mlp; choose another name",
        "one": "layer 'one_hot' of 'framework_layers' begins with it",
    }.items(),
)
def test_a_name_that_is_wrong_or_taken_is_refused(name, why):
    with pytest.raises(ConfigError, match=f"^{name}: {why}"):
        check_name(name)
