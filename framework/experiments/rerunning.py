"""Repeats a recorded run, with changes: its overrides are composed again, and give the configuration that it recorded."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from framework.config.arguments import readable
from framework.config.composition import compose
from framework.config.diff import own_defaults
from framework.config.messages import format_error
from framework.config.options import TrainerOptions
from framework.config.presets import choices
from framework.config.schema import Settings
from framework.core.errors import ConfigError, DataError
from framework.core.secrets import masked, restored
from framework.core.trust import knows_store, trusting
from framework.experiments.continuing import overrides_of
from framework.experiments.loading import store_address
from framework.experiments.provenance import registry_of, sources_of
from framework.experiments.sync import STRANGE
from framework.registry.discovery import discover
from framework.tracking.mlflow import flattened
from framework.tracking.naming import KEYS as ABOUT
from framework.tracking.naming import key_of, not_copied
from framework.tracking.run_dir import SweepGivenError, find_run, origin_of, read_state, read_sweep, runs_dir, tree_of_run

WRONG = (HydraException, OmegaConfBaseException, ConfigError, DataError)
MISSING = object()
MOVED = ("dataset.path", "plugins")  # recorded as absolute paths, but perhaps given as relative ones
UNTRAINED = ("tracking", *ABOUT)  # keys that are not restored: where a run is recorded, and what the user says about it
ANYWHERE = ("experiment", "debug")  # presets that may set any key


@dataclass(frozen=True)
class Rerun:
    """The command that repeats a run.

    Attributes:
        run: the name of its folder.
        words: its overrides.
        notes: for the user, one line each.
    """

    run: str
    words: tuple[str, ...]
    notes: tuple[str, ...]


def rerun_of(word: str, changes: Sequence[str] = (), trust: bool = False, several: bool = False) -> Rerun:
    """The command that repeats a run with changes. What its overrides do not give any more, since defaults or presets have
    changed, is set to the recorded value.

    Args:
        word: a folder, a name, an id, last or best.
        changes: overrides; one of a key that the run has set replaces that.
        trust: run the single files it names even if this user has not run them here before.
        several: whether the changes are swept.

    Raises:
        ConfigError: it is a sweep, or its configuration cannot be composed here.
    """
    folder = one_run(word)
    state, written = read_state(folder), tree_of_run(folder)
    changes = readable(changes)
    recorded = [each for each in overrides_of(folder, state) if not _is_ours(each)]
    tree = restored(written, f"{folder}/config.yaml", hint=store_address(folder))
    registry_of(folder, tree, trust)  # a file that is not trusted is an error
    files = sources_of(folder, tree)
    for path, source in files.items():
        if path != str(source):  # the run's copy takes the place of a file that has changed
            discover().forget_file(Path(path))
    if files:
        recorded.append(f"plugins={_text([str(path) for path in files.values()])}")
    with trusting(trust):
        now = _composed(folder, recorded)
        elsewhere = any(key_of(change) in ("tracking", "tracking.uri") for change in changes)
        if now.tracking.type == "mlflow" and not elsewhere and not knows_store(now.tracking.uri):
            raise ConfigError(f"{folder}: {STRANGE.format(masked(str(now.tracking.uri)))}")
        written, moved = with_moved_file(written, now.record)
        pins = pins_of(folder, recorded, written, now)
        pins = {key: pin for key, pin in pins.items() if not any(_concerns(change, key) for change in changes)}
        kept = [each for each in with_pins(recorded, pins) if key_of(each) not in {key_of(change) for change in changes}]
        left_out = dict(unusable(kept, changes))
    own = {*now.about.entry, *(key_of(change).partition(".")[0] for change in changes)}
    notes = (*moved, *(pin.note for pin in pins.values() if pin.note), *left_out.values(), *not_copied(state, own))
    words = [each for each in kept if each not in left_out]
    one = () if several or any(key_of(change) == "folds" for change in changes) else ("hydra.mode=RUN",)
    return Rerun(origin_of(folder), (*words, *changes, *one), notes)


def pins_of(folder: Path, words: Sequence[str], written: Mapping[str, Any], now: Settings) -> dict[str, Pin]:
    """The pins with which overrides give the recorded configuration: first variables of the model, which set its layers.

    Raises:
        ConfigError: they do not give it.
    """
    pins = {key: pin for key, pin in differences(written, now.record) if re.fullmatch(r"model\.\w+", key)}
    if pins:
        now = _composed(folder, with_pins(words, pins))
    if rest := dict(differences(written, now.record)):
        pins |= rest
        _check_same(folder, written, _composed(folder, with_pins(words, pins)).record)
    return pins


def with_moved_file(written: dict[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The recorded configuration and a note. If its data file is gone, it has the one that the overrides name here."""
    was, here = ((tree.get("dataset") or {}).get("path") for tree in (written, now))
    if not isinstance(was, str) or not isinstance(here, str) or os.path.exists(was) or not os.path.exists(here):
        return written, []
    note = f"dataset.path: {was} does not exist any more; {here} is used"
    return {**written, "dataset": {**written["dataset"], "path": here}}, [note]


def one_run(word: str) -> Path:
    """The folder of a run.

    Raises:
        ConfigError: it is unknown, or a sweep; then the message has the command of the sweep.
    """
    try:
        return find_run(word, runs_dir())
    except SweepGivenError as error:
        command = shlex.join(["stackprop", *read_sweep(error.folder).get("command", [])])
        job = shlex.quote(f"{word}/0")
        raise ConfigError(
            f"{word}: this is a sweep; its command is {command}; for one job: stackprop rerun {job}"
        ) from error


def _is_ours(word: str) -> bool:
    """Whether a recorded word is replaced, or is none of an experiment."""
    key = key_of(word)
    return word.startswith("-") or key.split(".")[0].split("/")[0] in ("hydra", "sweep", "plugins")


def _concerns(change: str, key: str) -> bool:
    """Whether a change decides a key, so that its recorded value does not matter."""
    own = key_of(change)
    return own in ANYWHERE or own == key or key.startswith(f"{own}.") or own.startswith(f"{key}.")


def _composed(folder: Path, words: Sequence[str]) -> Settings:
    try:
        return compose(list(words))
    except WRONG as error:
        lines = format_error(error).splitlines()
        raise ConfigError("\n".join(f"{folder}: its overrides cannot be composed here: {line}" for line in lines)) from error


@dataclass(frozen=True)
class Pin:
    """An override that restores a recorded value.

    Attributes:
        word: the override.
        note: for the user; empty where nothing has changed but the folder.
    """

    word: str
    note: str = ""


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Pin]]:
    """Key -> the override that restores the recorded value, wherever two configurations differ."""
    before, after = dict(flattened(recorded)), dict(flattened(now))
    for key, value in before.items():
        if after.get(key, MISSING) != value and key.partition(".")[0] not in (*UNTRAINED, "plugins"):
            text = "not set" if key not in after else _text(after[key])
            note = "" if key in MOVED else f"{key} was {_text(value)}, is now {text}; the recorded value is used"
            yield key, Pin(f"++{key}={_text(value)}", note)
    gone = set[str]()
    for key, value in after.items():
        parts = key.split(".")
        if key in before or parts[0] in UNTRAINED:
            continue
        above = next(".".join(parts[:i]) for i in range(1, len(parts) + 1) if not _has(recorded, parts[:i]))
        if above not in gone and not (above == key and _is_default(recorded, now, parts, value)):
            gone.add(above)
            yield above, Pin(f"~{above}", f"{above} was not set, is now {_text(value)}; it is left out")


def _is_default(before: Mapping[str, Any], tree: Mapping[str, Any], parts: Sequence[str], value: Any) -> bool:
    """Whether a value is the declared default of the same component, which an earlier version could not record."""
    for part in parts[:-1]:
        before, tree = before[part], tree[part]
    if before.get("type") != tree.get("type"):
        return False
    known = own_defaults(tree.get("type")) | (vars(TrainerOptions()) if parts[0] == "trainer" else {})
    return value is None or (parts[-1] in known and bool(known[parts[-1]] == value))


def _has(tree: Any, parts: Sequence[str]) -> bool:
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _text(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if not isinstance(value, str):
        return repr(value)
    plain = value.replace("_", "").replace("-", "").isalnum() and not value[0].isdigit() and value.isascii()
    return value if plain and value not in ("null", "true", "false") else "'" + value.replace("'", "\\'") + "'"


def with_pins(words: Sequence[str], pins: Mapping[str, Pin]) -> list[str]:
    """Overrides and the pins, which replace overrides of the same keys."""
    return [*(word for word in words if key_of(word) not in pins), *(pin.word for pin in pins.values())]


def _check_same(folder: Path, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    left = [pin.note or key for key, pin in differences(recorded, now)]
    if left:
        raise ConfigError(
            "\n".join(
                f"{folder}: the recorded configuration cannot be composed here: {note.partition(';')[0]}" for note in left
            )
        )


def unusable(words: Sequence[str], changes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The overrides of a group with a new choice that does not have them, each with a note."""
    parsed = OverridesParser.create().parse_overrides(list(changes))
    plain = [str(each.input_line) for each in parsed if not each.is_sweep_override()]
    chosen = [key_of(word) for word in plain if key_of(word) in choices()]
    concerned = [word for word in words if any(key_of(word).startswith(f"{group}.") for group in chosen)]
    if not concerned or not _reason([*words, *plain]):
        return
    others = [word for word in words if word not in concerned]
    for word in concerned:
        if reason := _reason([*others, word, *plain]):
            yield word, f"{word} of the run is left out: {reason}"


def _reason(words: Sequence[str]) -> str:
    """Why these overrides cannot be composed; empty if they can."""
    try:
        compose(list(words))
    except WRONG as error:
        return format_error(error).splitlines()[0]
    return ""
