"""`stackprop --help`: the first hour, the verbs, and every choice of every group; `stackprop VERB --help`: one verb.

Hydra's own help composes a configuration first and takes twice as long.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import re
from collections.abc import Sequence
from typing import Any

from framework.cli.commands import VERBS

FLAGS = ("--help", "-h")
FIRST = (
    ("stackprop", "train: handwritten digits, one hidden layer, Adam"),
    ("stackprop model=mlp2 optimizer=nag optimizer.lr=0.05", "another network, another optimizer, an option of it"),
    (
        "stackprop -m optimizer=sgd,adam 'seed=range(3)'",
        "a sweep: every combination, three seeds each, table and figure",
    ),
    ("stackprop describe adam", "formula and options of anything: optimizer, dataset, trainer, vanishing_gradient"),
    ("stackprop report last", "figures and tables of the last run or sweep as one page"),
)
TEXT = """\
stackprop: study how neural networks train

The first hour

{first}

Tools: stackprop VERB ..., and stackprop VERB --help

{verbs}

Groups and their choices (key=choice; an option of a choice: group.option=value)

{groups}

stackprop describe NAME shows the options of a choice, stackprop --cfg job prints the whole configuration.
Experiments of your own: experiments/wide.yaml is experiment=wide; stackprop save wide key=value ... writes one.
--trust runs plugins that a preset or a recorded run names although you have not run them here (docs/extending/plugins.md).
Completion: eval "$(stackprop -sc install=bash)"   (also zsh, fish)"""
RUN = ("RUN", "a run or a sweep: its name, its folder, its MLflow id, or: last, best")
SET = ("key=value", "an override, as for a training")
# The arguments of verbs that parse `key=value` themselves: argparse has no help for these.
ARGUMENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "compare": (
        ("SWEEP", "a sweep: its name, its folder, or last"),
        ("RUN RUN ...", "runs and the jobs of sweeps together"),
        ("y=METRIC", "the metric of figure and table; y=[a,b]: several"),
        ("x=KEY", "a swept key, epoch, step, or a metric"),
        ("key=value", "every other option of the figure: stackprop describe figure"),
        ("to=PATH", "a folder, or a file (.png, .pdf, .svg)"),
    ),
    "figure": (
        RUN,
        ("KIND", "loss, confusion, predicted, ...; without it, what can be drawn is listed"),
        ("to=FILE", "a file: .png, .pdf or .svg"),
        ("key=value", "an option of the figure: title, xlabel, width, ..."),
        ("--trust", "run the single-file plugins that the run names"),
    ),
    "plugins": (),
    "summary": (SET,),
}
EXAMPLES: dict[str, tuple[str, ...]] = {
    "check": ("stackprop check dense", "stackprop check optimizer/adam"),
    "compare": ("stackprop compare last", "stackprop compare last y=val/loss x=epoch log=true"),
    "delete": ("stackprop delete wide --dry-run", "stackprop delete status=failed"),
    "diff": ("stackprop diff last best", "stackprop diff wide narrow --json"),
    "doctor": ("stackprop doctor", "stackprop doctor --clear"),
    "evaluate": ("stackprop evaluate last", "stackprop evaluate best"),
    "export": (
        "stackprop export last to=metrics.csv",
        "stackprop export last to=net.onnx",
        "stackprop export wide best to=both.parquet",
    ),
    "figure": ("stackprop figure last", "stackprop figure last loss to=loss.pdf"),
    "forecast": ("stackprop forecast last --steps 20", "stackprop forecast last --steps 20 --to later.csv"),
    "generate": ("stackprop generate last --prompt 'to be'", "stackprop generate last --prompt 'to be' --greedy"),
    "kernel": ("stackprop kernel model=mlp", "stackprop kernel model=mlp --c"),
    "list": (
        "stackprop list status=finished --sort val/loss",
        "stackprop list 'optimizer.lr<0.05' 'name=wide*'",
        "stackprop list sweep=last --best val/loss --limit 3",
    ),
    "new-plugin": ("stackprop new-plugin bent", "stackprop new-plugin bent --kind layer --kind loss"),
    "plugins": ("stackprop plugins", "stackprop plugins plugins=[my_layer.py]"),
    "predict": ("stackprop predict last data.csv", "stackprop predict last --text 'we flew to Paris'"),
    "report": ("stackprop report last", "stackprop report best"),
    "rerun": (
        "stackprop rerun last seed=1",
        "stackprop rerun wide optimizer=nag name=nag",
        "stackprop rerun last seed=1,2,3 -m",
    ),
    "resume": (
        "stackprop resume last",
        "stackprop resume last trainer.epochs=+20",
        "stackprop resume wide trainer.epochs=+20 name=longer",
    ),
    "summary": ("stackprop summary model=mlp2", "stackprop summary experiment=vanishing_gradient"),
    "tag": ("stackprop tag last name=wide paper=fig3", "stackprop tag wide ~paper notes='too slow'"),
}


def text() -> str:
    """The help text of the command."""
    from framework.config.presets import choices
    from framework.registry.discovery import discover

    own = {name: inspect.getdoc(entry.component) or "" for name, entry in discover().entries["command"].items()}
    every = VERBS | {name: text.partition("\n")[0] for name, text in sorted(own.items())}
    verbs = "\n".join(f"    {name:10} {what}" for name, what in every.items())
    width = max(map(len, choices()))
    groups = "\n".join(f"  {group:{width}}  {', '.join(names)}" for group, names in choices().items())
    return TEXT.format(first=_columns(FIRST), verbs=verbs, groups=groups)


def of_verb(name: str) -> str:
    """The help of one verb: usage, what it does, its arguments, examples.

    Raises:
        ConfigError: the verb is unknown.
    """
    if name not in VERBS:
        return of_command(name)
    module = importlib.import_module(f"framework.cli.commands.{name.replace('-', '_')}")
    usage = _usage_of(name, module) if name in ARGUMENTS else _parsed(name, module)
    return f"{usage}\n\nexamples:\n{_lines(examples(name))}"


def examples(name: str) -> Sequence[str]:
    """Commands that show the use of a verb."""
    module = importlib.import_module(f"framework.cli.commands.{name.replace('-', '_')}")
    shown = re.search(r"stackprop .*", VERBS[name])
    return getattr(module, "EXAMPLES", EXAMPLES.get(name, (shown[0],) if shown else (f"stackprop {name}",)))


def of_command(name: str) -> str:
    """The help of a plugin's verb: its docstring and its options."""
    from framework.config.keys import options_of
    from framework.core.errors import ConfigError, did_you_mean
    from framework.registry.discovery import discover

    known = discover().entries["command"]
    if name not in known:
        raise ConfigError(f"unknown verb '{name}'{did_you_mean(name, [*VERBS, *known])}; overrides are key=value")
    component = known[name].component
    rows = [
        (f"{key}=VALUE", f"{about or kind} ({kind}{f', {rules}' if rules else ''}; {value})")
        for key, kind, value, rules, _, about in options_of(component)
    ]
    options = f"\n\noptions:\n{_columns(rows)}" if rows else ""
    usage = f"usage: stackprop {name} [key=value ...]"
    return f"{usage}\n\n{inspect.getdoc(component) or ''}{options}\n\nexamples:\n{_lines([f'stackprop {name}'])}"


def _parsed(name: str, module: Any) -> str:
    """What the verb's own parser prints for --help."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main(["--help"])
    return printed.getvalue().strip()


def _usage_of(name: str, module: Any) -> str:
    """The same for a verb without a parser."""
    parser = argparse.ArgumentParser(f"stackprop {name}", add_help=False, usage=_first(module), description=_about(module))
    rows = ARGUMENTS[name]
    return parser.format_help().strip() + (f"\n\narguments:\n{_columns(rows)}" if rows else "")


def _first(module: Any) -> str:
    found = re.match(r"`(.*?)`", inspect.getdoc(module) or "")
    return found[1] if found else "stackprop"


def _about(module: Any) -> str:
    return (inspect.getdoc(module) or "").partition("`: ")[2].partition("\n\n")[0]


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:{width}}  {right}" for left, right in rows)


def _lines(commands: Sequence[str]) -> str:
    return "\n".join(f"  {command}" for command in commands)
