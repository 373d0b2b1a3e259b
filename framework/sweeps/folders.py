"""Prepares a job's folder: the files of Hydra's own launcher; files of an earlier attempt are set aside."""

from __future__ import annotations

import yaml

from framework.core.writing import inside, write_text
from framework.sweeps import manifest
from framework.sweeps.jobs import Job
from framework.tracking.run_record import Dumper


def prepare_folder(job: Job) -> None:
    """Write the files of Hydra's own launcher for a job, and set files of an earlier attempt aside."""
    manifest.set_aside(job.place, job.experiment.settings.tracking)
    subdir = job.composed.hydra["output_subdir"]
    if subdir is None:
        return
    job.place.folder.mkdir(parents=True, exist_ok=True)
    folder = inside(job.place.folder, str(subdir))
    parts = {"config": job.composed.task, "hydra": {"hydra": job.composed.hydra}, "overrides": list(job.composed.overrides)}
    for name, tree in parts.items():
        text = yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
        write_text(folder / f"{name}.yaml", text, lasting=False)
