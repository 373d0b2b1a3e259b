"""The location and the name of a job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from framework.core.repeats import REPEATS
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import About, job_overrides, key_of, run_name, varying
from framework.tracking.run_dir import RunLocation, read_sweep

RERUN_OF = "STACKPROP_RERUN_OF"  # the variable with the run that this command repeats; jobs in other processes inherit it


def place_of(
    folder: str,
    overrides: Sequence[str],
    sweep: str | None = None,
    swept: Collection[str] | None = None,
    about: About | None = None,
    choices: Mapping[str, str] | None = None,
) -> RunLocation:
    """The location of a job.

    Args:
        folder: the folder of the job, from Hydra.
        overrides: of the job.
        sweep: the folder of its sweep, if it belongs to one.
        swept: the keys that vary in the sweep; None: those of its record.
        about: what the user says about the run, or about the whole sweep.
        choices: group -> the chosen preset or component.
    """
    about, overrides = about or About(), [word for word in overrides if key_of(word).partition(".")[0] not in ABOUT]
    command = " ".join(map(shlex.quote, ["stackprop", *overrides]))
    if sweep:
        swept = varying(job_overrides(read_sweep(Path(sweep)))) if swept is None else swept
        name = run_name([word for word in overrides if key_of(word) in swept]) or run_name(overrides)
        tags, about = {"sweep": Path(sweep).name, "sweep.overrides": ",".join(overrides)}, replace(about, name="")
        group = run_name([word for word in overrides if key_of(word) in swept and key_of(word) not in REPEATS])
        tags |= {"sweep.group": group} if group and group != name else {}
    else:
        name, tags = about.name or run_name(overrides), {}
    tags |= {"rerun": run} if (run := os.environ.get(RERUN_OF)) else {}
    place = Path(folder), Path(os.environ["STACKPROP_RUNS"]), name or Path(folder).name
    chosen = {key: str(name) for key, name in (choices or {}).items() if name is not None and "/" not in key}
    return RunLocation(*place, tags, command, about, chosen)
