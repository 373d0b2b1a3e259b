"""The guide to forecasting can be followed."""

import re
import shlex
from pathlib import Path

import pytest

import framework
from framework.cli.command_line import execute

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "forecasting.md").read_text()


@pytest.mark.slow
def test_the_guide_to_forecasting_can_be_followed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(first, {})
    train, forecast = (shlex.split(words)[1:] for words in re.findall(r"^\$ (.*)$", PAGE, re.M))
    naive = framework.run(*train, "trainer.steps=2", "tracking=none").last
    for name in ("last_value", "period_ago"):
        for split in ("val", "test"):
            assert f"{name.replace('_', ' ')} {naive[f'baseline/{name}/{split}/loss']:.4g}" in PAGE
    capsys.readouterr()
    assert execute(forecast) == 0
    rows = capsys.readouterr().out.splitlines()
    exec(second, {})
    assert (rows[0], len(rows)) == ("step,temperature", 21)
    assert f"[[{float(rows[1].split(',')[1]):.3f}"[:6] in capsys.readouterr().out
