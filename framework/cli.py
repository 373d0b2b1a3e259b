"""The shell: `stackprop [hydra overrides]` runs, `stackprop VERB` is a tool.

Exit status: 0 done, 1 a run failed, 2 the request was wrong, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import importlib
import os
import secrets
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from framework.verbs import VERBS

# Flags of Hydra that show something and run nothing.
RUNS = {"--hydra-help", "--cfg", "-c", "--info", "-i", "--resolve", "--version"}


class Terminated(KeyboardInterrupt):
    """SIGTERM."""


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point of the command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--help" in arguments or "-h" in arguments:
        from framework.helping import text

        print(text())
        return
    if "COMP_LINE" in os.environ and any(a.startswith("-sc") for a in arguments):
        offered = completions()
        if offered:
            print(offered, end=" ")
    if arguments and arguments[0] in VERBS:
        sys.exit(guarded(lambda: tool(arguments[0], arguments[1:])))
    if arguments and arguments[0].isidentifier():
        from framework.registry import nearest

        sys.exit(wrong(f"no verb '{arguments[0]}'{nearest(arguments[0], VERBS)}; an override is written key=value"))
    sys.argv = [sys.argv[0], *arguments]
    sys.exit(guarded(compose_and_run))


def guarded(work: Callable[[], int]) -> int:
    """Run it; exceptions become messages and an exit status."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from framework.config import ConfigError
    from framework.data import DataError
    from framework.experiment import RunFailed

    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through to us
    before = _raise_on_sigterm()
    try:
        return work()
    except (HydraException, OmegaConfBaseException, ConfigError, DataError) as error:
        if wants_traceback:
            raise
        return wrong(in_words(error))
    except KeyboardInterrupt as stop:
        print(f"stackprop: stopped by {stop or 'Ctrl-C'}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:  # whoever read our output has gone: `stackprop plugins | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RunFailed as error:
        if wants_traceback:
            raise
        print(f"stackprop: the run failed: {error}", file=sys.stderr)
        return 1
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def completions() -> str:
    """What may follow on a TAB press where Hydra would offer keys only: the verbs."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()[1:] + ([""] if line.endswith(" ") else [])
    return " ".join(verb for verb in VERBS if len(words) == 1 and verb.startswith(words[0]))


def compose_and_run() -> int:
    """Let Hydra compose, and run one job or all jobs of a sweep."""
    import hydra

    from framework.composing import conf_dir, install, load_plugins_of, refuse_null_choices

    refuse_null_choices(sys.argv[1:])
    load_plugins_of(sys.argv[1:])
    completing = "COMP_LINE" in os.environ
    install(None if completing or not RUNS.isdisjoint(sys.argv) else check)
    os.environ.setdefault("STACKPROP_RUNS", "runs")
    os.environ["STACKPROP_ID"] = secrets.token_hex(2)  # two runs that begin in the same second differ
    failed: list[Exception] = []
    sweeps: list[Path] = []

    def job(cfg: Any) -> float | None:
        if _of_many() and not sweeps:
            sweeps.append(_place().folder.parent)
        try:
            return task(cfg)
        except Exception as error:
            if _of_many():  # told at once; the others go on, and Hydra raises the first failure at the end
                print(f"failed: {error}", file=sys.stderr, flush=True)
                raise
            failed.append(error)
            return None

    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
    finally:
        if sweeps:
            compare(sweeps[0])
    if failed:
        raise failed[0]
    return 0


def compare(sweep: Path) -> None:
    """Table and figure of a sweep, whether or not all of it went well."""
    from framework.config import ConfigError
    from framework.verbs.compare import compare

    try:
        try:
            compare(sweep, {})
        except ConfigError:  # what a preset shows is not what was swept
            compare(sweep, {"x": "step", "y": None, "panels": None})
    except Exception as error:  # the runs are recorded; their figure must not make them fail
        print(f"stackprop: no figure of {sweep}: {error}", file=sys.stderr)


def check(settings: Any) -> None:
    """Whatever can be known before a run begins: settings and data go together."""
    from framework.experiment import prepare

    prepare(settings)


def task(cfg: Any) -> float | None:
    """One job: run it, print the end; the value is what a sweeper makes small."""
    from framework.assembling import doubts
    from framework.chunking import needless
    from framework.composing import settings_of
    from framework.display import Display, report
    from framework.experiment import prepare, run
    from framework.refilling import end_lost

    experiment, of_many, place = prepare(settings_of(cfg)), _of_many(), _place()
    for folder in end_lost(place.runs):
        print(f"stackprop: {folder} was left without a process; `stackprop resume {folder}` goes on", file=sys.stderr)
    for doubt in doubts(experiment.learner) + needless(experiment.data, experiment.settings.trainer.bptt.chunk):
        print(f"stackprop: warning: {doubt}", file=sys.stderr)
    display = Display(experiment.steps, brief=of_many)
    try:
        result = run(experiment, place, [display])
    finally:
        display.close()
    report(result, tracked=experiment.settings.tracking.type == "mlflow", brief=of_many)
    return result.metrics.get("val/loss")


def _of_many() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def _place() -> Any:
    from hydra.core.hydra_config import HydraConfig

    from framework.record import Place

    hydra = HydraConfig.get()
    folder, overrides = Path(hydra.runtime.output_dir), list(hydra.overrides.task)
    tags = {"sweep": Path(hydra.sweep.dir).name, "sweep.overrides": ",".join(overrides)} if _of_many() else {}
    command = " ".join(map(shlex.quote, ["stackprop", *overrides]))
    return Place(folder, Path(os.environ["STACKPROP_RUNS"]), run_name(overrides) or folder.name, tags, command)


def run_name(overrides: Sequence[str]) -> str:
    """`optimizer=adam optimizer.lr=0.1 seed=2` as a legend has room for it: `adam lr=0.1 seed=2`."""
    words = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key == "plugins":
            continue
        is_choice = "." not in key and key not in ("seed", "device", "dtype", "tier", "metrics")
        words.append(value if is_choice and value else f"{key.rsplit('.', 1)[-1]}={value}")
    return " ".join(words)[:250]


def in_words(error: BaseException) -> str:
    """An error of Hydra, OmegaConf or ours, as a sentence."""
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    from framework.config import ConfigError
    from framework.helping import choices
    from framework.registry import nearest

    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).removesuffix(".yaml").rpartition("/")
        options = error.options or choices().get(group)  # Hydra names none where a list was chosen: probes=[dead,sad]
        if options is not None:
            return f"{group}: no '{name}'{nearest(name, options)}"
    cause = error.__cause__ or error
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        parent = cause.parent_node
        names = [str(k) for k in parent if k != "hydra"] if hasattr(parent, "__iter__") else []
        return f"{cause.full_key}: {str(cause.msg).splitlines()[0]}{nearest(str(cause.key), names)}"
    return " ".join(str(error).split())


def wrong(text: str) -> int:
    """The request was wrong."""
    for line in text.splitlines():
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


def _raise_on_sigterm() -> Any:
    """SIGTERM then ends a run as Ctrl-C does."""

    def stop(*_: Any) -> None:
        raise Terminated("SIGTERM")

    in_main = threading.current_thread() is threading.main_thread()
    return signal.signal(signal.SIGTERM, stop) if in_main else None


if __name__ == "__main__":
    main()
