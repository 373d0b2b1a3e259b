"""The notebooks of the docs run, and show what is stored in them."""

import json
import re

import pytest

from docs._tools.run_notebooks import FOLDER, executed

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# A training of 300 steps in float32 ends elsewhere on another processor; what is told of it holds all the same.
TOLERANCE = {"backpropagation_by_hand": 1e-6, "why_lstms_remember": 0.5}
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def texts(notebook):
    """What the cells printed."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return ["".join(output["text"]) for output in outputs if output["output_type"] == "stream"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_cells_give(path):
    stored, now = json.loads(path.read_text()), executed(path)
    kinds = [
        [[sorted(output.get("data", {})) for output in cell.get("outputs", [])] for cell in notebook["cells"]]
        for notebook in (stored, now)
    ]
    assert kinds[0] == kinds[1], "run docs/_tools/run_notebooks.py"
    for before, after in zip(texts(stored), texts(now), strict=True):
        assert NUMBER.sub("#", before) == NUMBER.sub("#", after)
        numbers = [[float(word) for word in NUMBER.findall(text)] for text in (before, after)]
        assert numbers[1] == pytest.approx(numbers[0], rel=TOLERANCE[path.stem], abs=1e-6)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere_and_it_names_no_place_of_a_machine(path):
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        for target in re.findall(r"\]\(([^)#]+)\)", "".join(cell["source"])):
            assert target.startswith("http") or (path.parent / target).exists(), target
    assert not [text for text in texts(notebook) if re.search(r"/(home|tmp|root|Users)/", text)]
