"""The figure of a search."""

import pytest

from framework.analysis import style
from framework.analysis.figures.search import draw


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """Draws trials of one key and returns the figure."""
    found = []
    monkeypatch.setattr(style, "save", lambda fig, path: found.append(fig))

    def drawn(*losses):
        draw([{"optimizer.lr": str(10.0**-i)} for i in range(len(losses))], losses, "val/loss", 1, tmp_path / "search.png")
        found[-1].canvas.draw()
        return found[-1]

    return drawn


def test_the_first_panel_names_trials_and_the_best_so_far(figure):
    first = figure(3.0, 2.0, None, 2.5, 1.0).axes[0]
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["trial", "best so far"]
    assert list(first.lines[1].get_ydata()) == [3, 2, 2, 2, 1]
    assert all(tick == int(tick) for tick in first.get_xticks())


def test_the_other_panels_say_what_darker_dots_are(figure):
    assert figure(3.0, 2.0, 1.0).axes[1].get_title() == "darker: later trials"
