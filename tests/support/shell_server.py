"""`stackprop` as a server: one process imports what the command needs, and a fork of it answers each request. Seconds of
imports are paid once, as is the first composition, which finds the plugins and fills the caches of Hydra's parser; all
else is as from the shell: arguments, environment, folder, output, exit status.

`shell.stackprop` starts it. A request is a line of JSON: ["begin", words, folder, environment, folder for the output] gives
the number of the fork, ["end", number, options of `waitpid`] its exit status, or null while it goes on.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from empty_store import copy_stores
from matplotlib.figure import Figure

from framework.cli.command_line import main
from framework.config.composition import compose

IMPORTED = ("framework.sweeps.launcher", "framework.cli.commands.compare", "framework.testing", "hydra.main", "rich.table")
IMPORTED += (
    "framework.cli.commands.doctor",
    "framework.experiments.progress",
    "framework.sweeps.summary",
    "hydra._internal.logging_config",
    "matplotlib.backends.backend_agg",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.datasets",
)
SECONDS = 300


def answer(words, folder, environment, to):
    """In a fork; its exit status."""
    signal.alarm(SECONDS)
    for stream, name in enumerate((os.devnull, f"{to}/stdout", f"{to}/stderr")):
        os.dup2(os.open(name, os.O_RDONLY if stream == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["stackprop", *words]
    if "UNRENDERED" in environment:
        Figure.savefig = lambda figure, file, **_: file.write(b"\x89PNG")
    try:
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def begin(*request):
    """Answer in a fork; its number."""
    child = os.fork()
    if not child:
        os._exit(answer(*request))
    return child


def end(child, options, ended):
    """The exit status of a fork; `ended` has those that were asked for before."""
    if child not in ended:
        found, status = os.waitpid(child, options)
        if not found:
            return None
        ended[child] = os.waitstatus_to_exitcode(status)
    return ended[child]


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    copy_stores(Path(sys.argv[1]))
    compose(["optimizer.lr=0.1", "model.hidden=3"])
    ended = {}
    for line in sys.stdin:
        what, *request = json.loads(line)
        print(json.dumps(begin(*request) if what == "begin" else end(*request, ended)), flush=True)
