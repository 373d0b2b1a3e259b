"""The shell's commands from Python: an experiment or a sweep is composed, validated, run and recorded, and returned."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from framework.analysis.listing import SweepRow, selected
from framework.api.results import RunResult, SweepResult
from framework.config.arguments import readable, with_folds
from framework.config.composition import COMPOSING, install, load_plugins_of
from framework.config.messages import reworded
from framework.core import home
from framework.core.callback import Callback
from framework.core.errors import ConfigError, RunFailed
from framework.core.log import log, show
from framework.core.process import environment
from framework.core.secrets import withheld
from framework.core.trust import trusting
from framework.experiments.continuing import resumption
from framework.experiments.progress import ProgressBar, report
from framework.experiments.rerunning import rerun_of
from framework.experiments.runner import JobResult
from framework.registry.registry import conf_dir
from framework.sweeps.app import at_command, compare, run_one, task
from framework.sweeps.job_dir import RERUN_OF
from framework.sweeps.manifest import resumed
from framework.sweeps.session import SweepSession, start_session
from framework.tracking.naming import keyed
from framework.tracking.run_dir import find_any, find_run, runs_dir

OURS = ("hydra/hydra_logging=none",)  # logging belongs to the application


def run(*overrides: str, verbose: bool = False, callbacks: Sequence[Callback] = ()) -> RunResult:
    """Run `stackprop [overrides]`, and return its result.

    Args:
        overrides: as in the shell, one string each, without the shell's quotes.
        verbose: print what the shell prints.
        callbacks: called while the run trains.

    Raises:
        ConfigError: the request is wrong; nothing was started.
        DataError: a file of data cannot be used.
        RunFailed: the run failed; a note names its folder.
    """
    ended: list[JobResult | RunFailed] = []

    def job(cfg: Any) -> None:
        try:
            with at_command():
                ended.append(run_one(cfg))
        except RunFailed as error:
            error.add_note(f"written to {HydraConfig.get().runtime.output_dir}")
            ended.append(error)

    with _hydra(overrides, verbose, callbacks) as (hydra, words, _):
        several = [word.input_line for word in OverridesParser.create().parse_overrides(words) if word.is_sweep_override()]
        if several:
            raise ConfigError(f"{' '.join(map(str, several))}: several values need `sweep`; write a list as [a,b]")
        mode = hydra.compose_config("config", words, run_mode=RunMode.MULTIRUN, with_log_configuration=False).hydra.mode
        if mode == RunMode.MULTIRUN:
            raise ConfigError(f"{' '.join(overrides)}: this is a sweep; use `sweep`")
        hydra.run("config", job, words, with_log_configuration=False)
    if isinstance(ended[0], RunFailed):
        raise ended[0]
    return RunResult(ended[0].folder, keyed(overrides), ended[0].findings)


def rerun(
    recorded: str, *overrides: str, trust: bool = False, verbose: bool = False, callbacks: Sequence[Callback] = ()
) -> RunResult:
    """Run a recorded run again, with changes: `stackprop rerun RUN [overrides]`.

    Args:
        recorded: its folder, its name under `runs/`, the id of its MLflow run, `last` or `best`.
        overrides: they replace those of the run.
        trust: run the single files that it names even if you have not run them here before.
        verbose: print what the shell prints.
        callbacks: called while the run trains.

    Raises:
        ConfigError: it cannot be repeated here; nothing was started.
        RunFailed: the run failed.
    """
    show()
    with COMPOSING, reworded():
        found = rerun_of(str(recorded), overrides, trust)
    for note in found.notes:
        log.info(note)
    with trusting(trust), environment({RERUN_OF: found.run}):
        ended = run(*found.words, verbose=verbose, callbacks=callbacks)
    return replace(ended, overrides={key: value for key, value in ended.overrides.items() if key != "hydra.mode"})


def resume(
    recorded: str, *overrides: str, trust: bool = False, verbose: bool = False, callbacks: Sequence[Callback] = ()
) -> RunResult:
    """Go on with a run from its last checkpoint: `stackprop resume RUN [trainer.epochs=+20]`. An interrupted run goes on in
    its folder; a longer one is a new run.

    Args:
        recorded: its folder, its name under `runs/`, the id of its MLflow run, `last` or `best`.
        overrides: a new length, patience or goal; with it, name, notes and `tags.KEY` of the longer run.
        trust: run the single files that it names even if you have not run them here before.
        verbose: print what the shell prints.
        callbacks: called while the run trains.

    Raises:
        ConfigError: it cannot go on; nothing was started.
        RunFailed: the run failed.
    """
    show()
    found = resumption(str(recorded), overrides, trust)
    for note in found.notes:
        log.info(note)
    display = [ProgressBar(found.experiment.steps, found.experiment.epoch)] if verbose else []
    ended = found.run([*display, *callbacks])
    if verbose:
        report(ended, found.experiment.settings.tracking.type == "mlflow")
    return RunResult(ended.folder.resolve(), keyed(overrides))


def sweep(*overrides: str, verbose: bool = False, callbacks: Sequence[Callback] = ()) -> SweepResult:
    """Run `stackprop -m [overrides]`, and return the results of all jobs. A job that fails is reported on standard error and
    does not stop the others; its `status` is failed.

    Args:
        overrides: as in the shell, one string each, without the shell's quotes: "optimizer.lr=0.1,0.01", "seed=range(4)".
        verbose: print what the shell prints.
        callbacks: called while jobs train, once for each stack; jobs then train in this process.

    Raises:
        ConfigError: a job cannot run; no job was started.
        DataError: a file of data cannot be used.
    """
    with _hydra(overrides, verbose, callbacks, multirun=True) as (hydra, words, session):
        try:
            with contextlib.suppress(RunFailed):  # of a job, after all jobs have ended
                hydra.multirun("config", task, words, with_log_configuration=False)
        finally:
            folder = session.sweeps[0] if session.sweeps else Path()
            if session.sweeps:
                compare(folder)
            session.close()
    return SweepResult(folder.resolve())


def result(run: str) -> RunResult | SweepResult:
    """A recorded run or sweep: by its name (the newest of several), its folder, `last` for the newest run, or `best` for the
    best job of the last sweep; `SWEEP/3` is a job.

    Raises:
        ConfigError: it is unknown.
    """
    folder = find_run(run, runs_dir()) if run == "last" else find_any(run)
    return RunResult(folder.resolve()) if (folder / "run.json").exists() else SweepResult(folder.resolve())


def runs(*filters: str, sort: str = "started", all: bool = False) -> list[RunResult | SweepResult]:
    """Recorded runs and sweeps, as `stackprop list` finds them: the newest first.

    Args:
        filters: "status=finished", "model=mlp", "optimizer.lr<0.05", "val/loss<0.3", "name=wide*", "tags.paper=fig3",
            "sweep=last"; all must hold.
        sort: a key; for a metric, the best first.
        all: each job of a sweep on its own, instead of the sweep.

    Raises:
        ConfigError: a filter cannot be read, or no run has that key.
    """
    rows = selected(filters, sort=sort, unfolded=all or None)
    return [
        SweepResult(row.folder.resolve()) if isinstance(row, SweepRow) else RunResult(row.folder.resolve(), row.overrides)
        for row in rows
    ]


@contextlib.contextmanager
def _hydra(
    overrides: Sequence[str], verbose: bool, callbacks: Sequence[Callback], multirun: bool = False
) -> Iterator[tuple[Any, list[str], SweepSession]]:
    """Hydra ready to run, the words it gets, and the session. What changes in the process is restored afterwards."""
    show()
    given = with_folds(readable([word for word in overrides if word not in ("-m", "--multirun")]))
    words, hidden = withheld([word for word in given if word != "-m"])
    before = HydraConfig.instance().cfg
    quiet: Any = contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO())
    try:
        with COMPOSING, quiet, reworded():
            load_plugins_of(words)
            words = [word for word in resumed(words) or words if word not in ("-m", "--multirun")]
            load_plugins_of(words, by_user=False)  # plugins that a resumed sweep has recorded
            command, variables = ["-m", *words] if multirun else words, home.variables() | hidden
            mode = ["hydra.mode=MULTIRUN"] if multirun else []
            with start_session(command, variables, callbacks) as session:
                install(session.check)
                with initialize_config_dir(str(conf_dir()), "stackprop", version_base="1.3"):
                    yield GlobalHydra.instance().hydra, [*words, *OURS, *mode], session
    finally:
        HydraConfig.instance().cfg = before


__all__ = ["rerun", "result", "resume", "run", "runs", "sweep"]
