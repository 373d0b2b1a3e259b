"""Words that a stranger chose (classes, names of layers) are words to whoever reads them."""

import csv
import io

import pytest

from framework.core.spreadsheet import spreadsheet_safe


@pytest.mark.parametrize("word", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@sum(a1)", "\t=1", "\r=1", "\n=1", "-"])
def test_a_spreadsheet_takes_no_word_for_a_formula(word):
    assert spreadsheet_safe(word) == f"'{word}"


@pytest.mark.parametrize("word", ["-1", "+2.5", "-1e-05", "-inf", "cat", "a=b", "", "x - y"])
def test_numbers_and_plain_words_stay_as_they_are(word):
    assert spreadsheet_safe(word) == word


def test_predict_writes_classes_as_text(ask, tmp_path):
    rows = "".join(f"{i % 2},{'=cmd()' if i % 2 else 'no'}\n" for i in range(40))
    (tmp_path / "x.csv").write_text(f"x,y\n{rows}")
    assert ask("dataset=csv", "dataset.path=x.csv", "dataset.target=y", "tracking=none", "hydra.run.dir=runs/a")[0] == 0
    status, table, _ = ask("predict", "runs/a", "x.csv")
    found = list(csv.reader(io.StringIO(table)))
    assert status == 0
    assert sorted(found[0][1:]) == ["p(=cmd())", "p(no)"]
    assert {row[0] for row in found[1:]} == {"'=cmd()", "no"}
