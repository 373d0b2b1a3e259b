"""Checks of commands and figures, which work on recorded runs."""

from __future__ import annotations

import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

from framework.analysis.figures import RunView
from framework.testing.choices import check_choices
from framework.testing.purity import reported, untouched, works


def check_signature(command: Any) -> None:
    """It takes the arguments of the command line, and its docstring says in one line what it does, for `stackprop --help`.

    Cannot see: what it does; the kit does not run it.
    """
    try:
        inspect.signature(command).bind([])
    except TypeError as error:
        raise AssertionError(f"it must take a list of arguments: {error}") from error
    own = vars(type(command)).get("__doc__") or ""
    assert not own.startswith(f"{type(command).__name__}("), "it has no docstring"  # that of a dataclass is its signature
    assert own.strip(), "it has no docstring"


def check_draws(figure: Any) -> None:
    """It returns a matplotlib figure, or None, for a run with metrics, a run without any, and a run that has just started.
    It changes nothing in their folders.

    Cannot see: what is drawn.
    """
    for what, lines in RUNS.items():
        with tempfile.TemporaryDirectory() as place:
            if lines is not None:
                Path(place, "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            before = _files(place)
            with untouched(figure), works(what):
                found = figure(RunView(Path(place)))
            assert found is None or hasattr(found, "savefig"), f"{what}: a {type(found).__name__}, not a matplotlib figure"
            assert _files(place) == before, f"{what}: it changed the folder of the run"


def _files(place: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(place).rglob("*") if path.is_file()}


POINTS = [{"step": step, "train/loss": 1 / step, "val/loss": 2 / step, "grad_norm/total": 1.0} for step in (1, 2, 3)]
RUNS: dict[str, Any] = {"a run with metrics": POINTS, "a run without metrics": [], "a run that has just started": None}
COMMAND = reported({"signature": check_signature})
FIGURE = reported({"draws": check_draws, "choices": check_choices({"draws": check_draws}, {"draws": check_draws})})
