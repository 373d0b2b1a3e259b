"""The command line: `stackprop [hydra overrides]` runs an experiment, `stackprop VERB` runs a tool.

Exit status: 0 success, 1 a run failed, 2 the request was wrong, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framework.cli.commands import VERBS
from framework.cli.help import FLAGS
from framework.core import home
from framework.core.log import quiet_others, quiet_variables, show
from framework.core.pipes import ignore_broken_pipe, open_closed
from framework.core.process import environment, limit_heaps, note_command
from framework.core.signals import SignalInterrupt, deferred, ignore, ignore_further_signals, raise_on_signals
from framework.core.trust import trusting
from framework.sweeps.app import _of_many, compare, task

VERB = r"[^\W\d][\w-]*"  # a bare word
WITH_PLUGINS = ("rerun", "save", "summary")  # verbs that read the key `plugins` themselves


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point of the command."""
    if argv is None:
        open_closed()
        note_command()
        limit_heaps()
    show()
    quiet_others()
    with (
        environment(home.variables() | quiet_variables()),
        raise_on_signals(for_good=argv is None),
        ignore_broken_pipe() as spoken,
    ):
        status = execute(list(sys.argv[1:] if argv is None else argv))
    sys.exit(status or int(spoken.failed))


def execute(arguments: list[str]) -> int:
    """Run the command; returns its exit status."""
    if not {*FLAGS}.isdisjoint(arguments):
        return guarded(lambda: show_help(arguments))
    if "COMP_LINE" in os.environ and any(a.startswith("query=") for a in arguments):
        if (found := offered_words()) is not None:
            print("\n".join(found) if "query=fish" in arguments else " ".join(found))
            return 0
        offered = completions()
        if offered:
            print(offered, end=" ")
    if arguments and arguments[0] in VERBS:
        return guarded(lambda: tool(arguments[0], arguments[1:]))
    if arguments and re.fullmatch(VERB, arguments[0]):
        return guarded(lambda: command(arguments[0], arguments[1:]))
    if late := late_verb(arguments):
        return report_error(f"{late}: the verb comes first: stackprop {late} ...; see `stackprop {late} --help`")
    with trusting("--trust" in arguments):
        return guarded(lambda: compose_and_run([word for word in arguments if word != "--trust"]))


def late_verb(arguments: Sequence[str]) -> str:
    """A verb that follows other arguments; empty if there is none. `--info plugins` is the value of a flag."""
    pairs = zip(["", *arguments], arguments, strict=False)
    free = (word for before, word in pairs if not before.startswith("-") or before in ("-m", "--multirun", "--trust"))
    return next((word for word in free if word in VERBS), "")


def show_help(arguments: Sequence[str]) -> int:
    """Print the help of the command, or of the verb that is its first word."""
    from framework.cli.help import of_verb, text
    from framework.config.composition import load_plugins_of

    load_plugins_of([word for word in arguments if "=" in word and not word.startswith("-")])
    print(of_verb(arguments[0]) if re.fullmatch(VERB, arguments[0]) else text())
    return 0


def guarded(work: Callable[[], int]) -> int:
    """Run a function; exceptions become messages and an exit status."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from framework.config.messages import format_error
    from framework.core.blame import described
    from framework.core.errors import ConfigError, DataError, JobsFailed, RunFailed
    from framework.core.reading import UnreadableError

    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with environment({"HYDRA_FULL_ERROR": "1"}):  # Hydra then passes exceptions on
            return work()
    except (HydraException, OmegaConfBaseException, ConfigError, DataError, UnreadableError, YAMLError) as error:
        if wants_traceback:
            raise
        return report_error(format_error(error))
    except KeyboardInterrupt as stop:
        ignore()  # a second signal would change the exit status
        print(f"stackprop: stopped by {str(stop) or 'Ctrl-C'}", file=sys.stderr)
        return stop.status if isinstance(stop, SignalInterrupt) else 130
    except BrokenPipeError:  # the output pipe was closed: `stackprop plugins | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RecursionError:
        if wants_traceback:
            raise
        return report_error("the request is nested too deeply to be read")
    except OSError as error:
        if wants_traceback or not error.strerror:
            raise
        return report_error(f"{error.filename}: {error.strerror}{_elsewhere(error)}" if error.filename else error.strerror)
    except RunFailed as error:
        if wants_traceback:
            raise
        kind = "" if isinstance(error, JobsFailed) else "the run failed: "
        print(f"stackprop: {kind}{error}", file=sys.stderr)
        return 1
    except Exception as error:
        if wants_traceback or not (plugin := _plugin_of(error)):
            raise
        return report_error(f"{plugin} raises {described(error)}; HYDRA_FULL_ERROR=1 shows the traceback")


def _plugin_of(error: Exception) -> str:
    """The plugin of other people whose code an exception has passed; empty if there is none."""
    from framework.core.blame import files
    from framework.registry.discovery import discover

    return next((plugin for file in reversed(files(error)) if (plugin := discover().plugin_of(Path(file)))), "")


def _elsewhere(error: OSError) -> str:
    from framework.core.writing import LinkError
    from framework.tracking.run_dir import runs_dir

    if isinstance(error, LinkError):
        return ""
    within = Path(os.fsdecode(error.filename)).absolute().is_relative_to(runs_dir().absolute())
    return "; this is the folder of runs; STACKPROP_RUNS=FOLDER selects another one" if within else ""


def offered_words() -> list[str] | None:
    """What may follow on a TAB press; None if Hydra has to be asked, which takes longer."""
    from framework.cli.completion import offers

    line = os.environ["COMP_LINE"]
    point = os.environ.get("COMP_POINT", "")
    try:
        return offers(line[: int(point)] if point.isdecimal() else line)
    except (OSError, ValueError, KeyError):
        return None


def completions() -> str:
    """The verbs that may follow on a TAB press, where Hydra would offer keys only."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()[1:] + ([""] if line.endswith(" ") else [])
    from framework.registry.discovery import discover

    every = (*VERBS, *discover().names("command"))
    return " ".join(verb for verb in every if len(words) == 1 and verb.startswith(words[0]))


def compose_and_run(arguments: Sequence[str]) -> int:
    """Let Hydra compose the configuration, and run one job or all jobs of a sweep."""
    import hydra

    from framework.config.arguments import SHOWING, ordered, readable, with_folds
    from framework.config.composition import install, load_plugins_of
    from framework.config.own_experiments import with_hydra_groups
    from framework.core.secrets import withheld
    from framework.registry.registry import conf_dir
    from framework.sweeps.manifest import resumed
    from framework.sweeps.session import start_session

    words, hidden = withheld(readable(ordered(arguments)))
    shows = not set(SHOWING).isdisjoint(words)
    if not shows:
        words = with_hydra_groups(with_folds(words))
        load_plugins_of(words)
    resuming = resumed(words)
    if resuming and not shows:
        load_plugins_of(resuming, by_user=False)  # plugins that a resumed sweep has recorded
    words = resuming or words
    sys.argv = [sys.argv[0], *words]
    failed, stopped = list[Exception](), False

    def job(cfg: Any) -> float | None:
        try:
            return task(cfg)
        except Exception as error:
            if _of_many():  # reported at once; the others continue, and Hydra raises the first failure at the end
                print(f"failed: {error}", file=sys.stderr, flush=True)
                raise
            failed.append(error)
            return None

    with start_session(words, hidden) as session, unread_files(words if shows else ()):
        install(None if shows or "COMP_LINE" in os.environ else session.check, runs=not shows)
        try:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
        except KeyboardInterrupt:
            stopped = True
            raise
        finally:
            try:
                with ignore_further_signals():
                    for sweep in dict.fromkeys(session.sweeps):
                        compare(sweep, stopped)
            finally:
                with deferred():  # the state of the store is still to be recorded
                    session.close()
    if failed:
        raise failed[0]
    return 0


@contextmanager
def unread_files(words: Sequence[str]) -> Iterator[None]:
    """Say of an error in what only shows a configuration that the files of `plugins=[...]` are not read.

    Raises:
        ConfigError: there is an error.
    """
    from hydra.errors import HydraException

    from framework.config.messages import format_error
    from framework.core.errors import ConfigError

    try:
        yield
    except (HydraException, ConfigError) as error:
        if not any(word.startswith("plugins=") for word in words):
            raise
        unread = "plugins: where a configuration is only shown, no file with components is read; a run reads them"
        raise ConfigError(f"{format_error(error)}\n{unread}") from error


def report_error(text: str) -> int:
    """Report that the request was wrong; returns the exit status."""
    from framework.core.secrets import masked

    for line in masked(text).splitlines():
        print(f"stackprop: {line}", file=sys.stderr)
    return 2


def tool(name: str, arguments: Sequence[str]) -> int:
    """Run a verb; `plugins=[my_layer.py]` adds a file's components for any of them, `disable_plugins` leaves out others."""
    if any(word.startswith(("plugins=", "disable_plugins=")) for word in arguments):
        from framework.config.composition import PLUGIN_KEYS, load_plugins_of

        load_plugins_of(arguments)
        arguments = [word for word in arguments if name in WITH_PLUGINS or word.partition("=")[0] not in PLUGIN_KEYS]
    module = importlib.import_module(f"framework.cli.commands.{name.replace('-', '_')}")
    return int(module.main(arguments))


def command(name: str, arguments: Sequence[str]) -> int:
    """Run the verb of a plugin; `key=value` sets its options."""
    from framework.config.arguments import assigned
    from framework.config.composition import PLUGIN_KEYS, load_plugins_of
    from framework.config.suggestions import elsewhere
    from framework.core.errors import ConfigError, did_you_mean
    from framework.core.validation import Validator
    from framework.registry.discovery import discover

    load_plugins_of(arguments)
    registry = discover()
    if name not in registry.names("command"):
        hint = elsewhere(name) or did_you_mean(name, [*VERBS, *registry.names("command")])
        reasons = registry.reasons("command", name)
        raise ConfigError("\n".join([f"unknown verb '{name}'{hint}; overrides are key=value", *reasons]))
    options, others = assigned(word for word in arguments if word.partition("=")[0] not in PLUGIN_KEYS)
    validator = Validator(registry, {})
    found = validator.component("command", {"type": name, **options}, name)
    if validator.errors:
        raise ConfigError("\n".join(validator.errors))
    return int(found(others) or 0)


if __name__ == "__main__":
    main()
