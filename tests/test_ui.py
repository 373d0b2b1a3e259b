"""`stackprop ui`: MLflow's server on this machine, with links to the curves."""

import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from test_shell import COMMAND, QUICK, interruptible, newest, stackprop

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("ui")
    assert stackprop(place, "-m", *QUICK, "seed=0,1").returncode == 0
    return place


@pytest.fixture(scope="module")
def page(place):
    """The address of the last sweep's charts, while the server runs."""
    words, pipe, no = [*COMMAND, "ui", "--port", str(free_port())], subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=place, stdout=pipe, stderr=no, text=True, preexec_fn=interruptible)
    address = next(m[1] for line in process.stdout if (m := re.match(r"last sweep.*?: (http.*)", line)))
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(address.split("#")[0], timeout=5).read()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
    yield address
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_the_link_leads_to_the_last_sweep_on_this_machine(place, page):
    assert page.startswith("http://127.0.0.1:")
    assert newest(place, "runs/sweep-*").name in page
    assert "compareRunsMode=CHART" in page


def test_the_charts_of_a_sweep_stand_side_by_side_in_a_browser(page, tmp_path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    quiet += [f"--user-data-dir={tmp_path}", "--window-size=1600,1400", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run([browser, *quiet, page], capture_output=True, text=True, timeout=180, check=False)
    names = ("hidden=4 epochs=2 seed=0", "hidden=4 epochs=2 seed=1")
    for shown in ("matching runs", "grad_norm/hidden", "grad_norm/total", *names):
        assert shown in done.stdout, shown
