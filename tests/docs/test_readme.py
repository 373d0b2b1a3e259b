"""The commands of the README, from the first to the last in one folder, as a reader types them."""

import re
import shlex
from pathlib import Path

import pytest
from shell import newest

from framework.cli.commands import ui

PAGE = (Path(__file__).resolve().parents[2] / "README.md").read_text()
VERBS = (
    "list",
    "compare",
    "figure",
    "report",
    "save",
    "describe",
    "summary",
    "tag",
    "evaluate",
    "diff",
    "delete",
    "predict",
    "watch",
)
HOUSES = "area,rooms,price\n" + "".join(f"{40 + 3 * i},{1 + i % 4},{100 + 7 * i + 20 * (i % 4)}\n" for i in range(40))


def commands(text):
    """The commands of a text, without their comments."""
    for line in text.splitlines():
        if match := re.match(r"(?:    |\$ )stackprop(?: (.*))?$", line):
            yield shlex.split(match[1] or "", comments=True)


def shortened(words):
    """The same command, with few training steps where it trains."""
    if words and words[0] == "delete":
        return [*words, "--yes"]  # on a terminal it asks
    if words and (words[0] in (*VERBS, "doctor", "rerun") or "sweep.resume=last" in words):
        return words
    if words and words[0] == "resume":
        return [*words[:-1], "trainer.epochs=+1"]
    by_steps = any(word.startswith(("study=", "trainer.steps=")) for word in words)
    searching = ["hydra.sweeper.n_trials=12"] if any(word.startswith("hydra/sweeper=") for word in words) else []
    return [*words, "trainer.steps=20" if by_steps else "trainer.epochs=1", *searching]


def shows_the_ui(ask, monkeypatch):
    """`stackprop ui` would show the sweep; the server itself is started in tests/cli/test_ui.py."""
    shown = []
    with monkeypatch.context() as patch:
        patch.setattr(ui, "serve", lambda place, port, found, *_: shown.extend(found.values()) or 0)
        ask("ui")
    assert ["viewStateShareKey=sweep-" in link for link in shown] == [True]


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
def test_the_commands_work_from_top_to_bottom(ask, tmp_path, monkeypatch):
    (tmp_path / "houses.csv").write_text(HOUSES)
    (tmp_path / "new.csv").write_text("area,rooms\n70,2\n90,3\n")
    start, afterwards = PAGE.split("A mistake is reported before anything runs:")
    afterwards = afterwards.split("Afterwards:")[1].split("## A layer is this")[0]
    given, printed = [*commands(start), *commands(afterwards)], {}
    for words in given:
        if words == ["ui"]:
            shows_the_ui(ask, monkeypatch)
            continue
        status, out, errors = ask(*shortened(words))
        assert status == 0, (words, errors)
        assert "Traceback" not in errors
        printed[words[0] if words else ""] = out
    assert len(given) > 25
    assert (tmp_path / "loss.pdf").is_file()
    assert (newest(tmp_path, "runs/sweep-*") / "comparison.png").is_file()
    assert len(printed["predict"].splitlines()) == 3  # a header, and a prediction for each row
