"""The tool that compares the pages on claims with what their commands measure."""

import math
import re
import shlex

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from docs._tools.claims import CELLS, OF_CELL, PAGES, check, main, plain, sections, spec, written
from docs._tools.claims_table import Estimate, agree, measured, parsed, rounded, student, tables
from framework.core.reading import read_yaml
from framework.registry.registry import conf_dir

PAGE = """# Claims

## Momentum overshoots (D4)

    stackprop experiment=momentum_or_lookahead trainer.steps=5

At the fifth step the loss of momentum is 0.0257.

| optimizer | w after 5 steps | not compared |
|---|---|---|
| sgd | {sgd} | 1 |
| momentum | **-0.0292** | 2 |
| nag | 0.0845 | 3 |
"""
KNOWN = """
momentum_or_lookahead:
  tables:
    - rows: {optimizer: 0}
      columns: [weights/out/mean, null]
  text:
    - {say: "is 0.0257", metric: train/loss, optimizer: momentum}
"""


def page(number):
    return parsed(number)


@pytest.mark.parametrize(
    ("cell", "mean", "std", "unit"),
    [
        ("0.25 ± 0.03", 0.25, 0.03, 0.01),
        ("**0.627** ± 0.089", 0.627, 0.089, 0.001),
        ("33,000 ± 3,000", 33000, 3000, 1000),
        ("7.9e-7 ± 0.7e-7", 7.9e-7, 0.7e-7, 1e-8),
        ("0 exactly", 0, None, 1),
        ("10 (the first sample)", 10, None, 1),
        ("-0.02916", -0.02916, None, 1e-5),
    ],
)
def test_a_cell_is_a_mean_and_a_deviation(cell, mean, std, unit):
    found = parsed(cell)
    assert (found.mean, found.std) == (mean, std)
    assert found.unit == pytest.approx(unit)


def test_a_cell_counts_the_seeds_with_a_value():
    found = parsed("0.82 ± 0.11 (8 of 10)")
    assert (found.mean, found.std, found.have, found.seeds) == (0.82, 0.11, 8, 10)
    assert parsed("never").mean is None
    assert parsed("diverged").mean is None
    assert parsed("") is None


def test_nan_is_a_seed_without_a_value():
    found = measured(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.mean, found.std, found.have, found.seeds) == (2, 1, 2, 4)
    assert str(found) == "2.0 ± 1.0 (2 of 4)"


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (0.34567, 0.0123, "0.346 ± 0.012"),
        (0.34567, 0.0323, "0.35 ± 0.03"),
        (1710, 960, "1700 ± 1000"),
        (7.91e-7, 0.7e-7, "7.9e-7 ± 0.7e-7"),
        (0.25, 0, "0.25"),
    ],
)
def test_the_deviation_decides_the_digits(mean, std, text):
    assert rounded(mean, std) == text


def beyond(x, freedom):
    """The probability of a value of Student's distribution beyond x, by the trapezoidal rule."""
    t = np.linspace(x, 2000, 4_000_000) if freedom < 10 else np.linspace(x, 60, 200_000)
    scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
    density = scale * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    return float(np.sum((density[1:] + density[:-1]) / 2 * np.diff(t)))


@pytest.mark.parametrize(("freedom", "within"), [(4, 0.2), (9, 0.05), (18, 0.01), (100, 0.01)])
def test_the_quantile_is_that_of_a_normal_value_at_3(freedom, within):
    assert beyond(student(freedom), freedom) == pytest.approx(math.erfc(3 / math.sqrt(2)) / 2, rel=within)


def test_three_standard_errors_of_the_difference_agree():
    now = Estimate(0.50, 0.10, 10, 10)
    limit = student(18) * (2 * 0.1**2 / 9) ** 0.5
    assert agree(Estimate(0.50 + 0.99 * limit, 0.10), now)
    assert not agree(Estimate(0.50 + 1.01 * limit, 0.10), now)


def test_one_unit_of_the_last_digit_agrees():
    now = Estimate(0.1349, 0.0, 3, 3)
    assert agree(page("0.13"), now)
    assert agree(page("0.14"), now)
    assert not agree(page("0.15"), now)
    assert not agree(page("0.138"), now)


def test_all_seeds_diverged_differs_from_none():
    assert agree(page("diverged"), measured(np.full(3, np.nan)))
    assert not agree(page("diverged"), measured(np.ones(3)))
    assert not agree(page("0.5"), measured(np.full(3, np.nan)))


def test_one_seed_of_several_has_no_standard_error():
    assert agree(page("900 (1 of 3)"), measured(np.array([800.0, np.nan, np.nan])))
    assert not agree(page("900 (1 of 3)"), measured(np.full(60, np.nan)))
    assert agree(page("0.5 ± 0.1 (8 of 10)"), measured(np.r_[np.full(7, 0.5), np.full(3, np.nan)]))
    assert not agree(page("0.5 ± 0.1"), measured(np.r_[np.full(2, 0.5), np.full(8, np.nan)]))


def test_a_standard_error_needs_no_seeds():
    now = Estimate(0.20, standard_error=0.01, have=1, seeds=1)
    assert agree(page("0.24 ± 0.01"), now)
    assert not agree(page("0.25 ± 0.01"), now)


def test_the_tables_of_a_text_are_found_in_order():
    found = list(tables("a\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\nb\n\n| z |\n|---|\n| 3 |\n"))
    assert [(table.header, table.rows) for table in found] == [(("x", "y"), (("1", "2"),)), (("z",), (("3",),))]


def test_a_column_can_give_the_value_of_a_key():
    known = {"rows": [{"metric": "val/loss"}], "over": "model.hidden", "columns": [{}, None]}
    assert list(spec(known, ("", "8", "16"), ("loss", "0.1", "0.2"), 0)) == [
        (1, {"metric": "val/loss", "over": "model.hidden", "model.hidden": "8"})
    ]


def test_every_section_with_an_experiment_is_compared():
    named = {
        name
        for path in PAGES.glob("*.md")
        for text in re.split(r"^(?=## )", path.read_text(), flags=re.M)[1:]
        for name in re.findall(r"^ {4}stackprop .*experiment=(\w+)", text, re.M)[:1]
    }
    assert named <= {section.name for section in sections()}


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.name)
def test_the_description_fits_the_page(section):
    found = list(tables(section.text))
    assert len(found) == len(section.tables)
    for table, known in zip(found, section.tables, strict=True):
        rows = (known or {}).get("rows")
        assert not isinstance(rows, list) or len(rows) == len(table.rows)
        for number, row in enumerate(table.rows if known else ()):
            cells = list(spec(known, table.header, row, number))
            assert all("metric" in cell and 0 < column < len(row) for column, cell in cells)
    for cell in section.words:
        assert " ".join(cell["say"].split()) in " ".join(section.text.split())


def swept_by(command):
    """Swept key -> its values, as the tool writes them, of a command that sweeps a preset."""
    given = dict(word.split("=", 1) for word in shlex.split(command)[1:] if word != "-m")
    preset = read_yaml(conf_dir() / "experiment" / f"{given.pop('experiment')}.yaml")
    params = preset["hydra"]["sweeper"]["params"] | given
    parser = OverridesParser.create()
    found = {key: parser.parse_override(f"{key}={value}") for key, value in params.items()}
    return {
        key: {plain(value) for value in one.sweep_string_iterator()} for key, one in found.items() if one.is_sweep_override()
    }


@pytest.mark.parametrize("section", [s for s in sections() if "experiment=" in s.text], ids=lambda section: section.name)
def test_what_a_cell_names_is_swept_by_its_command(section):
    cells = list(section.words)
    for table, known in zip(tables(section.text), section.tables, strict=True):
        for number, row in enumerate(table.rows if known else ()):
            named = spec(known, table.header, row, number)
            cells += [cell for column, cell in named if parsed(row[column]) is not None]
    assert cells
    for cell in cells:
        keys = {key: plain(value) for key, value in cell.items() if key not in (*OF_CELL, "say")}
        sweeps = swept_by(section.commands[cell.get("command", 0)])
        unknown = {key: value for key, value in keys.items() if value not in sweeps.get(key, ())}
        assert not unknown, sweeps
        assert cell.get("best") or set(sweeps) - {"seed"} == set(keys)


def test_a_section_is_run_compared_and_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "page.md").write_text(PAGE.format(sgd="0.6905"))
    (tmp_path / "cells.yaml").write_text(KNOWN)
    ours = lambda: sections(tmp_path, tmp_path / "cells.yaml")  # noqa: E731
    monkeypatch.setattr("docs._tools.claims.sections", ours)
    assert main(["momentum"], [], tmp_path / "runs", write=False, every=False) == 1
    shown = capsys.readouterr().out
    assert "momentum_or_lookahead: 4 numbers, 1 differ" in shown
    assert "sgd | w after 5 steps: page 0.6905, now 0.59: differs" in shown
    (section,) = ours()
    new = written(section, list(check(section, tmp_path / "runs", [])))  # the runs are there already
    assert "| sgd | 0.59 | 1 |" in new
    assert "| momentum | **-0.0292** | 2 |" in new


def test_every_description_has_its_section():
    assert set(read_yaml(CELLS)) == {section.name for section in sections()}
