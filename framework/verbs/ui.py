"""The tracking UI on this machine, with links that open where the curves are."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import quote

from framework.mlflow_store import Store, tracking_uri
from framework.recording import Tracking
from framework.runs import runs_dir


def links(store: Store, host: str) -> dict[str, str]:
    """What to look at -> address: the chart view of the experiment, and of its last sweep."""
    page = f"{host}/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
    out = {"all runs": page}
    runs = store.client.search_runs([store.experiment_id], order_by=["attributes.start_time DESC"], max_results=200)
    sweeps = [run.data.tags["sweep"] for run in runs if "sweep" in run.data.tags]
    if sweeps:
        out[f"last sweep ({sweeps[0]})"] = page + "&searchFilter=" + quote(f"tags.sweep = '{sweeps[0]}'", safe="")
    return out


def main(arguments: Sequence[str]) -> int:
    """Start MLflow's server on 127.0.0.1 and print the links; ends with Ctrl-C."""
    parser = argparse.ArgumentParser("stackprop ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args(arguments).port
    runs = runs_dir()
    store = Store(Tracking(), runs)
    for what, address in links(store, f"http://127.0.0.1:{port}").items():
        print(f"{what}: {address}")
    uri = tracking_uri(Tracking(), runs)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # A group of its own: the server starts workers, which have to go when it goes.
    server = subprocess.Popen([*command, "--backend-store-uri", uri], start_new_session=True)
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, kindly first."""
    for way, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, way)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
            return
