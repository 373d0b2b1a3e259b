"""Every row of the notes on networks has a test that names it, or a line that says where it is treated."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = {"A": 21, "B": 11, "C": 15, "D": 11, "F": 8, "G": 6, "H": 9, "I": 14, "J": 23, "K": 17, "L": 5, "M": 7, "N": 13}
NAMES = " ".join(name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text()))
NAMED = set(re.findall(r"(?<=_)([A-N]\d{1,2})(?=_)", NAMES))
PAGE = (ROOT / "docs" / "lecture-notes" / "coverage.md").read_text()
LISTED = set(re.findall(r"^\| ([A-N]\d+) \|", PAGE, re.M))


@pytest.mark.parametrize("row", [f"{letter}{i}" for letter, most in ROWS.items() for i in range(1, most + 1)])
def test_a_row_is_proved_or_listed(row):
    assert row in NAMED | LISTED, f"no test begins with {row}, and docs/lecture-notes/coverage.md does not list it"
    assert row not in NAMED & LISTED, f"{row} has a test now; docs/lecture-notes/coverage.md need not list it"


def test_the_experiments_of_the_page_exist():
    for name in re.findall(r"`experiment=(\w+)`", PAGE):
        assert (ROOT / "conf" / "experiment" / f"{name}.yaml").exists(), name


@pytest.mark.parametrize("row", [f"E{i}" for i in range(1, 28)])
def test_an_erratum_is_on_its_page(row):
    assert re.search(rf"^\| {row} \|", (ROOT / "docs" / "lecture-notes" / "errata.md").read_text(), re.M)
