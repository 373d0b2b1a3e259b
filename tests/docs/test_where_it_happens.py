"""The page that follows things through the code names files and functions that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "development" / "where-it-happens.md").read_text()
ROWS = [(path, name) for path, name in re.findall(r"^\| `([\w./]+)` \| (?:`([\w.]+)`)? *\|", PAGE, re.M)]
ROWS += re.findall(r"`([\w/]+\.py)`(?: \(`([\w.]+)`\))?", PAGE)


def names(path):
    """Functions, classes and their methods, as Class.method."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            yield from (
                f"{node.name}.{part.name}" for part in getattr(node, "body", []) if isinstance(part, ast.FunctionDef)
            )


@pytest.mark.parametrize(("file", "name"), dict.fromkeys(ROWS))
def test_a_named_place_exists(file, name):
    path = ROOT / file if file.split("/")[0] in ("plugins", "conf", "tests") else ROOT / "framework" / file
    assert path.is_file(), file
    assert not name or name in names(path), f"{file} has no {name}"


def test_the_page_follows_five_things():
    assert len(re.findall(r"^## A ", PAGE, re.M)) == 5
    assert len(ROWS) > 60
