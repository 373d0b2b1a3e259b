"""`stackprop tag RUN... [name=NEW] [notes='...'] [KEY=VALUE ...] [~KEY]`: name, notes and tags of runs or sweeps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from framework.core.errors import ConfigError
from framework.experiments.labels import change, checked
from framework.tracking.naming import about_of
from framework.tracking.run_dir import find_any, read_state, read_sweep


def main(arguments: Sequence[str]) -> int:
    """Change them, and print what holds now, a line for each run; without a change, only print."""
    parser = argparse.ArgumentParser("stackprop tag", description=__doc__)
    parser.add_argument("words", nargs="+", metavar="RUN|KEY=VALUE|~KEY", help="~KEY removes a tag; ~name, ~notes too")
    words = parser.parse_args(arguments).words
    named = [word for word in words if "=" not in word and not word.startswith("~")]
    changes = checked(changes_of([word for word in words if word not in named]))
    if not named:
        raise ConfigError("tag: which run? stackprop tag last paper=fig3")
    folders = list(dict.fromkeys(map(find_any, named)))  # all are found before one is changed
    for folder in folders:
        for why in change(folder, changes) if changes else ():
            print(f"stackprop: {folder}: not in the tracking store yet ({why}); stackprop doctor sends it", file=sys.stderr)
        about = about_of(read_state(folder) or read_sweep(folder))
        tags = [f"{key}={value}" for key, value in about.tags.items()]
        name = [f"name={about.name}"] if about.name else []
        print("  ".join([f"{folder}:", *name, *tags, *filter(None, [about.notes])]))
    return 0


def changes_of(words: Sequence[str]) -> Mapping[str, str | None]:
    """`name`, `notes` or `tags.KEY` -> the new value, or None to remove it.

    Raises:
        ConfigError: a key is given twice.
    """
    found = dict[str, str | None]()
    for word in words:
        key, sign, value = word.removeprefix("~").partition("=")
        if word.startswith("~") and sign:
            raise ConfigError(f"{word}: ~{key} removes a tag; it takes no value")
        key = key if key in ("name", "notes") or key.startswith("tags.") else f"tags.{key}"
        if key in found:
            raise ConfigError(f"{word}: {key.removeprefix('tags.')} is given twice")
        found[key] = value if sign and value else None
    return found
