"""What to say of runs whose process was killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framework.tracking.run_dir import read_state
from framework.tracking.run_record import CHECKPOINT


def remedies(folders: Sequence[Path]) -> list[str]:
    """A line for each run alone, and one for all jobs of a sweep, with the command that continues them."""
    jobs: dict[Path, int] = {}
    alone = []
    for folder in folders:
        if "sweep" in read_state(folder).get("tags", {}):
            jobs[folder.parent] = jobs.get(folder.parent, 0) + 1
        else:
            remedy = "resume with `stackprop resume"
            if not (folder / CHECKPOINT).exists():
                remedy = "it left no checkpoint; train it again with `stackprop rerun"
            alone.append(f"{folder}: its process was killed; {remedy} {folder}`")
    counted = {sweep: "1 job" if count == 1 else f"{count} jobs" for sweep, count in jobs.items()}
    own = [
        f"{sweep}: {count} ended, since the process was killed; `stackprop resume {sweep}` trains what is missing"
        for sweep, count in counted.items()
    ]
    return [*alone, *own]
