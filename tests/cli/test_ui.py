"""`stackprop ui`: MLflow's server on this machine, with links to the curves, as a person sees them in a browser."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request

import pytest
from shell import COMMAND, QUICK, free_port, interruptible, newest, stackprop

from framework.cli.commands.ui import check_port, distinguishing_params
from framework.core.errors import ConfigError
from framework.tracking.mlflow import MlflowStore
from framework.tracking.options import Tracking

PARTS = ("bias2", "variance", "noise", "epe")
slow = pytest.mark.slow


class Proxy(socketserver.ThreadingTCPServer):
    """A way out that leads nowhere, and knows what was asked of it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Refused)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Refused(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.asked.append(self.rfile.readline().decode(errors="replace").strip())


@pytest.fixture(scope="module")
def proxy():
    with Proxy() as found:
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A sweep of two learning rates and two seeds, and two runs with the metrics of a study of bias and variance."""
    place = tmp_path_factory.mktemp("ui")
    assert stackprop(place, "-m", *QUICK, "optimizer.lr=0.1,0.01", "seed=0,1").returncode == 0
    store, tags = (
        MlflowStore(Tracking(), place / "runs"),
        {"sweep": newest(place, "runs/sweep-*").name, "sweep.overrides": ""},
    )
    for hidden in (2, 8):
        run = store.begin(f"study hidden={hidden}", {"model.hidden": hidden}, {**tags, "mlflow.note.content": "by **hand**"})
        run.points([(f"bias_variance/{part}", 1 / step / hidden, step, 0) for part in PARTS for step in range(1, 6)])
        run.end("FINISHED")
    return place


@pytest.fixture(scope="module")
def links(place, proxy):
    """What -> address, while the server runs; whatever it asks for elsewhere goes to the proxy."""
    words, pipe, no = [*COMMAND, "ui", "--port", str(free_port())], subprocess.PIPE, subprocess.DEVNULL
    env = os.environ | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy.address)
    env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    process = subprocess.Popen(words, cwd=place, stdout=pipe, stderr=no, text=True, preexec_fn=interruptible, env=env)
    told = (re.match(r"([a-z, ]+).*: (http.*)", process.stdout.readline()) for _ in range(4))
    found = {m[1].strip(): m[2] for m in told}
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(found["all runs"].split("#")[0], timeout=5).read()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
    yield found
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    paths = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in paths:
        pytest.skip("chromium and chromium-driver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for word in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{word}")
    for word in ("disable-component-update", "disable-sync", "window-size=1700,2200", "proxy-server=http://127.0.0.1:9"):
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(paths[1]))
    yield driver
    driver.quit()


def until(condition, patience=120):
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return found


DRAWN = """
return [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
  let card = plot;
  while (card && !/[a-z]+\\/[a-z0-9]+/.test(card.innerText.split('\\n')[0])) card = card.parentElement;
  const long = plot.data.filter(trace => trace.x && trace.x.length > 1);
  const curves = long.filter(trace => /markers/.test(trace.mode)), bands = long.filter(trace => trace.fill);
  return [card ? card.innerText.split('\\n')[0] : '', [curves.length, bands.length]];
})"""


def drawn(browser, wanted):
    """Whether the chart of each metric shows that many curves and bands, in the end."""

    def there():
        charts = dict(browser.execute_script(DRAWN))
        return all(charts.get(metric) == list(count) for metric, count in wanted.items())

    return until(there)


@slow
def test_the_links_lead_to_the_last_sweep_on_this_machine(place, links):
    assert list(links) == ["all runs", "last sweep", "the same, seeds averaged", "its table and figure"]
    assert all(address.startswith("http://127.0.0.1:") for address in links.values())
    assert newest(place, "runs/sweep-*").name in links["last sweep"]
    assert "compareRunsMode=CHART" in links["last sweep"]


@slow
def test_the_charts_of_several_runs_stand_side_by_side(links, browser):
    browser.get(links["last sweep"])
    gradients = dict.fromkeys(("grad_norm/hidden", "grad_norm/out", "grad_norm/total"), (4, 0))
    assert drawn(browser, {**gradients, **{f"bias_variance/{part}": (2, 0) for part in PARTS}})
    text = re.sub("<[^>]*>", "", browser.page_source)
    for shown in ("6 matching runs", "hidden=4 epochs=2 lr=0.01 seed=1", "study hidden=8"):
        assert shown in text, shown
    assert "mean/val" not in text  # the run that sums up has other steps
    browser.execute_script("[...document.querySelectorAll('*')].forEach(e => e.scrollTop = 1e6)")
    assert drawn(browser, {"train/loss": (4, 0), "val/loss": (4, 0)})


@slow
def test_seeds_are_averaged_by_one_link(links, browser):
    browser.get(links["the same, seeds averaged"])
    assert drawn(browser, {"grad_norm/hidden": (2, 2)})  # for each learning rate
    assert "Group: " in browser.page_source


@slow
def test_the_note_of_a_run_is_a_page(links, browser):
    browser.get(links["its table and figure"])
    text = until(lambda: browser.page_source if "stackprop -m" in browser.page_source else None)
    assert re.search(r"<td[^>]*>0\.01</td>", text)  # Markdown as a table, not as text
    assert "| lr |" not in text


@slow
def test_a_report_opens_with_its_figures(place, browser):
    assert stackprop(place, "report", "last").returncode == 0
    browser.get((newest(place, "runs/sweep-*") / "report.html").resolve().as_uri())
    sizes = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert sizes
    assert min(sizes) > 100


def requests(browser):
    """The addresses that pages asked for since this was called last."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def elsewhere(urls):
    return [url for url in urls if re.match("(http|ws)s?:", url) and "//127.0.0.1:" not in url]


@slow
def test_no_request_leaves_the_machine(links, browser, proxy):
    """Neither of the pages above nor of the server; one that is meant to leave is seen."""
    urls = requests(browser)
    assert sum(url.startswith(links["all runs"].split("#")[0]) for url in urls) > 20
    assert elsewhere(urls) == []
    assert proxy.asked == []
    browser.get(links["all runs"])
    browser.execute_async_script("fetch('http://far.away.invalid/x').catch(() => 0).finally(arguments[0])")
    assert elsewhere(requests(browser)) == ["http://far.away.invalid/x"]
    out = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.address}))
    with pytest.raises(http.client.RemoteDisconnected):
        out.open("http://far.away.invalid/y", timeout=10)
    assert proxy.asked == ["GET http://far.away.invalid/y HTTP/1.1"]


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        ([("0.1", "2", 0), ("0.1", "2", 1), ("0.2", "2", 0)], ["lr"]),
        ([("0.1", "2", 0), ("0.1", "2", 1), ("0.2", "4", 0)], ["lr"]),  # units follow from lr
        ([("0.1", "2", 0), ("0.1", "4", 0), ("0.2", "2", 0), ("0.2", "2", 1)], ["lr", "units"]),
        ([("0.1", "2", 0), ("0.2", "2", 0)], []),  # nothing to average
        ([("0.1", "2", 0), ("0.1", "2", 1)], []),  # one group: no key tells it from another
    ],
)
def test_what_tells_jobs_apart_beside_the_seed(rows, keys):
    assert distinguishing_params([{"lr": lr, "units": units, "seed": seed} for lr, units, seed in rows]) == keys


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--port: {port} cannot be used \(.*\); try --port {port + 1}"):
            check_port(port)
    with pytest.raises(ConfigError, match="--port: 0 is out of range"):
        check_port(0)
