"""The content of a run's report."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from framework.analysis import figures
from framework.analysis.comparison import RecordedJob
from framework.analysis.report.files import pictures, texts
from framework.config.diff import differences
from framework.core.reading import is_regular, read_text, read_yaml
from framework.tracking.locks import current_state
from framework.tracking.origins import tags as plugin_tags
from framework.tracking.thinning import summary

MEASURED = ("train/", "val/", "test/")
ENDS = {
    "finished": "good",
    "stopped_early": "good",
    "pruned": "good",
    "running": "open",
    "diverged": "bad",
    "failed": "bad",
    "killed": "bad",
    "lost": "bad",
}


def facts(folder: Path) -> dict[str, Any]:
    """The values that `page.html` shows for a run; missing figures are drawn."""
    subject, state, tree = figures.RunView(folder), current_state(folder), config(folder)
    if not pictures(folder) and not tree.get("study"):  # a study draws its own figures
        figures.draw(subject)
    traceback = folder / "traceback.txt"
    return {
        "kind": "run",
        "title": str(state.get("name") or folder.name),
        "status": status(state),
        "look": ENDS.get(str(state.get("status")), "bad"),
        "reason": str(state.get("reason") or ""),
        "traceback": read_text(traceback, errors="replace") if is_regular(traceback) and not traceback.is_symlink() else "",
        "command": str(state.get("command") or ""),
        "about": about(folder, state),
        "measured": measured(subject.series, state),
        "recorded": recorded(subject.series),
        "pictures": pictures(folder),
        "texts": texts(folder),
        "differences": differences(tree),
        "config": yaml.safe_dump(tree, sort_keys=False, allow_unicode=True),
    }


def config(folder: Path) -> dict[str, Any]:
    """The run's configuration; empty if it cannot be read."""
    try:
        return dict(read_yaml(folder / "config.yaml"))
    except (OSError, ValueError, TypeError):
        return {}


def status(state: Mapping[str, Any]) -> str:
    """The run's status for the page."""
    return str(state.get("status") or "unknown").replace("_", " ")


def about(folder: Path, state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When it ran, how long, and where."""
    began, ended = state.get("started"), state.get("ended")
    entries = [("Folder", folder.name)]
    if began:
        entries.append(("Started", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began))))
    if began and ended:
        entries.append(("Took", duration(ended - began)))
    if (state.get("kept") or {}).get("note"):
        entries.append(("Weights", str(state["kept"]["note"])))
    if state.get("steps"):
        entries.append(("Planned", f"{state['steps']:,} steps"))
    entries += [
        (name, str(state[key])) for name, key in (("MLflow run", "mlflow_run_id"), ("Version", "version")) if state.get(key)
    ]
    plugins = dict.fromkeys(plugin_tags(folder).values())
    return [*entries, ("Plugins", ", ".join(plugins))] if plugins else entries


def duration(seconds: float) -> str:
    """`3.2 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def measured(series: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Metric, value at the saved weights, best value, its step: for metrics of a split."""
    rows, kept = [], {name: float(value) for name, value in (state.get("metrics") or {}).items()}
    step = (state.get("kept") or {}).get("step", math.inf)
    saved = RecordedJob("", {}, "", series, kept, state.get("lower_is_better") or {}, step)
    for name in [name for name in series if name.startswith(MEASURED)]:
        known = summary(series, name)
        best = known.lowest if saved.lower_is_better(name) else known.highest
        has_best = best is not None and not name.startswith("test/") and not name.endswith("/penalty")
        value = number(saved.value(name, "kept"))
        rows.append((name, value, *((number(best[1]), f"{best[0]:.0f}") if has_best else ("", ""))))  # type: ignore[index]
    return sorted(rows, key=lambda row: MEASURED.index(row[0].partition("/")[0] + "/"))


def recorded(series: Mapping[str, np.ndarray]) -> list[tuple[str, str, str, str, str]]:
    """Metric, points, first, last and largest value: for all other metrics."""
    others = {name: summary(series, name) for name in series if not name.startswith(MEASURED)}
    return [
        (name, str(known.count), number(known.first[1]), number(known.last[1]), number(known.greatest))
        for name, known in others.items()
    ]


def number(value: float) -> str:
    """A value with as many digits as a reader needs."""
    return f"{value:.4g}"
