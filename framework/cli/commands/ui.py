"""`stackprop ui [RUN|SWEEP]`: the tracking UI on this machine, opened at the charts of the last sweep or run."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from framework.core.errors import ConfigError
from framework.core.log import log
from framework.core.reading import read_text
from framework.core.secrets import masked
from framework.core.writing import appending
from framework.experiments.charts import Place, drawn, links, place_of
from framework.tracking.mlflow import MlflowStore
from framework.tracking.mlflow_client import is_served, tracking_uri
from framework.tracking.store_errors import store_fault

HOST, PORT = "127.0.0.1", 5000
TRIED = 100  # ports
PATIENCE = 120  # seconds to wait for the server
LOG, LINES = "ui.log", 12  # lines of it in an error
WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # six processes that judge traces of language models
EXAMPLES = ("stackprop ui", "stackprop ui best", "stackprop ui --port 5001 --no-browser --links")


def main(arguments: Sequence[str]) -> int:
    """Start MLflow's server on 127.0.0.1, print the link, and open it; ends with Ctrl-C."""
    parser = argparse.ArgumentParser("stackprop ui", description=__doc__)
    parser.add_argument("what", nargs="?", help="a run or a sweep: name, folder, MLflow id; or: last, best")
    parser.add_argument("--uri", help="another store: the address of a server, or of a database")
    parser.add_argument("--port", type=int, help=f"by default {PORT}, or the next free one")
    parser.add_argument("--links", action="store_true", help="print the links to all charts and tables")
    parser.add_argument("--no-browser", action="store_true", help="print the link, open nothing")
    options = parser.parse_args(arguments)
    place = place_of(options.what, options.uri)
    if place.remark:
        log.warning(f"{place.remark}; this is the store of {place.runs}")
    if is_served(place.tracking):
        print(f"the runs are on a server, which has its own UI: {masked(str(place.tracking.uri))}")
        return 0
    port = check_port(options.port) if options.port is not None else free_port(PORT)
    found = _links(place, f"http://{HOST}:{port}")
    taken = f"port {PORT} is in use" if options.port is None and port != PORT else ""
    remarks = list(filter(None, (taken, drawn(place.folder))))
    shown = found if options.links else _first(place, found, options.what)
    return serve(place, port, shown, remarks, not options.no_browser)


def _links(place: Place, host: str) -> dict[str, str]:
    """What -> address.

    Raises:
        ConfigError: the store cannot be opened.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return links(MlflowStore(place.tracking, place.runs), place.folder, host)
    except Exception as error:  # a store may raise anything
        uri = masked(tracking_uri(place.tracking, place.runs))
        raise ConfigError(f"ui: the store {uri} cannot be opened ({store_fault(error)})") from error


def _first(place: Place, found: dict[str, str], word: str | None) -> dict[str, str]:
    """The one link that is shown: of a run its charts, or the page of a run that was asked for."""
    what = next(iter(found))
    if what == "all runs" and place.folder is not None:
        log.warning(f"{place.folder}: not in the store; `stackprop doctor` sends it")
    if what == "page" and word is None and "charts" in found:
        what = "charts"
    return {what: found[what]}


def serve(place: Place, port: int, found: dict[str, str], remarks: Sequence[str], opens: bool) -> int:
    """Run the server until it is stopped.

    Args:
        found: what -> address, as printed once the server responds.
        remarks: printed with how to stop it.
        opens: open the first address, on a machine with a screen.

    Returns:
        The exit status: 1 if the server ended by itself.
    """
    place_of_log = _log_file(place.runs)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # The address is not an argument, since other users can read the arguments of a command.
    environment = {**WITHOUT_JOBS, **os.environ, "MLFLOW_BACKEND_STORE_URI": tracking_uri(place.tracking, place.runs)}
    with open(appending(place_of_log), "ab") as file:
        file.truncate(0)
        # A separate process group: the server starts workers, which must end with it.
        server = subprocess.Popen(
            command, start_new_session=True, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    if sys.stderr.isatty():
        print("starting MLflow's server ...", file=sys.stderr, flush=True)
    try:
        if await_start(server, f"http://{HOST}:{port}"):
            for what, address in found.items():
                print(f"{what}: {address}" if len(found) > 1 else address, flush=True)
            print(_dim("; ".join(["Ctrl-C stops the UI", *remarks, f"log: {place_of_log}"])), flush=True)
            if opens and has_screen():
                webbrowser.open(next(iter(found.values())))
            server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)
    lines = read_text(place_of_log, errors="replace").splitlines()[-LINES:]
    log.error("\n".join([f"ui: the server ended (exit status {server.returncode}); {place_of_log} ends with:", *lines]))
    return 1


def _log_file(runs: Path) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    path = runs / LOG
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


def _dim(text: str) -> str:
    return f"\033[2m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def await_start(server: subprocess.Popen[bytes], host: str) -> bool:
    """Wait until the server responds; returns whether it does."""
    from rich.console import Console

    console, end = Console(stderr=True), time.monotonic() + PATIENCE
    with console.status("starting the UI") if console.is_terminal else contextlib.nullcontext():
        while server.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{host}/health", timeout=5):
                return True
            time.sleep(0.1)
    return False


def check_port(port: int) -> int:
    """Check that a server can listen on a port.

    Raises:
        ConfigError: it cannot.
    """
    if not 0 < port < 65536:
        raise ConfigError(f"--port: {port} is out of range (1-65535)")
    if reason := _why_not(port):
        raise ConfigError(f"--port: {port} cannot be used ({reason}); try --port {port + 1}")
    return port


def free_port(port: int) -> int:
    """The first port from this one on that a server can listen on.

    Raises:
        ConfigError: there is none.
    """
    for each in range(port, port + TRIED):
        if not _why_not(each):
            return each
    raise ConfigError(f"ui: none of the ports {port}-{port + TRIED - 1} can be used; --port sets another one")


def _why_not(port: int) -> str:
    """Why a server cannot listen on a port; empty if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def has_screen() -> bool:
    """Whether the machine has a screen for a browser."""
    windows = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return sys.stdout.isatty() and windows


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its workers; kill them if they do not end."""
    for way, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, way)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
            return
