"""The rungs of a sweep (`trainer.prune`): its jobs may train in several stacks, processes or commands, and are compared in a
file in its folder.

If all jobs share a stack, this is successive halving. A job of a further stack is compared with those that have reached
the rung by then (asynchronous successive halving, Li et al. 2018), and its reason says how many these were. A job that is
repeated after an interruption is compared with all that were there before.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from framework.core.direction import lower_is_better
from framework.core.errors import DataError
from framework.core.reading import read_json
from framework.core.repeats import REPEATS
from framework.core.writing import check_no_link, write_json
from framework.experiments.experiment import Experiment
from framework.tracking.config_hash import config_hash
from framework.tracking.run_dir import RunLocation
from framework.training.pruning import Entry, Rungs, Standing, pruning_warnings, ranked

FILE, REMEDY = "rungs.json", "without this file, jobs are compared with later ones only"


class SweepRungs(Rungs):
    """The rungs of a stack, whose members are compared with all jobs of the sweep that were there.

    Args:
        experiments, places: of the members.
    """

    def __init__(self, experiments: Sequence[Experiment], places: Sequence[RunLocation]) -> None:
        first, options = experiments[0], experiments[0].settings.trainer.prune
        lower = lower_is_better(options.metric, first.directions)
        super().__init__(options, lower)
        self.settings = [setting_of(each.settings.tree) for each in experiments]
        self.sweep, self.names = places[0].folder.parent, [place.folder.name for place in places]
        self.compared = [comparable(each.settings.tree, options.metric) for each in experiments]

    def standings(self, epoch: int) -> Mapping[int, Standing]:
        """The places of the members among the jobs at a rung, those of other stacks included; the file gets the members."""
        if epoch in self.found:
            return self.found[epoch]
        own = {m: [self.settings[m], v if math.isfinite(v) else None] for m, v in self.values[epoch].items()}
        check_no_link(self.sweep / f".{FILE}.lock")  # locking a file empties it
        with FileLock(self.sweep / f".{FILE}.lock"):
            content = read_rungs(self.sweep)
            for member, entry in own.items():
                content.setdefault(self.compared[member], {}).setdefault(str(epoch), {})[self.names[member]] = entry
            write_json(self.sweep / FILE, content)
        found: dict[int, Standing] = {}
        for comparison in dict.fromkeys(self.compared[member] for member in own):
            jobs = content[comparison][str(epoch)]
            places = ranked(in_order(jobs), self.options.keep, self.lower_is_better)
            found |= {m: places[self.names[m]] for m in own if self.compared[m] == comparison}
        self.found[epoch] = found
        return found


def in_order(jobs: Mapping[str, Any]) -> dict[str, Entry]:
    """The jobs of a rung by their numbers, not in the order in which they came."""
    found = {job: (str(setting), math.nan if value is None else float(value)) for job, (setting, value) in jobs.items()}
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def rungs_of(experiments: Sequence[Experiment], places: Sequence[RunLocation]) -> Rungs | None:
    """The rungs of jobs of a sweep; None without pruning, or for a run alone."""
    if not experiments[0].settings.trainer.prune.at or "sweep" not in places[0].tags:
        return None
    return SweepRungs(experiments, places)


def sweep_warnings(experiments: Sequence[Experiment]) -> list[str]:
    """What a sweep says about pruning that has no effect, or compares its jobs in several groups."""
    pruned = [each.settings for each in experiments if each.settings.trainer.prune.at]
    groups: dict[str, set[str]] = {}
    for each in pruned:
        groups.setdefault(comparable(each.tree, each.trainer.prune.metric), set()).add(setting_of(each.tree))
    if not pruned or max(map(len, groups.values())) == 1:
        return pruning_warnings(experiments[0].settings.trainer.prune, len(groups))
    if len(groups) == 1:
        return []
    return [f"trainer.prune: jobs are compared in {len(groups)} groups, which differ in data set, loss or trainer.prune"]


def read_rungs(sweep: Path) -> dict[str, Any]:
    """comparison -> epoch -> job -> its setting and its value (None: not finite).

    Raises:
        DataError: the file is damaged.
    """
    path = sweep / FILE
    try:
        content = read_json(path) if os.path.lexists(path) else {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read; {REMEDY}") from error
    epochs = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(each, dict) and all(map(_is_sound, each.values())) for each in epochs):
        raise DataError(f"{path}: not the rungs of a sweep; {REMEDY}")
    return dict(content)


def _is_sound(jobs: Any) -> bool:
    """Whether these are jobs with their settings and values."""
    if not isinstance(jobs, dict) or not all(isinstance(entry, list) and len(entry) == 2 for entry in jobs.values()):
        return False
    return all(type(setting) is str and type(value) in (int, float, type(None)) for setting, value in jobs.values())


def setting_of(tree: Mapping[str, Any]) -> str:
    """What jobs share that only repeat a setting: with other seeds, folds or draws of the data."""
    return config_hash(_without_repeats(tree))


def comparable(tree: Mapping[str, Any], metric: str) -> str:
    """What jobs share whose values can be compared: rungs, data set, and the loss if that is the metric."""
    same = {key: tree.get(key) for key in ("dataset", *(("loss", "heads") if metric.endswith("/loss") else ()))}
    same["prune"] = dict(tree.get("trainer") or {}).get("prune")
    return hashlib.sha256(json.dumps(_without_repeats(same), sort_keys=True).encode()).hexdigest()[:16]


def _without_repeats(tree: Mapping[str, Any]) -> dict[str, Any]:
    out = {key: dict(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    for key in REPEATS:
        first, _, rest = key.partition(".")
        part = out.get(first) if rest else out
        if isinstance(part, dict):
            part.pop(rest or first, None)
    return out
