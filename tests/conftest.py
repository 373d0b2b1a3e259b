"""What holds for all tests, and for the processes that they start."""

import atexit
import logging
import os
import shutil
import signal
import sys
import tempfile

import pytest
from empty_store import copy_stores

pytest.register_assert_rewrite("networks", "stack_law")
# Two pytest workers share two cores; there threads of BLAS that wait for each other make tests a hundred times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What tests run is not what the user of this machine trusts.
os.environ["STACKPROP_STATE"] = tempfile.mkdtemp(prefix="stackprop-tests-")
atexit.register(shutil.rmtree, os.environ["STACKPROP_STATE"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def no_store_by_environment():
    """MLflow's client writes its tracking URI into the environment, where the next test would find it."""
    yield
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True, scope="session")
def warnings_are_printed():
    """What the library logs is printed, as in the command."""
    from framework.core.log import show

    show()


@pytest.fixture(autouse=True, scope="session")
def stores_are_copies(tmp_path_factory):
    copy_stores(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True, scope="session")
def presets_are_composed_once():
    from composing import compose_once

    compose_once()


@pytest.fixture
def compiled_quickly(monkeypatch, tmp_path_factory):
    """Compiled steps lie in a folder of their own. Without optimisations one is compiled in a fraction of the time; the
    arithmetic is the same."""
    from framework.training.compiled import build

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(build, "FLAGS", ("-O0", *build.FLAGS[1:]))


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are made and saved without their pixels, which take more time than a small training."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **_: file.write(b"\x89PNG"))


@pytest.fixture
def ask(tmp_path, monkeypatch, capfd):
    """Give a command in this process, in an empty folder, and leave nothing behind: its exit status, output and errors."""
    from framework.cli.command_line import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    before, root = dict(os.environ), logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    noticed = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}

    def answer(*words):
        os.environ.pop("STACKPROP_RUNS", None)
        try:
            main(words)
            status = 0
        except SystemExit as end:
            status = end.code or 0
        for number, handler in noticed.items():
            signal.signal(number, handler)  # a command that was stopped ignores all further signals
        root.setLevel(level)
        root.handlers[:] = handlers  # `--info` and Hydra's logging add theirs
        return status, *capfd.readouterr()

    yield answer
    os.environ.clear()
    os.environ.update(before)
