"""What a machine may lack: open files, room on the disk, a home, time, a server that answers."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from framework.analysis.report import write
from framework.core import home, process, writing
from framework.core.pipes import ignore_broken_pipe
from framework.core.signals import FIRST, SignalInterrupt, deferred, held_back, ignore, raise_on_signals
from framework.experiments.loading import tracking_of_run
from framework.experiments.sync import sync_to_mlflow
from framework.sweeps.session import SweepSession
from framework.tracking import allowance
from framework.tracking import checkpoint as checkpoints
from framework.tracking import mlflow as mlflow_store
from framework.tracking import recorder as recording
from framework.tracking.metrics_file import LazySeries, read_lines, series
from framework.tracking.mlflow import user
from framework.tracking.options import Tracking
from framework.tracking.recorder import MetricsRecorder
from framework.tracking.run_dir import read_state

pytestmark = pytest.mark.usefixtures("unrendered")

ALONE = ("dataset=sine", "dataset.n=20", "model.hidden=4", "tracking=none")
QUICK = (*ALONE, "trainer.epochs=1")
COMMAND = Path(sys.executable).with_name("stackprop")


def the_run(folder):
    (found,) = folder.glob("runs/*/run.json")
    return found.parent


# ---- open files


@pytest.mark.slow
def test_a_sweep_needs_no_open_file_per_job(ask):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 30, hard))
    try:
        status, out, told = ask("-m", *QUICK, "seed=range(60)")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (status, told) == (0, "")
    assert "60 jobs in 1 stack" in out


# ---- a full disk


@pytest.fixture
def full(monkeypatch):
    """A disk that takes no line of metrics and no checkpoint, once it is called."""

    def fill():
        def refuse(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(recording.os, "write", refuse)
        monkeypatch.setattr(checkpoints.np, "savez", refuse)
        monkeypatch.setattr(Path, "write_text", refuse)

    return fill


def when(monkeypatch, step, action):
    """Do something at a training step."""
    from framework.experiments.runner import RecordingCallback as Records

    before = Records.on_steps

    def steps(self, member, first, columns, rows):
        if first + len(rows) > step:
            action()
        return before(self, member, first, columns, rows)

    monkeypatch.setattr(Records, "on_steps", steps)


def test_a_full_disk_ends_a_run_in_words(ask, tmp_path, monkeypatch, full):
    when(monkeypatch, 20, full)
    status, _, told = ask(*ALONE, "trainer.steps=40", "trainer.read_every=10", "trainer.checkpoint_every=10")
    folder = the_run(tmp_path)
    assert status == 1
    assert "Traceback" not in told
    assert "stackprop: the run failed: " in told
    assert "No space left on device" in told
    state = read_state(folder)
    assert (state["status"], state["state"]) == ("failed", "FAILED")
    assert "No space left on device" in state["reason"]
    assert not list(folder.glob("*.part"))
    monkeypatch.undo()
    status, _, _ = ask("resume", str(folder))
    assert (status, read_state(folder)["status"]) == (0, "finished")
    steps = [line["step"] for line in read_lines(folder / "metrics.jsonl") if "grad_norm/total" in line]
    assert steps == list(range(1, 41))


def test_a_full_disk_ends_every_job_of_a_sweep_in_words(ask, tmp_path, monkeypatch, full):
    when(monkeypatch, 20, full)
    status, _, told = ask("-m", *ALONE, "trainer.steps=40", "trainer.read_every=10", "seed=0,1")
    assert status == 1
    assert "Traceback" not in told
    assert told.count("failed: job") == 2
    states = [read_state(path.parent) for path in tmp_path.glob("runs/*/*/run.json")]
    assert [state["status"] for state in states] == ["failed", "failed"]
    assert all("could not be written" in state["reason"] for state in states)


def test_a_stack_that_cannot_begin_fails_in_words(ask, tmp_path, full, monkeypatch):
    from framework.experiments import provenance

    kept = provenance.save_sources

    def keep(settings, folder):
        if folder.name == "1":
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        kept(settings, folder)

    monkeypatch.setattr(provenance, "save_sources", keep)
    status, _, told = ask("-m", *QUICK, "seed=0,1")
    assert status == 1
    assert told.count("failed: job") == 2
    assert "Traceback" not in told
    (sweep,) = tmp_path.glob("runs/sweep-*")
    assert read_state(sweep / "0")["status"] == "failed"
    assert not list(tmp_path.glob("runs/.running/*"))


def test_a_folder_that_is_removed_ends_a_run_in_words(ask, tmp_path, monkeypatch):
    import shutil

    when(monkeypatch, 20, lambda: shutil.rmtree(tmp_path / "runs", ignore_errors=True))
    status, _, told = ask(*ALONE, "trainer.steps=40", "trainer.read_every=10")
    assert status == 1
    assert "Traceback" not in told
    assert "the run failed: " in told
    assert "No such file or directory" in told


@pytest.mark.slow
def test_a_limit_of_file_size_ends_a_run_in_words(tmp_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = [COMMAND, *ALONE, "trainer.steps=2000", "dataset.n=100"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    state = read_state(the_run(tmp_path))
    assert state["status"] == "failed"
    assert "File too large" in state["reason"]


def test_a_state_is_written_where_there_is_room_for_no_other_file(tmp_path):
    path = tmp_path / "run.json"
    writing.write_json(path, {"status": "running", "name": "x" * 50})
    assert writing.overwrite(path, {"status": "failed"})
    assert json.loads(path.read_text()) == {"status": "failed"}
    assert not writing.overwrite(path, {"status": "x" * 100_000})
    assert json.loads(path.read_text()) == {"status": "failed"}


def test_lines_that_found_no_room_are_counted(tmp_path, full):
    recorder = MetricsRecorder(tmp_path, 2, 1)
    full()
    recorder.on_steps(0, 1, ("train/loss", "grad_norm/total"), np.ones((2, 2)))
    with pytest.raises(OSError, match=r"No space left on device; 2 lines could not be written: .*metrics.jsonl"):
        recorder.sync()


def test_output_that_a_disk_does_not_take_is_an_error(monkeypatch, capfd):
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with ignore_broken_pipe() as spoken:
            print("a table", flush=True)
        monkeypatch.undo()
    assert spoken.failed
    assert "the output could not be written: No space left on device" in capfd.readouterr().err


def test_a_sweep_goes_on_without_shared_memory(monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    session = SweepSession()
    session.start_writers(8, local=True)  # by a thread
    session.close()
    session.start_writers(8, local=False)
    assert session.writers is None
    assert (
        "the training itself writes to MLflow, which takes longer ([Errno 30] Read-only file system)"
        in capsys.readouterr().err
    )


def test_only_a_command_alone_in_its_process_is_copied(monkeypatch):
    monkeypatch.setattr(process.threading, "active_count", lambda: 1)
    monkeypatch.setattr(process.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(process, "_state", {"command": False})
    assert not process.can_fork()
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    process.note_command()
    assert process.can_fork() == (sys.platform == "linux")
    monkeypatch.setitem(sys.modules, "cupy", object())
    assert not process.can_fork()
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.setattr(process.threading, "active_count", lambda: 2)
    assert not process.can_fork()


# ---- no home, no name


def test_without_a_home_there_is_a_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(home.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(home.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("none")))
    (name, folder), *_ = home.variables().items()
    assert (name, Path(folder).parent, oct(Path(folder).stat().st_mode)[-3:]) == ("HOME", tmp_path, "700")


def test_a_temporary_home_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(home.tempfile, "gettempdir", lambda: str(tmp_path))
    theirs = tmp_path / f"stackprop-{os.getuid()}"
    theirs.symlink_to("/")
    assert home.temporary() != theirs


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("framework.tracking.mlflow.getpass.getuser", nobody)
    assert user() == str(os.getuid())


# ---- signals


def test_hanging_up_is_a_wish_to_stop():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup make test` ignores it
    try:
        with pytest.raises(SignalInterrupt) as stop, raise_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (str(stop.value), stop.value.status) == ("SIGHUP", 129)


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raise_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_an_end_that_is_written():
    written = []

    def end():
        with deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            written.append("the end")
        written.append("more")

    with pytest.raises(SignalInterrupt, match="SIGTERM"), raise_on_signals():
        end()
    assert written == ["the end"]


def test_a_second_signal_changes_no_end(ask, tmp_path, monkeypatch):
    when(monkeypatch, 20, lambda: os.kill(os.getpid(), signal.SIGTERM))
    from framework.tracking.run_record import RunRecord

    end = RunRecord.end

    def slow(self, *told, **how):
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), name)
        end(self, *told, **how)

    monkeypatch.setattr(RunRecord, "end", slow)
    status, _, told = ask(*ALONE, "trainer.steps=40", "trainer.read_every=10")
    state = read_state(the_run(tmp_path))
    reason = "stopped by SIGTERM in epoch 10 of 20, at step 20 of 40"
    assert (status, state["status"], state["reason"]) == (143, "killed", reason)
    assert told == f"{FIRST.format('SIGTERM')}stackprop: stopped by SIGTERM\n"


# ---- a server that does not answer

PLACE = "mlflow-artifacts:/1"


def answers(port):
    """What a tracking server says of its only experiment, run and model. MLflow remembers of each run where its files go."""
    run, name = f"run{port}", f"model{port}"
    experiment = {"experiment_id": "1", "name": "stackprop", "artifact_location": PLACE, "lifecycle_stage": "active"}
    info = {"run_id": run, "experiment_id": "1", "status": "RUNNING", "artifact_uri": f"{PLACE}/{run}/artifacts"}
    about = {"model_id": name, "experiment_id": "1", "name": "model", "artifact_uri": f"{PLACE}/{name}"}
    model = {"model": {"info": about}}
    told = {"run": {"info": info, "data": {}}}
    named = {"get-by-name": {"experiment": experiment}, "create": told, "get": told, "update": {"run_info": info}}
    return {**named, "logged-models": model, name: model}


@pytest.fixture
def server():
    """A tracking server that answers no request of the kinds in `slow` before it is told to."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    self.rfile.read(size + 2)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = self.path.partition("?")[0].rpartition("/")[2]
            running.asked.append(what)
            if what in running.slow:
                running.open.wait(60)
            data = json.dumps(known.get(what, {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = answers(running.server_port)
    running.slow, running.asked, running.open = set(), [], threading.Event()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.open.set()
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize(("slow", "allowed"), [("get-by-name", 0.2), ("update", 3.0)])
def test_a_server_that_does_not_answer_costs_a_run_little(ask, tmp_path, monkeypatch, server, slow, allowed):
    monkeypatch.setattr(allowance, "ALLOWED", allowed)
    monkeypatch.setattr(allowance, "PER_RUN", 0.0)
    server.slow.add(slow)
    words = [word for word in QUICK if word != "tracking=none"]
    status, _, told = ask(*words, f"tracking.uri=http://127.0.0.1:{server.server_port}")
    assert not server.open.is_set()  # it has not answered by now
    assert slow in server.asked
    assert (status, told.count("the server answers too slowly")) == (0, 1)
    assert "stackprop doctor" in told
    state = read_state(the_run(tmp_path))
    assert (state["status"], state["tracked"]) == ("finished", False)


def test_a_server_that_answers_gets_everything(ask, tmp_path, server):
    words = [word for word in QUICK if word != "tracking=none"]
    status, _, told = ask(*words, f"tracking.uri=http://127.0.0.1:{server.server_port}")
    assert (status, told) == (0, "")
    assert read_state(the_run(tmp_path))["tracked"]


def test_time_that_a_server_has_cost_comes_back_with_the_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(allowance.time, "monotonic", lambda: now[0])
    allowed = allowance.TimeBudget(served=True)

    def takes(seconds):
        now[0] += seconds

    allowed.call(takes, allowance.ALLOWED + 1)
    with pytest.raises(allowance.SlowServerError):
        allowed.call(takes, 1)
    now[0] += 1 / allowance.REFILL + 1
    allowed.call(takes, 0)
    assert 0 < allowed.left < allowance.ALLOWED


# ---- many runs, many steps


def copies(ask, tmp_path, count):
    """The jobs of a sweep, `count` times as many."""
    import shutil

    (sweep,) = tmp_path.glob("runs/sweep-*")
    for i in range(2, 2 * count):
        shutil.copytree(sweep / str(i % 2), sweep / str(i), dirs_exist_ok=True)
    return sweep


def test_the_report_of_a_sweep_reads_every_job_a_few_times(ask, tmp_path, monkeypatch):
    assert ask("-m", *QUICK, "seed=0,1")[0] == 0
    read, counts = [], []
    text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: (read.append(self), text(self, *a, **k))[1])
    for count in (10, 20):
        sweep = copies(ask, tmp_path, count)
        read.clear()
        write(sweep)
        counts.append(len([path for path in read if path.name == "run.json"]))
    assert counts[1] == 2 * counts[0]
    assert counts[0] <= 3 * 20


@pytest.mark.slow
def test_a_store_is_asked_once_for_all_runs(tmp_path, monkeypatch):
    store = mlflow_store.MlflowStore(Tracking(), tmp_path)
    run = store.begin("a", {}, {})
    run.end("FINISHED")
    state = {"status": "finished", "state": "FINISHED", "tracked": True, "mlflow_run_id": run.run_id}
    for i in range(5):
        (tmp_path / str(i)).mkdir()
        (tmp_path / str(i) / "config.yaml").write_text("tracking:\n  type: mlflow\n  uri: null\nseed: 1\n")
        writing.write_json(tmp_path / str(i) / "run.json", state)
    asked, listed = [], mlflow_store.MlflowStore.listed
    monkeypatch.setattr(mlflow_store.MlflowStore, "listed", lambda self: asked.append(self) or listed(self))
    monkeypatch.setattr(mlflow_store.mlflow_client, "create", None)  # it is there
    assert sync_to_mlflow(tmp_path) == ([], [])
    assert len(asked) == 1


def test_a_store_that_is_down_is_tried_once_for_all_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # a store of the user's
    for i in range(5):
        (tmp_path / str(i)).mkdir()
        (tmp_path / str(i) / "config.yaml").write_text("tracking: {type: mlflow, uri: 'http://127.0.0.1:9'}\n")
        writing.write_json(tmp_path / str(i) / "run.json", {"status": "finished", "tracked": False})
    tries = []

    def opened(*_):
        tries.append(1)
        raise ConnectionError("nobody is there")

    monkeypatch.setattr("framework.experiments.sync.get_store", opened)
    sent, unsent = sync_to_mlflow(tmp_path)
    assert (sent, len(unsent), len(tries)) == ([], 5, 1)


@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\ntracking:\n  type: none\n  max_points: 7\nheads: {}\n",
        "tracking: {type: none, max_points: 7}\n",
        "{seed: 1, tracking: {type: none, max_points: 7}}\n",
        "a: &it {type: none, max_points: 7}\ntracking: *it\n",
    ],
)
def test_tracking_is_read_however_it_is_written(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    found = tracking_of_run(tmp_path)
    assert (found.type, found.max_points) == ("none", 7)


def test_steps_are_read_as_columns_as_one_by_one(tmp_path):
    names = ("train/loss", "grad_norm/total", "grad_norm/a 1", "grad_norm/é")
    rows = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32) * 1e-20
    rows[2000, 1] = np.inf
    recorder = MetricsRecorder(tmp_path, 3000, 30)
    for start in range(0, 3000, 100):
        recorder.on_steps(0, start + 1, names, rows[start : start + 100])
        recorder.on_metrics(0, start + 100, {"val/loss": 1.5})
        recorder.on_probe_row(0, start + 100, "gradient_by_lag/rnn", np.array([start, 2.0]))
    recorder.sync()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 3001, "train/lo')
    found, expected = LazySeries(tmp_path / "metrics.jsonl"), series(read_lines(tmp_path / "metrics.jsonl"))
    assert set(found) == set(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 2, "grad_norm/total": 3.0, "train/loss": 4.0}',
        '{"step": 2, "train/loss": 4.0, "grad_norm/total": 3.0, "more": 1.0}',
        '{"step": 2, "grad_norm/total": 3.0}',
        '{"train/loss": 4.0, "step": 2, "grad_norm/total": "NaN"}',
    ],
)
def test_steps_with_other_names_than_the_first_are_read_too(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "train/loss": 1.0, "grad_norm/total": 2.0}\n' + line + "\n")
    found, expected = LazySeries(path), series(read_lines(path))
    for name in ("train/loss", "grad_norm/total"):
        assert np.array_equal(found[name], expected[name], equal_nan=True)


def test_steps_that_were_written_before_are_sent_as_they_were(tmp_path):
    class Sink:
        def __init__(self):
            self.found = set()

        def points(self, points):
            self.found |= {point[:3] for point in points}

    rows = np.random.default_rng(0).standard_normal((1000, 2))
    first, again = Sink(), Sink()
    recorder = MetricsRecorder(tmp_path, 1000, 10, first, 50)
    for start in range(0, 1000, 100):
        recorder.on_steps(0, start + 1, ("train/loss", "grad_norm/total"), rows[start : start + 100])
        recorder.on_metrics(0, start + 100, {"val/loss": start / 7})
    recorder.on_end()
    size = recorder.sync()
    MetricsRecorder(tmp_path, 1000, 10, again, 50, upto=size).on_end()
    assert again.found == first.found


@held_back()
def stopped_copy(ended):
    """Note the exit status of a copy that is stopped, as this process is, before it ignores signals."""
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # another thread would get it at a time of its own
    if (copy := os.fork()) == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        ignore()
        os._exit(7)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]))


def test_a_copy_that_starts_while_signals_are_held_back_ignores_them():
    ended = []
    with pytest.raises(SignalInterrupt, match="SIGTERM"), raise_on_signals():
        stopped_copy(ended)
    assert ended == [7]
