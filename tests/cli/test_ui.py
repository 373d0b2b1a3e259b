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
from pathlib import Path

import pytest
from shell import COMMAND, QUICK, free_port, interruptible, newest, stackprop

from framework.cli.command_line import main
from framework.cli.commands import ui
from framework.cli.commands.ui import check_port
from framework.core.errors import ConfigError
from framework.core.trust import trust_store
from framework.experiments import charts
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
    """A sweep of five learning rates and four seeds, and two runs with the metrics of a study of bias and variance."""
    place = tmp_path_factory.mktemp("ui")
    assert stackprop(place, "-m", *QUICK, "optimizer.lr=0.1,0.03,0.01,0.003,0.001", "seed=range(4)").returncode == 0
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
    """What -> address, while the server runs; whatever it asks for elsewhere goes to the proxy. It ends with Ctrl-C, and
    prints no log and no warning of others."""
    words, pipe = [*COMMAND, "ui", "--links", "--no-browser", "--port", str(free_port())], subprocess.PIPE
    env = os.environ | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy.address)
    env |= {**dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"), "PYTHONWARNINGS": "default"}
    process = subprocess.Popen(words, cwd=place, stdout=pipe, stderr=pipe, text=True, preexec_fn=interruptible, env=env)
    lines = [process.stdout.readline() for _ in range(6)]
    assert lines[-1].startswith("Ctrl-C stops the UI; log: runs/ui.log")
    yield dict(re.match(r"([a-z ]+): (http.*)", line).groups() for line in lines[:-1])
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


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
    driver.set_script_timeout(120)  # twenty jobs take long to draw on a busy machine
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
    assert list(links) == ["seeds averaged", "charts", "table", "page", "all runs"]
    assert all(address.startswith("http://127.0.0.1:") for address in links.values())
    assert newest(place, "runs/sweep-*").name in links["charts"]
    assert "compareRunsMode=CHART" in links["charts"]
    assert "Started server process" in (place / "runs" / "ui.log").read_text()


@slow
def test_the_charts_of_several_runs_stand_side_by_side(links, browser):
    browser.get(links["charts"])
    first = ("val/loss", "train/loss", "grad_norm/hidden", "grad_norm/out", "grad_norm/total")
    assert drawn(browser, dict.fromkeys(first, (20, 0)))
    text = re.sub("<[^>]*>", "", browser.page_source)
    for shown in ("22 matching runs", "lr=0.01 seed=1", "study hidden=8"):
        assert shown in text, shown
    assert "mean/val" not in text  # the run that sums up has other steps
    browser.execute_script("[...document.querySelectorAll('*')].forEach(e => e.scrollTop = 1e6)")
    assert drawn(browser, {f"bias_variance/{part}": (2, 0) for part in PARTS})  # the page draws what is in sight


@slow
def test_seeds_are_averaged_by_one_link(links, browser):
    browser.get(links["seeds averaged"])
    assert drawn(browser, {"val/loss": (5, 5), "grad_norm/hidden": (5, 5)})  # for each learning rate
    text = re.sub("<[^>]*>", "", browser.page_source)
    assert "Group: lr=0.1" in text
    assert text.index("val/loss") < text.index("grad_norm/hidden")


@slow
def test_the_table_has_what_was_swept(links, browser):
    browser.get("about:blank")
    browser.get(links["table"])
    until(lambda: "optimizer.lr" in browser.page_source)
    heads = [each.text for each in browser.find_elements("css selector", ".ag-header-cell-text, [role=columnheader]")]
    assert {"optimizer.lr", "seed", "val/loss", "train/loss"} <= set(heads)
    assert "batch_size" not in " ".join(heads)


@slow
def test_the_note_of_a_run_is_a_page(links, browser):
    browser.get(links["page"])
    text = until(lambda: browser.page_source if "stackprop -m" in browser.page_source else None)
    assert re.search(r"<td[^>]*>0\.01</td>", text)  # Markdown as a table, not as text
    assert "| lr |" not in text
    sizes = "return [...document.images].filter(i => /get-artifact/.test(i.src)).map(i => i.naturalWidth)"
    assert until(lambda: min(browser.execute_script(sizes), default=0) > 100)


@slow
def test_a_report_opens_with_its_figures(place, browser):
    assert stackprop(place, "report", "last").returncode == 0
    browser.get((newest(place, "runs/sweep-*") / "report.html").resolve().as_uri())
    sizes = "return [...document.images].map(i => i.naturalWidth)"
    assert until(lambda: min(browser.execute_script(sizes), default=0) > 100)


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
    ("rows", "keys", "averaged"),
    [
        (["lr=1 seed=0", "lr=1 seed=1", "lr=2 seed=0"], ["lr", "seed"], True),
        (["seed=0 lr=1 units=2", "seed=1 lr=1 units=4"], ["units", "seed"], False),  # one job of each
        (["lr=1", "lr=2"], ["lr"], False),  # nothing to average
        (["lr=1 seed=0", "lr=1 seed=1"], ["seed"], False),  # one setting
        ([f"lr={i % 2} seed={i}" for i in range(101)], ["lr", "seed"], False),  # the UI would average a part of them
    ],
)
def test_what_varies_in_a_sweep_is_shown(rows, keys, averaged):
    jobs = [{word.partition("=")[0]: word for word in row.split()} for row in rows]
    assert charts.varying(jobs) == keys
    assert charts.is_averaged(jobs) == averaged


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Writes the record of a run of a store: by default the newest one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def write(name="a", **tracking):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"status": "finished", "started": 1.0, "key": "ab"}))
        (folder / "config.yaml").write_text(f"tracking: {json.dumps({'type': 'mlflow', **tracking})}\n")
        return folder

    return write


def test_the_store_is_that_of_the_last_run(recorded):
    recorded(uri="sqlite:///other.db", experiment="mine")
    trust_store("sqlite:///other.db", "")
    place = charts.place_of()
    assert (place.tracking.uri, place.tracking.experiment, place.folder) == ("sqlite:///other.db", "mine", Path("runs/a"))
    assert charts.place_of(uri="sqlite:///third.db").tracking == Tracking(uri="sqlite:///third.db", experiment="mine")


def test_a_store_of_others_is_not_opened(recorded):
    recorded(uri="sqlite:////home/ann:pw@host/x.db")
    assert charts.place_of().tracking.uri is None
    assert "to which you have not sent runs before" in charts.place_of().remark
    with pytest.raises(ConfigError, match="to which you have not sent runs"):
        charts.place_of("a")


def test_a_run_without_a_store_has_no_page(recorded):
    recorded(type="none")
    assert "recorded in its folder only" in charts.place_of().remark
    with pytest.raises(ConfigError, match="stackprop report"):
        charts.place_of("a")


def test_a_server_has_its_own_ui(recorded, capsys):
    recorded()
    assert ui.main(["--uri", "https://ann:secret@host.invalid/"]) == 0
    out = capsys.readouterr().out
    assert "own UI: https://ann:***@host.invalid/" in out


def test_a_damaged_store_is_named(recorded, tmp_path, capsys):
    recorded()
    (tmp_path / "broken.db").write_text("no database")
    with pytest.raises(SystemExit) as ended:
        main(["ui", "--uri", f"sqlite:///{tmp_path}/broken.db"])
    assert ended.value.code == 2
    assert "broken.db cannot be opened (" in capsys.readouterr().err


def test_a_server_that_dies_leaves_its_last_lines(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(ui.sys, "executable", "/bin/ls")
    monkeypatch.setattr(ui.log, "propagate", True)
    assert ui.serve(charts.Place(Tracking(), tmp_path), free_port(), {"page": "http://x"}, (), False) == 1
    assert re.search(r"the server ended \(exit status [12]\); .*ui\.log ends with:\n.*ls: ", caplog.text)


def test_the_next_free_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < ui.free_port(port) < port + 20


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--port: {port} cannot be used \(.*\); try --port {port + 1}"):
            check_port(port)
    with pytest.raises(ConfigError, match="--port: 0 is out of range"):
        check_port(0)
