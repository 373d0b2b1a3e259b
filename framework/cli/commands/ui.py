"""`stackprop ui [--port 5000]`: the tracking UI on this machine, opened at the curves of the last sweep."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from framework.core.errors import ConfigError
from framework.core.repeats import REPEATS
from framework.tracking.mlflow import MlflowStore, is_served, tracking_uri
from framework.tracking.options import Tracking
from framework.tracking.run_dir import runs_dir

HOST = "127.0.0.1"
LAST = 20  # lines of the log of a server that failed
PATIENCE = 120  # seconds to wait for the server
JOBS = 1000  # maximum jobs of a sweep that are read to find their differences


def main(arguments: Sequence[str]) -> int:
    """Start MLflow's server on 127.0.0.1, print the links, and open the last sweep; ends with Ctrl-C."""
    parser = argparse.ArgumentParser("stackprop ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--no-browser", action="store_true", help="print the links, open nothing")
    options = parser.parse_args(arguments)
    check_port(options.port)
    runs, host, tracking = runs_dir(), f"http://{HOST}:{options.port}", of_environment()
    found = links(MlflowStore(tracking, runs), host)
    for what, address in found.items():
        print(f"{what}: {address}")
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(options.port), "--workers", "1"]
    # A separate process group: the server starts workers, which must end with it.
    # Not as an argument: other users can read the arguments of a command.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": tracking_uri(tracking, runs)}
    opened = list(found.values())[min(1, len(found) - 1)] if has_screen() and not options.no_browser else None
    with tempfile.TemporaryFile() as log:  # what the server writes is shown only if it fails
        server = subprocess.Popen(command, start_new_session=True, env=environment, stdout=log, stderr=log)
        threading.Thread(target=announce, args=(host, opened), daemon=True).start()
        try:
            server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(server)
        log.seek(0)
        last = log.read().decode(errors="replace").splitlines()[-LAST:]
    failed = f"stackprop: MLflow's server ended with exit status {server.returncode}; its last lines:"
    print(failed, *last, sep="\n", file=sys.stderr)
    return 1


def of_environment() -> Tracking:
    """The store of runs whose configuration sets none.

    Raises:
        ConfigError: the store is on a server, which has its own UI.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or None
    tracking = Tracking(uri=uri, experiment=os.environ.get("MLFLOW_EXPERIMENT_NAME", Tracking().experiment))
    if is_served(tracking):
        raise ConfigError("ui: MLFLOW_TRACKING_URI names a server; open its own UI at that address")
    return tracking


def links(store: MlflowStore, host: str) -> dict[str, str]:
    """Title -> address of a page: the charts of the experiment, of its last sweep, and of that with seeds averaged."""
    here = f"{host}/#/experiments/{store.experiment_id}/runs"
    charts = f"{here}?workflowType=machine_learning&compareRunsMode=CHART"
    out = {"all runs": f"{charts}&searchFilter="}  # without a filter, the UI uses the previous one
    newest = searched(store, "tags.sweep != ''", 1)
    if not newest:
        return out
    sweep = newest[0].data.tags["sweep"]
    jobs = searched(store, jobs_of(sweep), JOBS)
    out[f"last sweep ({sweep})"] = f"{charts}&searchFilter={quote(jobs_of(sweep), safe='')}"
    keys = distinguishing_params([job.data.params for job in jobs])
    if keys:
        share_view(store, sweep, keys)
        out["the same, seeds averaged"] = f"{charts}&viewStateShareKey={sweep}"
    for summary in searched(store, f"tags.sweep = '{sweep}' AND tags.kind = 'sweep'", 1):
        out["its table and figure"] = f"{here}/{summary.info.run_id}?workflowType=machine_learning"
    return out


def searched(store: MlflowStore, query: str, most: int) -> list[Any]:
    """The newest runs that match a search."""
    found = store.client.search_runs([store.experiment_id], query, order_by=["attributes.start_time DESC"], max_results=most)
    return list(found)


def jobs_of(sweep: str) -> str:
    """The search for the jobs of a sweep, without its summary run, whose curves have other steps."""
    return f"tags.sweep = '{sweep}' AND tags.`sweep.overrides` LIKE '%'"


def distinguishing_params(params: Sequence[dict[str, Any]]) -> list[str]:
    """The params that distinguish jobs, without seeds and folds and without params that follow from another one; empty for
    a single seed, where there is nothing to average."""
    keys = dict.fromkeys(key for run in params for key in run if key not in REPEATS)
    values = {key: tuple(run.get(key) for run in params) for key in keys}
    chosen: list[str] = []
    for key, column in values.items():
        parts = {tuple(values[k][i] for k in chosen) for i in range(len(params))}
        finer = {tuple(values[k][i] for k in (*chosen, key)) for i in range(len(params))}
        if len(finer) > len(parts) and len(set(column)) > 1:
            chosen.append(key)
    groups = {tuple(values[key][i] for key in chosen) for i in range(len(params))}
    return chosen if len(groups) < len(params) else []


def share_view(store: MlflowStore, sweep: str, keys: Sequence[str]) -> None:
    """Save a view that the UI opens by name with the experiment: jobs that differ only in seed or fold are one line with a
    band. The UI takes the grouping from there, not from a link."""
    grouped = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": key} for key in keys]}
    view: dict[str, Any] = {"searchFilter": jobs_of(sweep), "runsHiddenMode": "SHOW_ALL", "groupBy": grouped}
    view["useGroupedValuesInCharts"] = True
    store.client.set_experiment_tag(store.experiment_id, f"mlflow.sharedViewState.{sweep}", json.dumps(view))


def check_port(port: int) -> None:
    """Check that a server can listen on a port.

    Raises:
        ConfigError: it cannot.
    """
    if not 0 < port < 65536:
        raise ConfigError(f"--port: {port} is out of range (1-65535)")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(f"--port: {port} cannot be used ({error.strerror}); try --port {port + 1}") from error


def has_screen() -> bool:
    """Whether the machine has a screen for a browser."""
    windows = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return sys.stdout.isatty() and windows


def announce(host: str, address: str | None) -> None:
    """Print a line once the server responds, and open a page."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{host}/health", timeout=5):
            print("ready; Ctrl-C ends it", flush=True)
            if address:
                webbrowser.open(address)
            return
        time.sleep(0.3)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its workers; kill them if they do not end."""
    for way, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, way)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
            return
