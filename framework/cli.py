"""The shell: `stackprop [hydra overrides]` runs, `stackprop VERB` is a tool.

Exit status: 0 done, 1 a run failed, 2 the request was wrong, 130 stopped by Ctrl-C, 143 by SIGTERM, 129
by SIGHUP.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework import home
from framework.signals import Terminated, deferred, heeding, ignore, unmoved
from framework.trust import trusting
from framework.unheard import lenient, unheard
from framework.verbs import VERBS

if TYPE_CHECKING:
    from framework.experiment import Result


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point of the command."""
    with environment(home.variables()), heeding(for_good=argv is None), unheard() as spoken:
        status = answer(list(sys.argv[1:] if argv is None else argv))
    sys.exit(status or int(spoken.failed))


def answer(arguments: list[str]) -> int:
    """What the command asks for; its exit status."""
    if "--help" in arguments or "-h" in arguments:
        from framework.helping import text

        print(text())
        return 0
    if "COMP_LINE" in os.environ and any(a.startswith("-sc") for a in arguments):
        offered = completions()
        if offered:
            print(offered, end=" ")
    if arguments and arguments[0] in VERBS:
        return guarded(lambda: tool(arguments[0], arguments[1:]))
    if arguments and arguments[0].isidentifier():
        from framework.registry import nearest

        return wrong(f"no verb '{arguments[0]}'{nearest(arguments[0], VERBS)}; an override is written key=value")
    with trusting("--trust" in arguments):
        return guarded(lambda: compose_and_run([word for word in arguments if word != "--trust"]))


def guarded(work: Callable[[], int]) -> int:
    """Run it; exceptions become messages and an exit status."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from framework.config import ConfigError
    from framework.data import DataError
    from framework.experiment import RunFailed
    from framework.reading import UnreadableError
    from framework.wording import in_words

    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with environment({"HYDRA_FULL_ERROR": "1"}):  # Hydra then lets exceptions through to us
            return work()
    except (HydraException, OmegaConfBaseException, ConfigError, DataError, UnreadableError, YAMLError) as error:
        if wants_traceback:
            raise
        return wrong(in_words(error))
    except KeyboardInterrupt as stop:
        ignore()  # a second signal would change the exit status
        print(f"stackprop: stopped by {str(stop) or 'Ctrl-C'}", file=sys.stderr)
        return stop.status if isinstance(stop, Terminated) else 130
    except BrokenPipeError:  # whoever read our output has gone: `stackprop plugins | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RecursionError:
        if wants_traceback:
            raise
        return wrong("what was given is nested too deeply to be read")
    except OSError as error:
        if wants_traceback or not error.strerror:
            raise
        return wrong(f"{error.filename}: {error.strerror}{_elsewhere(error)}" if error.filename else error.strerror)
    except RunFailed as error:
        if wants_traceback:
            raise
        print(f"stackprop: the run failed: {error}", file=sys.stderr)
        return 1


def _elsewhere(error: OSError) -> str:
    from framework.runs import runs_dir
    from framework.writing import LinkError

    if isinstance(error, LinkError):
        return ""
    within = Path(os.fsdecode(error.filename)).absolute().is_relative_to(runs_dir().absolute())
    return "; it is for what runs write, and STACKPROP_RUNS=FOLDER names another folder" if within else ""


def completions() -> str:
    """What may follow on a TAB press where Hydra would offer keys only: the verbs."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()[1:] + ([""] if line.endswith(" ") else [])
    return " ".join(verb for verb in VERBS if len(words) == 1 and verb.startswith(words[0]))


def compose_and_run(arguments: Sequence[str]) -> int:
    """Let Hydra compose, and run one job or all jobs of a sweep."""
    import hydra

    from framework.arguments import SHOWING, ordered, readable
    from framework.composing import conf_dir, install, load_plugins_of
    from framework.launching.manifest import resumed
    from framework.launching.stacked import BEGUN, close_feeder
    from framework.secrecy import withheld

    words, hidden = withheld(readable(ordered(arguments)))
    shows = not set(SHOWING).isdisjoint(words)
    if not shows:
        load_plugins_of(words)
    resuming = resumed(words)
    if resuming and not shows:
        load_plugins_of(resuming, by_user=False)  # those that a resumed sweep has recorded
    words = resuming or words
    install(None if shows or "COMP_LINE" in os.environ else check, runs=not shows)
    sys.argv = [sys.argv[0], *words]
    failed: list[Exception] = []

    def job(cfg: Any) -> float | None:
        try:
            return task(cfg)
        except Exception as error:
            if _of_many():  # told at once; the others go on, and Hydra raises the first failure at the end
                print(f"failed: {error}", file=sys.stderr, flush=True)
                raise
            failed.append(error)
            return None

    with environment({**told(words), **hidden}):
        try:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
        finally:
            try:
                with unmoved():
                    for sweep in dict.fromkeys(BEGUN):
                        compare(sweep)
            finally:
                with deferred():  # what the store has is still to be written down
                    BEGUN.clear()
                    close_feeder()
    if failed:
        raise failed[0]
    return 0


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment for a while."""
    from framework.secrecy import URI

    before = {key: os.environ.get(key) for key in (*values, URI)}  # MLflow's client writes its own into it
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def told(words: Sequence[str]) -> dict[str, str]:
    """What the presets, the places of runs and `sweep.json` read from the environment."""
    runs = os.environ.get("STACKPROP_RUNS", "runs")
    # With an id, two runs that begin in the same second differ.
    return {"STACKPROP_RUNS": runs, "STACKPROP_ID": secrets.token_hex(2), "STACKPROP_COMMAND": json.dumps(list(words))}


def compare(sweep: Path) -> None:
    """Table and figure of a sweep, whether or not all of it went well."""
    from framework.config import ConfigError
    from framework.launching.stacked import FEEDERS
    from framework.launching.summary import record
    from framework.runs import runs_dir
    from framework.verbs.compare import compare

    try:
        try:
            found = compare(sweep, {})
        except ConfigError as error:  # what a preset shows may not be what was swept
            print(f"stackprop: {error}; drawn without what figure.* says", file=sys.stderr)
            found = compare(sweep, {"x": "step", "y": None, "panels": None})
        if FEEDERS:
            FEEDERS[0].settle()
            FEEDERS[0].call(record, sweep, runs_dir(), *found)
        else:
            record(sweep, runs_dir(), *found)
    except Exception as error:  # the runs are recorded; their figure must not make them fail
        print(f"stackprop: no figure of {sweep}: {error}", file=sys.stderr)


def check(settings: Any) -> None:
    """Whatever can be known before a run begins: settings and data go together."""
    from framework.experiment import prepare

    prepare(settings)


def task(cfg: Any) -> float | None:
    """One job: run it, print the end; the value is what a sweeper makes small."""
    from framework.display import report

    lenient()  # in a process of its own, for launchers that start one
    with at_command():
        if _of_many() and (known := done_before(cfg)):
            return known[0]
        result = run_one(cfg)
        report(result, tracked=cfg.tracking.type == "mlflow", brief=_of_many())
    return result.metrics.get("val/loss")


@contextlib.contextmanager
def at_command() -> Iterator[None]:
    """In the folder of the command, which relative paths mean, although `hydra.job.chdir` may have moved the job."""
    from hydra.core.hydra_config import HydraConfig

    before = os.getcwd()
    os.chdir(HydraConfig.get().runtime.cwd)
    try:
        yield
    finally:
        os.chdir(before)


def done_before(cfg: Any) -> list[float | None]:
    """The value of a job that has finished before, if it has; otherwise what it had left is set aside. For launchers that
    are not ours: each job by itself, perhaps in a process of its own."""
    from hydra.core.hydra_config import HydraConfig

    from framework.arrays import use_gpu
    from framework.composing import settings_of
    from framework.launching.manifest import is_done, set_aside, value_of
    from framework.launching.places import place_of
    from framework.launching.stacked import send_unsent
    from framework.record import config_hash

    hydra, settings = HydraConfig.get(), settings_of(cfg)
    place = place_of(hydra.runtime.output_dir, words_of(hydra), hydra.sweep.dir)
    use_gpu(hydra.job.num)
    if is_done(place.folder, config_hash(settings.tree)):
        send_unsent([place.folder], place.runs)
        return [value_of(place.folder)]
    set_aside(place, settings.tracking, [hydra.output_subdir or ""])
    return []


def run_one(cfg: Any) -> Result:
    """One job, shown while it runs."""
    from hydra.core.hydra_config import HydraConfig

    from framework.assembling import doubts
    from framework.chunking import needless
    from framework.composing import settings_of
    from framework.display import Display
    from framework.experiment import prepare, run
    from framework.launching.places import place_of
    from framework.precision import indistinct
    from framework.refilling import end_lost

    experiment, of_many, hydra = prepare(settings_of(cfg)), _of_many(), HydraConfig.get()
    place = place_of(hydra.runtime.output_dir, words_of(hydra), hydra.sweep.dir if of_many else None)
    for folder in end_lost(place.runs):
        print(f"stackprop: {folder} was left without a process; `stackprop resume {folder}` goes on", file=sys.stderr)
    for note in experiment.data.notes:
        print(f"stackprop: dataset: {note}", file=sys.stderr)
    data, settings = experiment.data, experiment.settings
    for doubt in doubts(experiment.learner) + needless(data, settings.trainer.bptt.chunk) + indistinct(data, settings.dtype):
        print(f"stackprop: warning: {doubt}", file=sys.stderr)
    display = Display(experiment.steps, brief=of_many)
    try:
        return run(experiment, place, [display])
    finally:
        display.close()


def words_of(hydra: Any) -> list[str]:
    """The overrides of a job as they were typed: an interpolation in one, which may give a password, stays as it is."""
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return list(found)


def _of_many() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def wrong(text: str) -> int:
    """The request was wrong."""
    from framework.secrecy import masked

    for line in masked(text).splitlines():
        print(f"stackprop: {line}", file=sys.stderr)
    return 2


def tool(name: str, arguments: Sequence[str]) -> int:
    """Run a verb; `plugins=[my_layer.py]` brings a file's components to any of them."""
    if any(word.startswith("plugins=") for word in arguments):
        from framework.composing import load_plugins_of

        load_plugins_of(arguments)
        arguments = [word for word in arguments if name == "summary" or not word.startswith("plugins=")]
    module = importlib.import_module(f"framework.verbs.{name}")
    return int(module.main(arguments))


if __name__ == "__main__":
    main()
