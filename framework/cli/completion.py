"""Shell completion without Hydra: `stackprop optimizer=<TAB>`, `stackprop optimizer.<TAB>`, `stackprop evaluate <TAB>`.

The names come from a file that an earlier TAB press has written: importing every component takes longer than a person waits.
What this module does not know is left to Hydra.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.cli.commands import VERBS
from framework.config.experiment_files import own_experiments
from framework.core.reading import read_mapping
from framework.core.trust import state_dir
from framework.core.version import __version__
from framework.core.writing import write_json
from framework.registry.registry import conf_dir
from framework.tracking.folders import SWEEP
from framework.tracking.naming import about_of
from framework.tracking.run_dir import NAMES, read_state, read_sweep, runs_dir

FILE = "completion.json"
LASTS = 86_400  # seconds
SHOWN = 50  # names of runs, the newest ones
OF_NAMES = ("check", "describe")  # verbs whose argument is a name of a component, ...
OF_OVERRIDES = ("kernel", "save", "summary")
OF_NOTHING = ("doctor", "new-plugin", "plugins")  # all other verbs take a run
THEN_OVERRIDES = ("rerun",)  # verbs of a run that also take overrides
FILTERS = (  # of list and delete
    *("status=", "name=", "sweep=", "continued=", "rerun=", "tags."),
    *("model=", "dataset=", "optimizer="),
)
LENGTHS = ("trainer.epochs=+", "trainer.steps=+", "trainer.early_stopping.patience=+", "name=", "tags.")  # of resume
KNOWN = ("-m", "--multirun")  # flags that do not change what may follow


def offers(line: str) -> list[str] | None:
    """The words that may stand at the end of a command line; None: Hydra is asked.

    Args:
        line: the command as typed so far, with the name of the program.
    """
    words = line.split()[1:] + ([""] if line[-1:].isspace() or len(line.split()) < 2 else [])
    *before, last = words
    verb = before[0] if before and before[0] in VERBS else ""
    if verb and verb not in OF_OVERRIDES and not (verb in THEN_OVERRIDES and len(before) > 1):
        return [word for word in _arguments(verb, before) if word.startswith(last)]
    if before[-1:] == ["--from"]:
        return [word for word in run_names() if word.startswith(last)]
    typed = [word for word in before[bool(verb) :] if word not in KNOWN]
    if last.startswith(("-", "+", "~")) or any(word.startswith(("-", "plugins=", "hydra")) for word in typed):
        return [] if verb else None  # Hydra knows no verbs
    names = index()
    found = _values(names, typed, last) if "=" in last else _keys(names, typed, last)
    if found is None:
        return None
    verbs = [*VERBS, *names["commands"]] if not before else []
    return sorted(word for word in {*found, *verbs} if word.startswith(last))


def index() -> dict[str, Any]:
    """Groups, choices, options and keys: from the file of an earlier call, if nothing has been installed since."""
    folder = state_dir()
    state, now = _state(), time.time()
    known = read_mapping(folder / FILE) if folder else {}
    made = known.get("made")
    if known.get("state") == state and isinstance(made, int | float) and 0 <= now - made < LASTS:
        return known
    found = {"state": state, "made": now, **collected()}
    with contextlib.suppress(OSError):
        if folder:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(folder / FILE, found, lasting=False)
    return found


def collected() -> dict[str, Any]:
    """What `index` keeps."""
    from framework.cli.meanings import known_names
    from framework.config.about import all_keys
    from framework.config.presets import KINDS_OF, choices
    from framework.core.options import declared
    from framework.registry.discovery import discover

    registry, own = discover(), {*own_experiments()}  # of this folder only: they are added later
    groups = {
        group: [name for name in names if group != "experiment" or name not in own] for group, names in choices().items()
    }
    options: dict[str, dict[str, dict[str, list[str]]]] = {}
    for group, names in groups.items():
        entries = registry.entries.get(KINDS_OF.get(group, ""), {})
        options[group] = {name: _options_of(declared(entries[name].component)) for name in names if name in entries}
    options["model"] = {name: {key: [] for key in _variables(name)} for name in groups["model"]}
    return {
        "groups": groups,
        "chosen": _chosen(),
        "options": options,
        "keys": {key.name: _allowed(key.allowed) for key in all_keys() if "<" not in key.name},
        "names": [name for name in known_names() if name not in own],
        "commands": registry.names("command"),
    }


def _state() -> list[Any]:
    """It changes when a distribution is installed or removed, or when a file of ours is edited."""
    own = [path for pattern in ("*", "*/*") for path in conf_dir().glob(pattern)]
    own += (conf_dir().parent / "plugins").glob("framework_*/*.py")
    places = [*(Path(place) for place in sys.path if place.endswith("-packages")), *own]
    times = {str(place): place.stat().st_mtime_ns for place in places if place.exists()}
    return [__version__, sys.prefix, len(times), max(times.values())]


def _arguments(verb: str, before: Sequence[str]) -> Iterable[str]:
    if verb in OF_NAMES:
        own = own_experiments() if verb == "describe" else ()
        return [*index()["names"], *own] if len(before) == 1 else ()
    if verb == "list":
        return FILTERS
    if verb == "resume" and len(before) > 1:
        return LENGTHS
    if verb == "delete" and len(before) == 1:
        return [*run_names(), *FILTERS]
    return run_names() if verb not in OF_NOTHING and len(before) == 1 else ()


def run_names() -> list[str]:
    """`last`, `best`, and the newest runs and sweeps, by the names given to them and by folder. A folder is looked into only
    if it is shown. A shell would split a name with blanks."""
    runs = runs_dir()
    try:
        names = [entry.name for entry in os.scandir(runs) if not entry.name.startswith(".")]
    except OSError:
        names = []
    found, given = list[str](), list[str]()
    for name in sorted(names, key=lambda name: name.removeprefix("sweep-"), reverse=True):  # each begins with its time
        if len(found) == SHOWN:
            break
        if any((runs / name / file).is_file() for file in ("run.json", SWEEP)):
            found.append(name)
            given.append(about_of(read_state(runs / name) or read_sweep(runs / name)).name)
    return [*NAMES, *dict.fromkeys(name for name in given if name and " " not in name), *found]


def _values(names: Mapping[str, Any], typed: Sequence[str], word: str) -> list[str] | None:
    """`optimizer=adam`, and the last of several, `optimizer=sgd,adam`; None if the value is not a name."""
    key, _, value = word.partition("=")
    head = value[: max(value.rfind(sign) for sign in ",[") + 1]
    if key in names["groups"]:
        choices = names["groups"][key]
        if key == "experiment":
            choices = sorted({*choices, *own_experiments()})
    else:
        group, _, option = key.partition(".")
        choices = names["keys"].get(key) or _options(names, typed, group).get(option, [])
    return [f"{key}={head}{choice}" for choice in choices] if choices else None


def _keys(names: Mapping[str, Any], typed: Sequence[str], word: str) -> list[str] | None:
    """`optimizer=`, `optimizer.lr=`: the options of the choice that the command names, otherwise of the default."""
    group, dot, rest = word.partition(".")
    if not dot:
        tops = {key.partition(".")[0] + ("." if "." in key else "=") for key in names["keys"]}
        groups = {f"{each}{sign}" for each in names["groups"] for sign in ("=", ".")}
        return sorted(tops | groups - {"experiment.", "debug."})
    if "." in rest and not any(key.startswith(word) for key in names["keys"]):
        return None
    options = _options(names, typed, group)
    keys = [key for key in names["keys"] if key.startswith(f"{group}.")]
    found = [f"{key}=" for key in (*keys, *(f"{group}.{name}" for name in options))]
    return found + (["model.layers."] if group == "model" else []) or None


def _options(names: Mapping[str, Any], typed: Sequence[str], group: str) -> dict[str, list[str]]:
    """The options of a group: those of the choice in the command, otherwise of the default."""
    given = {key: value for key, _, value in (word.partition("=") for word in typed)}
    found: dict[str, list[str]] = names["options"].get(group, {}).get(given.get(group, names["chosen"].get(group)), {})
    return found


def _options_of(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    from framework.config.keys import type_name

    return {name: _allowed(type_name(hint)) for name, (hint, _) in fields.items()}


def _allowed(text: str) -> list[str]:
    """The values in `inside, outside, hat`; none for `>= 1`."""
    if text == "boolean":
        return ["true", "false"]
    words = text.split(", ")
    return words if len(words) > 1 and all(re.fullmatch(r"[a-z_]\w*", word) for word in words) else []


def _variables(model: str) -> list[str]:
    import yaml

    from framework.config.about import preset_file

    file = preset_file("model", model)
    tree = yaml.safe_load(file.read_text(encoding="utf-8")) if file else {}
    return [key for key, value in (tree or {}).items() if not isinstance(value, dict | list)]


def _chosen() -> dict[str, str]:
    """The default choice of each group."""
    import yaml

    parts = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {key: value for part in parts if isinstance(part, dict) for key, value in part.items() if isinstance(value, str)}
