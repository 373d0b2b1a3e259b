"""What tests of the command as a process of its own share."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("stackprop"))]
QUICK = ["dataset=spirals", "dataset.n=40", "model.hidden=4", "trainer.epochs=2"]


def stackprop(place, *words, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("STACKPROP", "HYDRA"))}
    return subprocess.run(
        [*COMMAND, *words], cwd=place, capture_output=True, text=True, timeout=120, env=env | environment, check=False
    )


def interruptible():
    """In the child: Ctrl-C works, even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def newest(place, pattern="runs/2*"):
    return max(place.glob(pattern), key=lambda path: path.stat().st_mtime)


def until(condition, process, seconds=60):
    for _ in range(100 * seconds):
        if condition():
            return
        assert process.poll() is None
        time.sleep(0.01)
    raise TimeoutError
