"""Whether a command is a run or a sweep."""

import pytest
from hydra._internal.hydra import Hydra
from hydra.types import RunMode

from framework.config import mode
from framework.config.mode import mode_of


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model.hidden=3", "seed=1,2"],
        ["model=lstm", "~regularizer", "+trainer.epochs=3"],
        ["dataset.path=experiment/x.csv", "name=debug"],
    ],
)
def test_most_commands_need_no_composition(words, monkeypatch):
    monkeypatch.setattr(mode, "OF_HYDRA", lambda *_: pytest.fail("composed"))
    assert mode_of(None, "config", words) is None


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=epsilon"],
        ["+experiment=epsilon"],
        ["debug=fast"],
        ["hydra.mode=MULTIRUN"],
        ["++hydra.mode=RUN"],
        ["hydra/launcher=basic"],
        ["hydra/launcher@hydra.launcher=basic"],
    ],
)
def test_what_may_choose_the_mode_is_composed(words, monkeypatch):
    monkeypatch.setattr(mode, "OF_HYDRA", lambda hydra, name, given: (hydra, name, given))
    assert mode_of("hydra", "config", words) == ("hydra", "config", words)
    assert mode_of("hydra", "own", ["seed=1"]) == ("hydra", "own", ["seed=1"])


def test_the_mode_is_the_one_that_hydra_finds():
    class Composed(Hydra):
        def __init__(self):
            pass

        def compose_config(self, **_):
            return type("Cfg", (), {"hydra": type("Part", (), {"mode": RunMode.MULTIRUN})})

    assert mode_of(Composed(), "config", ["experiment=epsilon"]) == RunMode.MULTIRUN
