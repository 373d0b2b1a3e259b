"""`out_of_fold.csv` of a sweep over folds: the predictions for every example by the network that did not train on it."""

from __future__ import annotations

import csv
from pathlib import Path

from framework.analysis.comparison import SeedGroup, swept
from framework.core.reading import read_text
from framework.core.repeats import REPEATS
from framework.core.writing import replaced_text
from framework.tracking.run_dir import HELD_OUT

FILE = "out_of_fold.csv"


def write(sweep: Path, group: SeedGroup) -> Path | None:
    """Join the predictions of the folds of one setting; None if there are none, or not of all its jobs.

    A row per example: what it repeats (`fold`, and `seed` and `dataset.seed` where they vary), then the columns of
    `held_out.csv`.
    """
    files = [sweep / job.name / HELD_OUT for job in group.jobs]
    if not all(file.exists() for file in files):
        return None
    varied = swept(group.jobs)
    keys = [key for key in REPEATS if key in varied]
    with replaced_text(sweep / FILE) as out:
        writer = csv.writer(out)
        for i, (job, file) in enumerate(zip(group.jobs, files, strict=True)):
            header, *rows = csv.reader(read_text(file).splitlines())
            if i == 0:
                writer.writerow([*keys, *header])
            writer.writerows([*(job.overrides[key] for key in keys), *row] for row in rows)
    return sweep / FILE
