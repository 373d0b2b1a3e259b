"""`stackprop resume RUN [trainer.epochs=+20]`: go on with a run from its last checkpoint, to its end or further."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from framework.core.errors import ConfigError
from framework.core.signals import StoppedRun
from framework.core.trust import trusting
from framework.experiments.continuing import resumption
from framework.experiments.loading import TRUST
from framework.experiments.progress import ProgressBar, report
from framework.tracking.folders import SWEEP
from framework.tracking.run_dir import find_any


def sweep_of(word: str) -> Path | None:
    """The folder of a sweep that a word names."""
    with suppress(ConfigError):  # `resumption` gives the reason
        if ((found := find_any(word)) / SWEEP).is_file() and not (found / "run.json").exists():
            return found
    return None


def main(arguments: Sequence[str]) -> int:
    """An interrupted run goes on in the same folder and the same MLflow run. Of a sweep, the missing jobs are run.
    With a new length the run goes on as a new one:
    trainer.epochs=+20, trainer.epochs=60, trainer.steps=+500, trainer.early_stopping.patience=+10."""
    parser = argparse.ArgumentParser("stackprop resume", description=f"{__doc__}\n\n{main.__doc__}")
    parser.add_argument("run", help="a run or a sweep: folder, name or MLflow id; or: last, best")
    about = "a new length, patience or goal; name=..., tags.KEY=... for the longer run"
    parser.add_argument("overrides", nargs="*", metavar="trainer.epochs=+N", help=about)
    parser.add_argument("--trust", action="store_true", help=TRUST)
    given = parser.parse_args(arguments)
    if not given.overrides and (sweep := sweep_of(given.run)):
        from framework.cli.command_line import compose_and_run

        with trusting(given.trust):
            return compose_and_run(["-m", f"sweep.resume={sweep}"])
    found = resumption(given.run, given.overrides, given.trust)
    for note in found.notes:
        print(f"stackprop: {note}", file=sys.stderr)
    display = ProgressBar(found.experiment.steps, found.experiment.epoch)
    tracked = found.experiment.settings.tracking.type == "mlflow"
    try:
        result = found.run([display])
    except StoppedRun as stop:
        display.close()
        report(stop.result, tracked)
        raise
    finally:
        display.close()
    report(result, tracked)
    return 0
