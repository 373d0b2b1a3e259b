"""`stackprop rerun RUN [overrides]`: a recorded run again, with changes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from framework.cli.command_line import compose_and_run
from framework.core.process import environment
from framework.core.trust import trusting
from framework.experiments.loading import TRUST
from framework.experiments.rerunning import rerun_of
from framework.sweeps.job_dir import RERUN_OF


def main(arguments: Sequence[str]) -> int:
    """The overrides of the run are composed again, with the changes: rerun last seed=1 optimizer.lr=0.01; with -m the
    changes are swept. Where defaults or presets have changed since, the recorded values are used."""
    parser = argparse.ArgumentParser("stackprop rerun", description=f"{__doc__}\n\n{main.__doc__}")
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="overrides; they replace those of the run")
    parser.add_argument("-m", "--multirun", action="store_true", help="sweep the changes: seed=1,2,3")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    given = parser.parse_intermixed_args(arguments)
    found = rerun_of(given.run, given.changes, given.trust, given.multirun)
    for note in found.notes:
        print(f"stackprop: {note}", file=sys.stderr)
    with trusting(given.trust), environment({RERUN_OF: found.run}):
        return compose_and_run([*(["-m"] if given.multirun else []), *found.words])
