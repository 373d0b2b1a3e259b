"""What a study found, recorded: its series as those of a run, its figures and files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from framework.findings import Findings
from framework.record import Record

SUMMARY = "study.md"


def record_findings(record: Record, found: Findings) -> None:
    """Write everything into the run's folder, and hand the tracking store what it can show."""
    folder, tracked = record.place.folder, record.tracked
    if len(found.rows):
        record.recorder.steps(0, 1, found.columns, found.rows)
    for step, values in by_step(found.series).items():
        record.recorder.measured(0, step, values)
    record.recorder.ended()
    for path in kept(folder, found):
        if tracked:
            tracked.artifact(path, "figures" if path.suffix == ".png" else None)
    if tracked:
        tracked.tag("mlflow.note.content", f"    {record.place.command or record.place.name}\n\n{found.summary}\n")


def by_step(series: Mapping[str, np.ndarray]) -> dict[int, dict[str, float]]:
    """step -> metric -> value."""
    found: dict[int, dict[str, float]] = {}
    for name, points in series.items():
        for step, value in points.tolist():
            found.setdefault(int(step), {})[name] = value
    return dict(sorted(found.items()))


def kept(folder: Path, found: Findings) -> list[Path]:
    """Write the files of a study; their paths."""
    texts = {SUMMARY: f"{found.summary}\n", **found.files}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if found.arrays:
        np.savez(folder / "study.npz", allow_pickle=False, **found.arrays)
    (folder / "figures").mkdir(exist_ok=True)
    drawn = []
    for name, figure in found.figures.items():
        drawn.append(folder / "figures" / f"{name}.png")
        figure.savefig(drawn[-1], dpi=120)
    return [*(folder / name for name in texts), *([folder / "study.npz"] if found.arrays else []), *drawn]
