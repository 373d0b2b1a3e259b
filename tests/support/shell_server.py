"""`stackprop` asked many times: one process imports what the command needs, and a copy of it answers each request. A second
of imports is paid once; all else is as from the shell: arguments, working directory, output, exit status.

python tests/support/shell_server.py REQUESTS.json    a list of [words, folder]; each folder gets stdout, stderr and status
"""

import importlib
import json
import os
import sys
from pathlib import Path

from framework.cli.command_line import main

IMPORTED = ("framework.sweeps.launcher", "framework.cli.commands.compare", "framework.testing", "hydra.main", "rich.table")


def answer(words, folder):
    """In a copy of this process."""
    os.chdir(folder)
    for name, stream in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644), stream)
    sys.argv = ["stackprop", *words]
    try:
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    Path("status").write_text(str(status))


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    for request, place in json.loads(Path(sys.argv[1]).read_text()):
        child = os.fork()
        if not child:
            answer(request, place)
            os._exit(0)
        os.waitpid(child, 0)
