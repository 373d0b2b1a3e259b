"""The name, the tags and the notes that a user gives to a run or a sweep, and short names for what varies in a sweep."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from framework.core.errors import ConfigError
from framework.core.log import log
from framework.core.reading import read_bytes
from framework.core.repeats import REPEATS
from framework.core.secrets import masked

KEYS = ("name", "tags", "notes")  # top-level keys of a configuration that change nothing that is trained
LONGEST = {"name": 100, "tags": 500, "notes": 5000}  # characters
RESERVED = ("last", "best")
ID = re.compile(r"[0-9a-f]{32}")  # of MLflow
HIDDEN = ("plugins", "disable_plugins", "tracking")  # keys that are not in the name of a run
PLAIN = (
    "seed",
    "folds",
    "fold",
    "device",
    "dtype",
    "threads",
    "tier",
    "metrics",
)  # keys without a dot that choose no component
ORIGINS = ("continued", "rerun")  # tags that name the run which a longer one, or a repeated one, comes from
OWN_TAGS = ("sweep", "kind", *ORIGINS)  # tags in the store that have a meaning already


@dataclass(frozen=True)
class About:
    """What a user says about a run or a sweep.

    Attributes:
        name: need not be unique.
        tags: key -> text.
    """

    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""

    @property
    def entry(self) -> dict[str, Any]:
        """The entry `about` of `run.json` and `sweep.json`: what was given."""
        found = {"name": self.name, "tags": dict(self.tags), "notes": self.notes}
        return {key: value for key, value in found.items() if value}


def about_of(content: Mapping[str, Any]) -> About:
    """What the content of a `run.json` or a `sweep.json` holds; what is not allowed counts as missing, since the file may
    come from an untrusted source."""
    entry = content.get("about")
    entry = entry if isinstance(entry, dict) else {}
    name, tags, notes = (entry.get(key) for key in KEYS)
    given = tags.items() if isinstance(tags, dict) else ()
    allowed = {key: printable(text) for key, text in given if isinstance(text, str) and not fault_of_tag(key, text)}
    notes = notes if isinstance(notes, str) and not fault_of_notes(notes) else ""
    return About("" if fault_of_name(name) else str(name), allowed, printable(notes))


def printable(text: str) -> str:
    """A text without control characters, which would change the terminal; line breaks stay."""
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable() or sign == "\n")


def not_copied(state: Mapping[str, Any], keys: Collection[str]) -> list[str]:
    """A line for the user where a new run does not get the name, the tags and the notes of the run it comes from.

    Args:
        state: the content of that run's `run.json`.
        keys: those of `KEYS` that the new run has of its own.
    """
    about = about_of(state)
    texts = {"name": f"name '{about.name}'", "tags": f"tags ({', '.join(about.tags)})", "notes": "notes"}
    left = [texts[key] for key in about.entry if key not in keys]
    return [f"not copied from the earlier run: {', '.join(left)}; name=... and tags.KEY=... set new ones"] if left else []


def changed(about: About, changes: Mapping[str, str | None]) -> About:
    """What the user says now.

    Args:
        changes: `name`, `notes` or `tags.KEY` -> the new value; None removes it.
    """
    tags = dict(about.tags)
    for key, value in changes.items():
        if key.startswith("tags."):
            tags.pop(key.removeprefix("tags."), None)
            tags |= {key.removeprefix("tags."): value} if value is not None else {}
    texts = {key: changes[key] or "" for key in ("name", "notes") if key in changes}
    return replace(about, tags=tags, **texts)


def fault_of_name(name: Any) -> str:
    """What is wrong with a name; empty if nothing is."""
    if not isinstance(name, str):
        return f"a name is a text (got {name!r})"
    if "," in name:
        return f"a name is not swept: all jobs of a sweep share it (got {name!r}); jobs are named by what varies"
    wrong = dict.fromkeys(letter for letter in name if not (letter.isalnum() or letter in "-_. "))
    if wrong:
        signs = " ".join(map(repr, wrong))
        return f"{signs} not allowed in a name (got {name!r}); allowed: letters, digits, - _ . and blanks"
    if not name or not (name[0].isalnum() or name[0] == "_") or name != name.strip():
        return f"a name begins with a letter, a digit or _, and does not end with a blank (got {name!r})"
    if len(name) > LONGEST["name"]:
        return f"a name has at most {LONGEST['name']} characters (got {len(name)})"
    if name in RESERVED:
        return f"'{name}' has a meaning: the {'newest run' if name == 'last' else 'best job of the last sweep'}"
    return f"it looks like the id of an MLflow run (got {name!r})" if ID.fullmatch(name) else ""


def fault_of_tag(key: Any, value: Any) -> str:
    """What is wrong with a tag; empty if nothing is."""
    if not isinstance(key, str) or not re.fullmatch(r"[^\W_][\w-]*", key):
        return "the key of a tag has letters, digits, - and _, and begins with a letter or a digit"
    if key in OWN_TAGS:
        return f"'{key}' is a tag that stackprop sets; choose another key"
    if isinstance(value, Mapping | list) or value is None:
        return f"the value of a tag is a text or a number (got {value!r})"
    return f"a tag has at most {LONGEST['tags']} characters (got {len(text)})" if len(text := str(value)) > 500 else ""


def fault_of_notes(notes: Any) -> str:
    """What is wrong with notes; empty if nothing is."""
    if isinstance(notes, Mapping | list):
        return f"notes are a text (got {notes!r})"
    long = len(str(notes)) > LONGEST["notes"]
    return (
        f"notes have at most {LONGEST['notes']} characters (got {len(str(notes))}); save a longer text in a file"
        if long
        else ""
    )


def text_of_tag(value: Any) -> str:
    """The text of a tag's value, without passwords of addresses: `true` for True."""
    return masked(str(value).lower() if isinstance(value, bool) else str(value))


def distinct(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """The names of runs, with the folder where several have one name."""
    return [n if names.count(n) == 1 else f"{n} ({folder.name})" for n, folder in zip(names, folders, strict=True)]


def short_keys(keys: Collection[str]) -> dict[str, str]:
    """Key -> its last part, or as many parts as are needed to distinguish it: `optimizer.lr` is `lr`, unless `schedule.lr`
    is among the keys."""
    return {key: _shortest(key, [other for other in keys if other != key]) for key in keys}


def _shortest(key: str, others: Iterable[str]) -> str:
    parts, taken = key.split("."), [other.split(".") for other in others]
    for count in range(1, len(parts)):
        if not any(other[-count:] == parts[-count:] for other in taken):
            return ".".join(parts[-count:])
    return key


def format_value(value: Any) -> str:
    """A value in the form of an override."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"[{', '.join(map(format_value, value))}]" if isinstance(value, list | tuple) else str(value)


def key_of(override: str) -> str:
    """The key that an override sets."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def keyed(overrides: Iterable[str]) -> dict[str, str]:
    """Key -> value of overrides, both as typed."""
    return dict(override.lstrip("+~").partition("=")[::2] for override in overrides)


def recorded_overrides(state: Mapping[str, Any]) -> list[str] | None:
    """The overrides of the command that a `run.json` records; None if it records none."""
    try:
        text = str(state.get("command", ""))
        quoted = set(text) & set("'\"\\\n\t\r")
        command = shlex.split(text) if quoted else [word for word in text.split(" ") if word]  # twenty times as fast
    except ValueError:
        return None
    return command[1:] if command[:1] == ["stackprop"] else None


def run_name(overrides: Sequence[str]) -> str:
    """A short name for a legend: `optimizer=adam optimizer.lr=0.1 seed=2` is `adam lr=0.1 seed=2`. A key keeps as many of
    its parts as are needed to distinguish it."""
    given = [override.lstrip("+~").partition("=")[::2] for override in overrides]
    given = [(key, value) for key, value in given if key.partition(".")[0] not in HIDDEN]
    short = short_keys({key for key, _ in given if "." in key or key in PLAIN})
    words = [f"{short[key]}={value}" if key in short or not value else value for key, value in given]
    return " ".join(words)[:250]


class Kind(NamedTuple):
    """Runs, or sweeps: their record `file` in a folder, what reads it, and its entries for an id and for when it started."""

    plural: str
    file: str
    read: Callable[[Path], Mapping[str, Any]]
    id: str
    started: str


def newest_named(word: str, folders: Sequence[Path], kind: Kind) -> Path | None:
    """The newest of the runs or sweeps with that name, otherwise the one with that id, or whose id begins so; several names
    are reported in one line.

    Raises:
        ConfigError: several ids begin so.
    """
    named, begins = dict[Path, tuple[float, Path]](), dict[Path, str]()  # the real folder: there may be links to it
    is_start = re.fullmatch(r"[0-9a-f]{6,32}", word) is not None
    for folder, state in _mentioning(word, folders, kind):
        found = str(state.get(kind.id) or "")
        if found == word:
            return folder
        single = state.get("name") if "sweep" not in state.get("tags", {}) else ""
        if word in (about_of(state).name, single):
            began = state.get(kind.started)
            named.setdefault(folder.resolve(), (float(began) if isinstance(began, int | float) else 0.0, folder))
        elif is_start and found.startswith(word):
            begins[folder] = found
    if len(begins) > 1 and not named:
        shown = ", ".join(sorted(begins.values())[:5])
        raise ConfigError(f"{word}: the ids of {len(begins)} {kind.plural} begin so ({shown}); give more of it")
    if len(named) > 1:
        log.warning(f"{len(named)} {kind.plural} are named '{word}'; this is the newest: {max(named.values())[1]}")
    return max(named.values())[1] if named else next(iter(begins), None)


def _mentioning(word: str, folders: Iterable[Path], kind: Kind) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The records whose text contains a word; only these are parsed, since there may be thousands."""
    needle = json.dumps(word)[1:-1].encode()
    for folder in folders:
        try:
            text = read_bytes(folder / kind.file)
        except (OSError, ValueError):
            continue
        if needle in text and (state := kind.read(folder)):
            yield folder, state


def job_overrides(sweep: Mapping[str, Any]) -> list[dict[str, str]]:
    """Key -> override of every recorded job of a sweep.

    Args:
        sweep: the content of its `sweep.json`.
    """
    jobs = [job.get("overrides") for job in sweep.get("jobs", {}).values() if isinstance(job, dict)]
    return [{key_of(word): word for word in words if isinstance(word, str)} for words in jobs if isinstance(words, list)]


def varying(jobs: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys in which jobs differ, seeds and folds last."""
    keys = dict.fromkeys(key for job in jobs for key in job)
    return sorted((key for key in keys if len({job.get(key) for job in jobs}) > 1), key=lambda key: key in REPEATS)
