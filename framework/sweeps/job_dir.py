"""The location and the name of a job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from framework.tracking.run_dir import RunLocation


def place_of(folder: str, overrides: Sequence[str], sweep: str | None = None) -> RunLocation:
    """The location of a job.

    Args:
        folder: the folder of the job, from Hydra.
        overrides: of the job.
        sweep: the folder of its sweep, if it belongs to one.
    """
    tags = {"sweep": Path(sweep).name, "sweep.overrides": ",".join(overrides)} if sweep else {}
    command = " ".join(map(shlex.quote, ["stackprop", *overrides]))
    return RunLocation(
        Path(folder), Path(os.environ["STACKPROP_RUNS"]), run_name(overrides) or Path(folder).name, tags, command
    )


def run_name(overrides: Sequence[str]) -> str:
    """A short name for a legend: `optimizer=adam optimizer.lr=0.1 seed=2` is `adam lr=0.1 seed=2`."""
    words = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key in ("plugins", "disable_plugins") or key.startswith("tracking"):
            continue
        is_choice = "." not in key and key not in ("seed", "folds", "fold", "device", "dtype", "tier", "metrics")
        words.append(value if is_choice and value else f"{key.rsplit('.', 1)[-1]}={value}")
    return " ".join(words)[:250]
