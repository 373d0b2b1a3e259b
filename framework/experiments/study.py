"""Records the findings of a study: series, figures and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from framework.analysis.style import save
from framework.core.archives import open_archive
from framework.core.callback import Callback
from framework.core.reading import read_text
from framework.core.study import Findings
from framework.core.writing import inside, replaced, write_text
from framework.tracking.edits import METRICS, notes_section
from framework.tracking.run_dir import SUMMARY
from framework.tracking.run_record import RunRecord

NOTE = 7900  # characters; a tag of MLflow holds 8000


def record_findings(record: RunRecord, found: Findings) -> None:
    """Write all findings into the run's folder, and send them to the tracking store."""
    folder, tracked = record.place.folder, record.tracked
    if len(found.rows):
        record.recorder.on_steps(0, 1, found.columns, found.rows)
    for step, values in by_step(found.series).items():
        record.recorder.on_metrics(0, step, values)
    record.recorder.on_end()
    for path in write_files(folder, found):
        if tracked:
            tracked.artifact(path, "figures" if path.suffix == ".png" else None)
    if tracked:
        notes = notes_section(record.place.about.notes)
        text = f"    {record.place.command or record.place.name}\n\n{notes}{METRICS}\n\n{found.summary}\n"
        tracked.tag("mlflow.note.content", note(text))


def note(text: str) -> str:
    """The start of a text that fits into the note of an MLflow run, in whole lines."""
    if len(text) <= NOTE:
        return text
    return f"{text[: text.rfind(chr(10), 0, NOTE)]}\n\n... the rest is in {SUMMARY}\n"


def by_step(series: Mapping[str, np.ndarray]) -> dict[int, dict[str, float]]:
    """step -> metric -> value."""
    found: dict[int, dict[str, float]] = {}
    for name, points in series.items():
        for step, value in points.tolist():
            found.setdefault(int(step), {})[name] = value
    return dict(sorted(found.items()))


def write_files(folder: Path, found: Findings) -> list[Path]:
    """Write the files of a study; returns their paths."""
    texts = {SUMMARY: f"{found.summary}\n", **found.files}
    for name, text in texts.items():
        write_text(folder / name, text)
    if found.arrays:
        with replaced(folder / "study.npz") as file:
            np.savez(file, allow_pickle=False, **found.arrays)
    figures, drawn = inside(folder, "figures"), []
    for name, figure in found.figures.items():
        drawn.append(figures / f"{name}.png")
        save(figure, drawn[-1])
    return [*(folder / name for name in texts), *([folder / "study.npz"] if found.arrays else []), *drawn]


class FirstMemberCallback(Callback):
    """A callback of a run that gets the progress of the first network of a study."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback

    def one_of(self, networks: int) -> None:
        """Say of how many networks it is the first, to a callback that shows it."""
        if hasattr(self.callback, "networks"):
            self.callback.networks = networks

    def on_steps(self, member: int, first: int, columns: Sequence[str], rows: np.ndarray) -> None:
        """Pass it on."""
        if member == 0:
            self.callback.on_steps(0, first, columns, rows)

    def on_metrics(self, member: int, step: int, values: Mapping[str, float]) -> None:
        """Pass it on."""
        if member == 0:
            self.callback.on_metrics(0, step, values)


def read_findings(folder: Path) -> Findings | None:
    """The saved findings of a study: summary and arrays; None for other runs. Its series are those of the run."""
    if not (folder / SUMMARY).exists():
        return None
    arrays = {}
    if (folder / "study.npz").exists():
        with open_archive(folder / "study.npz") as file:
            arrays = dict(file)
    return Findings(read_text(folder / SUMMARY).rstrip("\n"), arrays=arrays)
