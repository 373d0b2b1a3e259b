"""A job's folder: the files that Hydra's own launcher writes, and what an earlier attempt left set aside."""

from __future__ import annotations

import yaml

from framework.core.writing import inside, write_text
from framework.sweeps import manifest
from framework.sweeps.jobs import Job
from framework.tracking.run_record import Dumper


def prepare_folder(job: Job) -> None:
    """What Hydra's own launcher writes for a job, the files of an earlier attempt set aside."""
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
