"""The command, as a process or in one that answers many."""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("stackprop"))]
QUICK = ["dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=2"]


def stackprop(place, *words, **environment):
    """A command in a folder, answered by a fork of a process that has imported everything. With UNRENDERED="1", figures are
    made and saved without their pixels, as by the fixture of that name."""
    return forked(place, *words, **environment).end()


def forked(place, *words, **environment):
    """The same while it goes on."""
    to = Path(tempfile.mkdtemp(dir=server()[1]))
    return Begun(words, _asked("begin", list(map(str, words)), str(place), _environment() | environment, str(to)), to)


@dataclass
class Begun:
    """A fork that answers a command, and the folder of what it prints."""

    words: tuple
    pid: int
    to: Path

    def poll(self):
        """Its exit status; None while it goes on."""
        return _asked("end", self.pid, os.WNOHANG)

    def end(self):
        """Wait until it has ended: status, output and errors."""
        status, (out, err) = _asked("end", self.pid, 0), (self.to / name for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(self.words, status, out.read_text(), err.read_text())


def _asked(*request):
    process, _ = server()
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def started(place, *words, **environment):
    """The same as a process of its own, as a person starts it."""
    env = _environment() | environment
    return subprocess.run([*COMMAND, *words], cwd=place, capture_output=True, text=True, timeout=120, env=env, check=False)


def _environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("STACKPROP", "HYDRA"))}


@functools.cache
def server():
    """The process that answers, and the folder for its output; both end with this process."""
    folder = tempfile.TemporaryDirectory(prefix="stackprop-server-")
    words = [sys.executable, Path(__file__).with_name("shell_server.py"), folder.name]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())

    def end():
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return process, Path(folder.name)


def interruptible():
    """In the child: Ctrl-C works, even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def newest(place, pattern="runs/2*"):
    return max(place.glob(pattern), key=lambda path: path.stat().st_mtime)


def until(condition, process, seconds=60):
    for _ in range(100 * seconds):
        if condition():
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise TimeoutError
