"""The text of `stackprop --help`: syntax, verbs, and every choice of every group.

Hydra's own help composes a configuration first and takes twice as long.
"""

from __future__ import annotations

import inspect

from framework.cli.commands import VERBS
from framework.config.presets import choices
from framework.registry.discovery import discover

TEXT = """\
stackprop: study how neural networks train

  stackprop [key=value ...]      train, e.g. stackprop model=mlp2 optimizer=nag optimizer.lr=0.05
  stackprop -m key=a,b,c ...     a sweep, e.g. stackprop -m optimizer=sgd,adam 'seed=range(5)'
  stackprop VERB ...             a tool:

{verbs}

Groups and their choices (key=choice; an option of a choice: group.option=value)

{groups}

stackprop describe NAME shows the options of a choice, stackprop --cfg job prints the whole configuration.
--trust runs plugins that a preset or a recorded run names although you have not run them here (docs/extending/plugins.md).
Completion: eval "$(stackprop -sc install=bash)"   (also zsh, fish)"""


def text() -> str:
    """The help text."""
    own = {name: inspect.getdoc(entry.component) or "" for name, entry in discover().entries["command"].items()}
    every = VERBS | {name: text.partition("\n")[0] for name, text in sorted(own.items())}
    verbs = "\n".join(f"    {name:10} {what}" for name, what in every.items())
    width = max(map(len, choices()))
    groups = "\n".join(f"  {group:{width}}  {', '.join(names)}" for group, names in choices().items())
    return TEXT.format(verbs=verbs, groups=groups)
