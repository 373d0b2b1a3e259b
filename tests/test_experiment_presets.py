"""Every experiment that ships goes together, at both ends of what it sweeps, and shows what it sweeps."""

import re
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from framework.composing import compose
from framework.experiment import prepare

FOLDER = Path(__file__).resolve().parent.parent / "conf" / "experiment"
PRESETS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
EVERY = pytest.mark.parametrize("name", PRESETS)


def sweeps(name):
    """key -> its values, as the shell would have them."""
    params = PRESETS[name]["hydra"]["sweeper"]["params"]
    overrides = [OverridesParser.create().parse_override(f"{key}={value}") for key, value in params.items()]
    return {o.key_or_group: list(o.sweep_string_iterator()) for o in overrides}


@EVERY
@pytest.mark.parametrize("end", [0, -1])
def test_the_first_and_the_last_job_go_together(name, end):
    words = [f"{key}={values[end]}" for key, values in sweeps(name).items()]
    assert prepare(compose([f"experiment={name}", *words])).steps > 0


@EVERY
def test_the_figure_shows_swept_keys(name):
    figure = PRESETS[name]["figure"]
    assert figure.get("x", "step") in ("step", "layer", *sweeps(name))
    assert figure.get("panels") in (None, *sweeps(name))


@EVERY
def test_the_comment_says_what_is_asked(name):
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")


def test_the_docs_name_each_experiment_and_no_other():
    pages = [FOLDER.parent.parent / "README.md", *(FOLDER.parent.parent / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"^    stackprop experiment=(\w+)", page.read_text(), re.M)}
    assert named == set(PRESETS)
