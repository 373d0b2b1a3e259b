"""What the tracking UI opens: the store of a run or a sweep, and the addresses of its charts and pages."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework.core.errors import ConfigError
from framework.core.repeats import REPEATS
from framework.core.secrets import masked
from framework.core.trust import knows_store
from framework.experiments.labels import kind_of, store_of
from framework.experiments.loading import tracking_of_run
from framework.tracking.mlflow import MlflowStore
from framework.tracking.naming import job_overrides, varying
from framework.tracking.options import Tracking
from framework.tracking.run_dir import RUNS, find_any, jobs_of, read_state, read_sweep, runs_dir

PAGE = 100  # jobs that the UI loads; a mean over a part of the seeds would be wrong
LINES = 60  # jobs whose curves are all shown; of more jobs the charts show the best 20
GROUP = "sweep.group"  # the tag of a job that names its setting without the seed
LOSSES = ("val/loss", "train/loss")  # the first charts
SHOWN = "SHOW_ALL", "FIRST_20_RUNS"  # MLflow's names


@dataclass(frozen=True)
class Place:
    """A store, and a run or a sweep in it.

    Attributes:
        runs: the folder of runs of a store without an address.
        folder: of the run or the sweep; None: there is none yet.
        remark: why it is not the store of the last run; empty if it is.
    """

    tracking: Tracking
    runs: Path
    folder: Path | None = None
    remark: str = ""


def place_of(word: str | None = None, uri: str | None = None) -> Place:
    """The store of a run or a sweep; by default of the last one.

    Args:
        uri: the address of another store.

    Raises:
        ConfigError: unknown run, or its store may not be opened.
    """
    folder = find_any(word) if word else _last()
    default = Place(_of_environment(), runs_dir())
    if folder is None:
        return replace(default, tracking=replace(default.tracking, uri=uri or default.tracking.uri))
    try:
        tracking = _tracking_of(folder)
        if uri:
            return Place(replace(tracking, type="mlflow", uri=uri), runs_dir(), folder)
        if tracking.type != "mlflow":
            raise ConfigError(f"{folder}: recorded in its folder only (tracking=none); see `stackprop report {folder}`")
        if not knows_store(tracking.uri):
            strange = "its record names a store to which you have not sent runs before"
            raise ConfigError(f"{folder}: {strange} ({masked(str(tracking.uri))}); --uri, or --trust, opens it")
        return Place(tracking, store_of(folder, kind_of(folder)), folder)
    except ConfigError as error:
        if word or uri:
            raise
        return replace(default, remark=str(error))


def _last() -> Path | None:
    with suppress(ConfigError):
        return find_any("last")
    return None


def _of_environment() -> Tracking:
    """The store of runs whose configuration sets none."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or None
    return Tracking(uri=uri, experiment=os.environ.get("MLFLOW_EXPERIMENT_NAME", Tracking().experiment))


def _tracking_of(folder: Path) -> Tracking:
    """The tracking options of a run, or of the jobs of a sweep."""
    jobs = [folder] if kind_of(folder) is RUNS else jobs_of(folder)
    if not jobs:
        raise ConfigError(f"{folder}: it has no job any more")
    for job in jobs[:-1]:
        with suppress(ConfigError):  # a file of one job may be damaged
            return tracking_of_run(job)
    return tracking_of_run(jobs[-1])


def drawn(folder: Path | None) -> str:
    """What the charts show of a sweep that is too large for all its curves; empty if they show everything."""
    count = len(job_overrides(read_sweep(folder))) if folder is not None and kind_of(folder) is not RUNS else 0
    return f"the best 20 of {count} jobs are drawn; means over seeds: stackprop compare {folder}" if count > LINES else ""


def links(store: MlflowStore, folder: Path | None, host: str) -> dict[str, str]:
    """What -> address, the most useful one first: charts and page of a run or a sweep, charts of all runs."""
    here = f"{host}/#/experiments/{store.experiment_id}/runs"
    charts = f"{here}?workflowType=machine_learning&compareRunsMode=CHART"
    every = {"all runs": f"{charts}&searchFilter="}  # without a filter, the UI uses the previous one
    if folder is None:
        return every
    found, kind = _id_of(store, folder), "?workflowType=machine_learning"
    page = {"page": f"{here}/{found}{kind}"} if found else {}
    if kind_of(folder) is RUNS:
        return {**page, **({"charts": f"{here}/{found}/model-metrics{kind}"} if found else {}), **every}
    return {**_of_sweep(store, folder, here), **page, **every}


def _id_of(store: MlflowStore, folder: Path) -> str | None:
    """The run of a record in the store; None if the store does not have it."""
    kind = kind_of(folder)
    state = read_state(folder) if kind is RUNS else read_sweep(folder)
    found = store.ids_of(str(state.get("key") or ""))
    return found[-1] if found else None


def _of_sweep(store: MlflowStore, sweep: Path, here: str) -> dict[str, str]:
    """The charts and the table of the jobs of a sweep."""
    name, query, page = sweep.name, query_of(sweep.name), "workflowType=machine_learning"
    newest = store.client.search_runs(
        [store.experiment_id], query, order_by=["attributes.start_time DESC"], max_results=PAGE
    )
    if not newest:
        return {}
    data = max((job.data for job in newest), key=lambda data: (GROUP in data.tags, len(data.metrics)))  # one may have failed
    jobs = job_overrides(read_sweep(sweep))
    metrics = [metric for metric in LOSSES if metric in data.metrics]
    keys = [key for each in varying(jobs) for key in (each, f"{each}.type") if key in data.params]
    columns = [*(f"params.`{key}`" for key in keys), *(f"metrics.`{metric}`" for metric in metrics)]
    best = {"orderByKey": f"metrics.`{metrics[0]}`", "orderByAsc": True} if metrics else {}
    view = {"searchFilter": query, "selectedColumns": columns, "runsHiddenMode": SHOWN[len(jobs) > LINES], **first(metrics)}
    share_view(store, name, {**view, **best})
    charts = f"{here}?{page}&compareRunsMode=CHART&viewStateShareKey={name}"
    out = {"charts": charts, "table": f"{here}?{page}&viewStateShareKey={name}"}
    if not is_averaged(jobs):
        return out
    by = [{"mode": "param", "groupByData": key} for key in keys if key not in REPEATS]
    by = [{"mode": "tag", "groupByData": GROUP}] if GROUP in data.tags else by
    grouped = {"groupBy": {"aggregateFunction": "average", "groupByKeys": by}, "useGroupedValuesInCharts": True}
    share_view(store, f"{name}-averaged", {**view, **grouped, "runsHiddenMode": SHOWN[0]})
    return {"seeds averaged": f"{charts}-averaged", **out}


def query_of(sweep: str) -> str:
    """The search for the jobs of a sweep, without its summary run, whose curves have other steps."""
    return f"tags.sweep = '{sweep}' AND tags.`sweep.overrides` LIKE '%'"


def is_averaged(jobs: Sequence[Mapping[str, str]]) -> bool:
    """Whether the UI can average these jobs over seeds: there are several settings, seeds of them, and one page of jobs."""
    keys = [key for key in varying(jobs) if key not in REPEATS]
    return bool(keys) and len({tuple(job.get(key) for key in keys) for job in jobs}) < len(jobs) <= PAGE


def first(metrics: Sequence[str]) -> dict[str, Any]:
    """The charts that a view begins with, in the form of the UI; it adds those of all other metrics after them."""
    section = {"uuid": "losses", "name": "loss", "display": True, "isReordered": True, "deleted": False, "isGenerated": True}
    charts = [
        {"type": "LINE", "uuid": name, "metricKey": name, "displayName": name, "metricSectionId": "losses", **CHART}
        for name in metrics
    ]
    kept = {"isAccordionReordered": True}  # otherwise the sections are sorted by name
    return {"compareRunCharts": charts, "compareRunSections": [section], **kept} if charts else {}


CHART: dict[str, Any] = {  # the UI's own defaults for a line chart
    "runsCountToCompare": 10,
    "deleted": False,
    "isGenerated": True,
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "selectedXAxisMetricKey": "",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "ignoreOutliers": False,
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}


def share_view(store: MlflowStore, name: str, view: dict[str, Any]) -> None:
    """Save a view that the UI opens by name with the experiment. The UI takes columns, charts and grouping from there, not
    from a link."""
    store.client.set_experiment_tag(store.experiment_id, f"mlflow.sharedViewState.{name}", json.dumps(view))
