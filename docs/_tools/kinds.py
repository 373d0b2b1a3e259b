"""The page of all kinds of components: each as a whole file, from the template of a plugin, with a command that uses it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from framework import hooks
from framework.cli.commands.new_plugin import written

PLACE = Path(__file__).resolve().parent.parent / "extending" / "kinds.md"
HEAD = """\
<!-- Made by `make docs` from plugins/template; change the files there. -->

# Each kind of component

A whole file for each kind. `stackprop new-plugin mine --kind layer` writes the same file into a distribution, with tests.
Give `--kind` once for each kind. To try a single file, save it and name it in a command: `plugins=[layer.py]`.
[Plugins](plugins.md) explains the rest.
"""
USES = {
    "layer": "'model.layers.scale={type: mine_scale, after: act}'",
    "cell": "model=rnn 'model.layers.rnn.cell={type: mine_leaky, units: 8}' dataset=adding",
    "activation": "activation=mine_swish activation.beta=2",
    "initializer": "initializer=mine_signs initializer.size=0.05",
    "loss": "dataset=sine loss=mine_log_cosh",
    "optimizer": "optimizer=mine_signum optimizer.lr=0.01",
    "schedule": "schedule=mine_inverse_time schedule.decay=99",
    "regularizer": "regularizer=mine_column_sums",
    "dataset": "dataset=mine_rings dataset.sigma=0.3",
    "augmentation": "dataset=wine augmentation=mine_gain augmentation.mine_gain.factor=1.2",
    "metric": "dataset=sine metrics=mine_within metrics.mine_within.tolerance=0.5",
    "probe": "probes=mine_largest_gradient",
    "study": "study=mine_seeds study.members=5",
    "callback": "callbacks=mine_log callbacks.mine_log.below=0.5",
    "command": "mine_lowest runs/*/ metric=val/accuracy",
    "figure": "figures=mine_curve figures.mine_curve.metric=val/accuracy",
}


def page() -> str:
    """The whole page."""
    files = dict(written("mine", tuple(hooks.KINDS.values())))
    return HEAD + "".join(section(hook, kind, files[f"stackprop_mine/{kind}.py"]) for hook, kind in hooks.KINDS.items())


def section(hook: str, kind: str, text: str) -> str:
    """One kind: what it is, the file, and a command."""
    what = inspect.cleandoc(getattr(hooks, hook).__doc__).split(":")[0].rstrip(".")
    heading = hook.removeprefix("register_").capitalize().replace("Datasets", "Data sets")
    return f"\n## {heading}\n\n{what}. `{kind}.py`:\n\n```python\n{short(text)}```\n\n```sh\n{command(kind)}\n```\n"


def command(kind: str) -> str:
    """A command that uses the component."""
    if kind == "command":
        verb, *arguments = USES[kind].split(" ")
        return " ".join(["stackprop", verb, f"'plugins=[{kind}.py]'", *arguments])
    return f"stackprop 'plugins=[{kind}.py]' {USES[kind]}"


def short(text: str) -> str:
    """A file without the paragraphs of docstrings after the first."""
    text = text.removeprefix("from __future__ import annotations\n\n")
    return re.sub(r'("""[^"]*?[.)])\n\n[^"]*?"""', r'\1"""', text)


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind, file, command) of a page."""
    yield from re.findall(r"`(\w+)\.py`:\n\n```python\n(.*?)```\n\n```sh\n(.*?)\n```", text, re.S)
