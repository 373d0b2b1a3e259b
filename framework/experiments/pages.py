"""The page of a run or a sweep in the tracking UI, as Markdown: result, command, differences, notes, metrics, figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from framework.config.diff import differences
from framework.core.direction import lower_is_better
from framework.core.errors import ConfigError, DataError
from framework.tracking.edits import LONGEST, METRICS, notes_section
from framework.tracking.metrics_file import LazySeries
from framework.tracking.naming import about_of
from framework.tracking.run_dir import read_state, tree_of_run

ROWS = 20  # differences that are listed
ENDS = {
    "finished": "Finished",
    "stopped_early": "Stopped early",
    "pruned": "Pruned",
    "diverged": "Diverged",
    "killed": "Killed",
}


def of_run(
    folder: Path, metrics: Mapping[str, float], command: str, run_id: str, figures: Sequence[str], ended: Mapping[str, Any]
) -> str:
    """The page of a run.

    Args:
        command: that repeats it.
        figures: their paths among the artifacts of the run.
        ended: entries of `run.json` that are not written yet.
    """
    state = {**read_state(folder), **ended}
    rows = "\n".join(f"| {name} | {value:.5g} |" for name, value in metrics.items())
    parts = [
        result(state, metrics, best_validation(folder, state)),
        f"    {command}\n\n",
        changes(folder),
        notes_section(about_of(state).notes),
        f"{METRICS}\n\n| metric | value |\n|---|---|\n{rows}\n\n",
        pictures(run_id, figures),
    ]
    return fitted(parts)


def result(state: Mapping[str, Any], metrics: Mapping[str, float], best: str) -> str:
    """`Finished after 20 epochs (1,360 steps). Weights of epoch 20: val/loss 0.11, ...`"""
    kept, status, reason = state.get("kept") or {}, str(state.get("status", "")), str(state.get("reason") or "")
    text = ENDS.get(status, status.capitalize() or "Ended")
    if kept:
        text += f" after {counted(kept.get('epochs', 0), 'epoch')} ({counted(kept.get('steps', 0), 'step')})"
    text += f": {reason}." if reason else "."
    shown = {name: value for name, value in metrics.items() if name.startswith(("val/", "test/"))} or metrics
    values = ", ".join(f"{name} {value:.4g}" for name, value in shown.items() if math.isfinite(value))
    if values and kept:
        which = "best" if kept.get("weights") == "best" else "last"
        text += f" Saved weights: {which}, epoch {kept.get('epoch')} (step {kept.get('step', 0):,}): {values}."
    elif values:
        text += f" {values}."
    return f"**{text}**{best}\n\n"


def counted(number: int, what: str) -> str:
    """`1 epoch`, `2 epochs`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def best_validation(folder: Path, state: Mapping[str, Any]) -> str:
    """The epoch and the step at which the monitored metric was best."""
    try:
        trainer = tree_of_run(folder).get("trainer") or {}
        name = str((trainer.get("early_stopping") or {}).get("monitor", "val/loss"))
        known = LazySeries(folder / "metrics.jsonl").summary(name)
    except (ConfigError, DataError, OSError, KeyError, AttributeError, ValueError):
        return ""
    best = known.lowest if lower_is_better(name, state.get("lower_is_better", {})) else known.highest
    if best is None:
        return ""
    step, value = best
    if int(step) == (state.get("kept") or {}).get("step"):
        return ""  # said already
    length = state.get("steps_per_epoch") or 0
    epoch = f"epoch {math.ceil(step / length)}, " if length else ""
    return f" Best {name}: {value:.4g} ({epoch}step {int(step):,})."


def changes(folder: Path) -> str:
    """What differs from the defaults."""
    found: list[tuple[str, str, str]] = []
    with suppress(ConfigError):
        found = differences(tree_of_run(folder))
    lines = [f"- `{key}={value}`" + (f" (default {usual})" if usual else "") for key, value, usual in found]
    if len(lines) > ROWS:
        lines = [*lines[: ROWS - 1], f"- {len(lines) - ROWS + 1} more in config.yaml"]
    return "\n".join(["Different from the defaults:\n", *lines, "\n"]) if lines else "All values are the defaults.\n\n"


def pictures(run_id: str, paths: Sequence[str]) -> str:
    """Images of the artifacts of a run; the UI serves them at an address beside its own."""
    links = [f"get-artifact?path={quote(path, safe='')}&run_uuid={run_id}" for path in paths]
    return "".join(f"![{Path(path).stem}]({link})\n\n" for path, link in zip(paths, links, strict=True))


def fitted(parts: Sequence[str], most: int = LONGEST) -> str:
    """The parts that fit into a page; of one that does not, its first lines."""
    text = ""
    for part in parts:
        room = most - len(text)
        if len(part) <= room:
            text += part
        elif "\n" in part[:room]:
            text += part[: part.rfind("\n", 0, room) + 1]
    return text
