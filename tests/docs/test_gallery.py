"""The gallery: every picture has its command, and every command draws."""

import re
from pathlib import Path

import pytest

from docs._tools.gallery import PAGE, PICTURES, sections
from framework.analysis.figures import FIGURES, MORE
from framework.analysis.sweep_figures import KINDS
from framework.config.options import Appearance
from framework.core.options import declared

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = list(sections(PAGE.read_text()))
GUIDE = (ROOT / "docs" / "guides" / "figures-and-ui.md").read_text()


def test_the_gallery_shows_every_kind_of_figure():
    figures = [command for block in BLOCKS for command in block if command[0] == "figure"]
    assert {command[2] for command in figures} == {*FIGURES, *MORE, *KINDS}
    made = {each[3:] for command in figures for each in command if each.startswith("to=") and each.endswith(".png")}
    shown = set(re.findall(r"\(\.\./images/gallery/(\S+)\)", PAGE.read_text()))
    assert made == shown == {path.name for path in PICTURES.iterdir()}
    assert all(path.stat().st_size < 60_000 for path in PICTURES.iterdir())


def test_the_guide_names_every_figure_and_option():
    for name in {*FIGURES, *MORE, *KINDS}:
        assert re.search(rf"^\| `{name}(\.png)?` ", GUIDE, re.M), name
    for name in declared(Appearance):
        assert re.search(rf"^\| .*`{name}`.* \|", GUIDE, re.M), name


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block[0]))
def test_the_commands_of_the_gallery_run(block, ask):
    for words in block:
        more = [] if words[0] == "figure" else ["trainer.steps=20", "tracking=none"]
        more += ["seed=0"] if words[0].startswith("experiment=") else []
        status, _, errors = ask(*words, *more)
        assert status == 0, errors
