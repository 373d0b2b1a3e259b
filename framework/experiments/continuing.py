"""Goes on with recorded runs: to their end in the same folder, or further than they were asked for, as a new run."""

from __future__ import annotations

import math
import os
import re
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework.config.arguments import assigned
from framework.config.options import TrainerOptions
from framework.config.parser import parse_config
from framework.config.schema import Settings
from framework.core.callback import Callback, Snapshot
from framework.core.errors import CheckpointError, ConfigError
from framework.core.reading import open_regular
from framework.core.secrets import masked, restored
from framework.core.signatures import has_method
from framework.core.trust import knows_store
from framework.core.writing import check_no_links, replaced
from framework.experiments.experiment import Experiment, prepare
from framework.experiments.labels import checked
from framework.experiments.loading import store_address, tracking_of_run
from framework.experiments.provenance import registry_of
from framework.experiments.runner import JobResult, run
from framework.experiments.sync import STRANGE
from framework.registry.discovery import discover, scope
from framework.registry.registry import Registry
from framework.tracking.config_hash import config_hash
from framework.tracking.naming import About, changed, not_copied, recorded_overrides, text_of_tag
from framework.tracking.run_dir import (
    RunLocation,
    SweepGivenError,
    find_run,
    is_finished,
    origin_of,
    read_state,
    runs_dir,
    store_dir,
    tree_of_run,
)
from framework.tracking.run_record import CHECKPOINT, read_checkpoint
from framework.training.plan import TrainingPlan
from framework.training.schedules import LR, stackable_options

EPOCHS, STEPS = "trainer.epochs", "trainer.steps"
PATIENCE, GOAL = "trainer.early_stopping.patience", "trainer.early_stopping.goal"
ABOUT = ("name=", "notes=", "tags=", "tags.")  # what the user says about the longer run
LONGER = f"stackprop resume {{}} {EPOCHS}=+20"


@dataclass(frozen=True)
class Resumption:
    """A recorded run, ready to go on.

    Attributes:
        experiment, place: of the training; a new place if the run becomes longer.
        notes: for the user, one line each.
        earlier: the state of the run that becomes longer, and the size of its metrics.
        metrics: its metrics.
        registry: with the files of the run.
    """

    experiment: Experiment
    place: RunLocation
    registry: Registry
    notes: tuple[str, ...] = ()
    earlier: tuple[Snapshot, int] | None = None
    metrics: Path = Path()

    def run(self, callbacks: Sequence[Callback] = ()) -> JobResult:
        """Train, and record it; raises as `runner.run`."""
        with scope(self.registry):
            if self.earlier is None:
                return run(self.experiment, self.place, callbacks, resume=True)
            self.place.folder.mkdir(parents=True)
            try:
                copy_start(self.metrics, self.place.folder / self.metrics.name, self.earlier[1])
            except BaseException:
                self.place.folder.rmdir()
                raise
            return run(self.experiment, self.place, callbacks, earlier=self.earlier)


def resumption(word: str, overrides: Sequence[str] = (), trust: bool = False) -> Resumption:
    """What goes on with a run: unchanged, in its folder; or for longer, in a new one.

    Args:
        word: a folder, a name, an id, last or best.
        overrides: a new length, patience or goal: `trainer.epochs=+20`; with it, name, notes and `tags.KEY`.
        trust: run the single files it names even if this user has not run them here before.

    Raises:
        ConfigError: it cannot go on; the message gives the reason, and what is possible instead.
    """
    try:
        folder = find_run(word, runs_dir())
    except SweepGivenError as error:
        whole, job = shlex.join(["stackprop", f"sweep.resume={word}"]), shlex.join(["stackprop", "resume", f"{word}/0"])
        raise ConfigError(f"{word}: this is a sweep; {whole} runs the jobs that are missing; for one job: {job}") from error
    state = read_state(folder)
    check_no_links(folder)
    about = labels_of([word for word in overrides if word.startswith(ABOUT)])
    overrides = [word for word in overrides if not word.startswith(ABOUT)]
    check_changes(folder, overrides)
    labels = changed(About(), checked(about))
    check_checkpoint(folder, state)
    if about and not overrides:
        command = shlex.join(["stackprop", "tag", str(folder), *(f"{key}={value}" for key, value in about.items())])
        raise ConfigError(f"{', '.join(about)}: without a new length the run goes on as it is; {command}")
    if is_finished(folder) and not overrides:
        raise ConfigError(f"{folder}: the run has ended ({state['status']}); to train longer: {LONGER.format(folder)}")
    tracking = tracking_of_run(folder)
    if tracking.type == "mlflow" and not trust and not knows_store(tracking.uri):
        raise ConfigError(f"{folder}: {STRANGE.format(masked(str(tracking.uri)))}")
    written = tree_of_run(folder)
    registry = registry_of(folder, _restored(folder, written), trust)
    with scope(registry):
        if not overrides:
            return _same(folder, state, written, registry)
        longer = _longer(folder, state, written, overrides, registry)
    notes = (*longer.notes, *not_copied(state, labels.entry))
    name = labels.name or longer.place.name
    return replace(longer, place=replace(longer.place, name=name, about=labels), notes=notes)


def labels_of(words: Sequence[str]) -> dict[str, str | None]:
    """`name`, `notes`, `tags.KEY` -> text, from overrides; `tags={a: b}` too.

    Raises:
        ConfigError: the tags are not a mapping.
    """
    found = dict[str, str | None]()
    for word in words:
        key, _, text = word.partition("=")
        tags = assigned([word])[0]["tags"] if key == "tags" else None
        if key == "tags" and not isinstance(tags, Mapping):
            raise ConfigError(f"tags: not a mapping (got {text}); tags.KEY=VALUE sets one")
        found |= {f"tags.{tag}": text_of_tag(value) for tag, value in tags.items()} if tags else {key: text}
    return found


def check_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Check that a run has a record and a checkpoint.

    Raises:
        ConfigError: it has not; the message says which option writes one.
    """
    if state.get("status") == "diverged":
        raise ConfigError(f"{folder}: the run diverged; train it again: stackprop rerun {folder} optimizer.lr=...")
    if not (folder / CHECKPOINT).exists():
        if (folder / "study.md").exists():
            raise ConfigError(f"{folder}: a study has no checkpoints; run it again: stackprop rerun {folder}")
        job = "a job of a sweep has none at its end without trainer.checkpoint_at_end=true; " if _is_job(state) else ""
        why = "trainer.checkpoint_every=N writes one every N steps"
        ended = f"the run has ended ({state['status']}) and" if is_finished(folder) else "it"
        raise ConfigError(f"{folder}: {ended} has no checkpoint; {job}{why}; from the start: stackprop rerun {folder}")
    if not {"name", "tags"} <= state.keys():
        raise ConfigError(f"{folder}/run.json: not a valid record; resuming needs it")


def _is_job(state: Mapping[str, Any]) -> bool:
    return "sweep" in state.get("tags", {})


def check_changes(folder: Path, overrides: Sequence[str]) -> None:
    """Check that overrides change only how long a run trains.

    Raises:
        ConfigError: they change something else.
    """
    allowed = (EPOCHS, STEPS, PATIENCE, GOAL)
    other = [word for word in overrides if word.partition("=")[0] not in allowed or "=" not in word]
    if other:
        raise ConfigError(
            f"{' '.join(other)}: a run goes on unchanged, except for {', '.join(allowed)}, name, notes, tags.KEY; "
            f"for another configuration: stackprop rerun {folder} {shlex.join(other)}"
        )
    keys = [word.partition("=")[0] for word in overrides]
    if len({*keys}) < len(keys) or {EPOCHS, STEPS} <= {*keys}:
        raise ConfigError(f"{' '.join(overrides)}: one length, given once")


def _same(folder: Path, state: Mapping[str, Any], written: Mapping[str, Any], registry: Registry) -> Resumption:
    place = RunLocation(folder, store_dir(folder), state["name"], state["tags"], state.get("command", ""))
    experiment = prepare(_settings(folder, written))
    experiment.check_tier()
    _check_tensors(folder, experiment, _checkpoint(folder)[0])
    return Resumption(experiment, place, registry)


def _checkpoint(folder: Path) -> tuple[Snapshot, int]:
    try:
        return read_checkpoint(folder)
    except CheckpointError as error:
        raise ConfigError(str(error)) from error


def _check_tensors(folder: Path, experiment: Experiment, snapshot: Snapshot) -> None:
    network = experiment.learner.network
    arena = network.arena(network.init(experiment.settings.seed)[0])
    try:
        arena.check_layout(snapshot[1].get("tensors", arena.layout))
    except CheckpointError as error:
        again = shlex.join(["stackprop", "rerun", str(folder)])
        raise ConfigError(f"{folder}: its checkpoint is of another network: {error}; from the start: {again}") from error


def _longer(
    folder: Path, state: Mapping[str, Any], written: dict[str, Any], overrides: Sequence[str], registry: Registry
) -> Resumption:
    """The run of another length, as a new run that starts from the state of the old one."""
    before = _settings(folder, written)
    if state.get("config_hash") != config_hash(before.tree):
        raise ConfigError(f"{folder}/config.yaml: it, or a value from the environment, has changed since the run started")
    earlier = _checkpoint(folder)
    changes = changed_values(overrides, before, state)
    experiment = prepare(_settings(folder, with_values(written, changes)))
    experiment.check_tier()
    _check_tensors(folder, experiment, earlier[0])
    check_goes_on(folder, experiment, before.trainer, earlier[0])
    place = _new_place(folder, state, changes)
    done = int(earlier[0][1]["step"])
    first = f"continues from step {done} of {folder} to step {experiment.steps}, as a new run in {place.folder}"
    notes = (first, *schedule_notes(experiment, _steps(experiment, before.trainer), done))
    return Resumption(experiment, place, registry, notes, earlier, folder / "metrics.jsonl")


def _new_place(folder: Path, state: Mapping[str, Any], changes: Mapping[str, Any]) -> RunLocation:
    """A new folder, and the command that trains the longer run from its start."""
    texts = {key: "null" if value is None else str(value) for key, value in changes.items()}
    short = [f"{key.rpartition('.')[2]}={text}" for key, text in texts.items()]
    parts = [part for part in str(state["name"]).split() if part.partition("=")[0] + "=" not in " ".join(short)]
    words = [word for word in overrides_of(folder, state) if word.partition("=")[0] not in changes]
    command = shlex.join(["stackprop", *words, *(f"{key}={text}" for key, text in texts.items())])
    runs = runs_dir()
    new = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    tags, choices = {"continued": origin_of(folder)}, dict(state.get("choices", {}))
    return RunLocation(new, runs, " ".join([*parts, *short])[:250], tags, command, choices=choices)


def overrides_of(folder: Path, state: Mapping[str, Any]) -> list[str]:
    """The overrides of the command that a run records.

    Raises:
        ConfigError: it records none.
    """
    if (found := recorded_overrides(state)) is None:
        raise ConfigError(f"{folder}/run.json: it has no command; the run was not started by stackprop")
    return found


def _settings(folder: Path, written: Mapping[str, Any]) -> Settings:
    tree = _restored(folder, written)
    return replace(parse_config(tree, discover()), written={} if tree == written else dict(written))


def _restored(folder: Path, written: Mapping[str, Any]) -> Any:
    return restored(written, f"{folder}/config.yaml", hint=store_address(folder))


def changed_values(overrides: Sequence[str], before: Settings, state: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> new value; `+20` is added to the value of the run.

    Raises:
        ConfigError: it is not a length, or not a longer one.
    """
    options, found = before.trainer, dict[str, Any]()
    steps = options.steps or int(state.get("steps", 0))
    known: dict[str, Any] = {EPOCHS: options.epochs, STEPS: steps, PATIENCE: options.early_stopping.patience}
    for word in overrides:
        key, _, text = word.partition("=")
        if key == GOAL:
            found[key] = _goal(text)
            continue
        if known[key] is None:
            why = "the run has none, so it kept no best weights"
            raise ConfigError(f"{key}: {why} (got {text}); from the start: stackprop rerun RUN {word}")
        if key == EPOCHS and options.steps is not None:
            raise ConfigError(f"{key}: the run counts steps, trainer.steps={steps} (got {text}); use {STEPS}=+N")
        if not re.fullmatch(r"\+?\d{1,12}", text):
            raise ConfigError(f"{key}: not a number (got {text!r}); a total such as {known[key] + 20}, or +20 for 20 more")
        found[key] = int(text) + (known[key] if text.startswith("+") else 0)
        if found[key] <= known[key]:
            raise ConfigError(f"{key}: it must be more than {known[key]}, that of the run (got {text})")
    return found


def _goal(text: str) -> float | None:
    try:
        return None if text == "null" else float(text)
    except ValueError as error:
        raise ConfigError(f"{GOAL}: not a number (got {text!r}); a number, or null for none") from error


def with_values(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with other values at dotted keys."""
    out = dict(tree)
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        out[first] = with_values(out.get(first) or {}, {rest: value}) if rest else value
    return out


def check_goes_on(folder: Path, experiment: Experiment, before: TrainerOptions, snapshot: Snapshot) -> None:
    """Check that the training has steps to do from a state, and that early stopping lets it.

    Raises:
        ConfigError: it would end at once; the message names the option to change.
    """
    (arrays, plain), stopping = snapshot, experiment.settings.trainer.early_stopping
    step, stale = int(plain["step"]), int(arrays["best.stale"][0])
    if stopping.patience is not None and stale >= stopping.patience:
        what = f"{stopping.monitor} has not improved in {stale} validations, and the patience is {stopping.patience}"
        raise ConfigError(f"{folder}: {what}; {PATIENCE}=+{stale - stopping.patience + 10} lets the run go on")
    best, goal = float(arrays["best.value"][0]), stopping.goal
    lower = experiment.directions.get(stopping.monitor, True)
    if goal is not None and not math.isnan(best) and (best <= goal if lower else best >= goal):
        what = f"{stopping.monitor} has reached {goal:g}"
        raise ConfigError(f"{folder}: {what}; {GOAL}=null, or another goal, lets the run go on")
    if step >= experiment.steps:
        key = EPOCHS if before.steps is None else STEPS
        raise ConfigError(f"{folder}: the run has done {step} of {experiment.steps} steps; {key}=+N makes it longer")


def _steps(experiment: Experiment, options: TrainerOptions) -> int:
    return TrainingPlan.of(options, experiment.data).steps


def schedule_notes(experiment: Experiment, before: int, step: int) -> list[str]:
    """A line for each schedule that spans the training: its value at the end of the shorter one, and its next one.

    Args:
        before: the steps of the shorter training.
        step: the steps that are done.
    """
    learner, found = experiment.learner, list[str]()
    options = stackable_options(learner)
    for path, schedule in {LR: learner.schedule, **learner.schedules}.items():
        if has_method(schedule, "init"):  # it follows what was measured
            continue
        factor: Callable[[int, int], Any] = schedule
        value = options[path].value if path in options else getattr(learner.optimizer, "lr", 1.0)
        now = experiment.steps
        last, same, following = (value * factor(*at) for at in ((step - 1, before), (step - 1, now), (step, now)))
        if last != same:
            name = "schedule" if path == LR else f"schedules.{path}"
            found.append(
                f"{name}: {type(schedule).__name__} depends on the length: {path} was {float(last):.3g} in step {step} of "
                f"{before}, and is {float(following):.3g} in step {step + 1} of {now}"
            )
    return found


def copy_start(path: Path, to: Path, size: int) -> None:
    """Copy the first bytes of a file."""
    with open(open_regular(path), "rb") as file, replaced(to) as out:
        while size > 0 and (piece := file.read(min(size, 1 << 20))):
            size -= out.write(piece)
    if size > 0:
        os.unlink(to)
        raise ConfigError(f"{path}: it is shorter than when the checkpoint was written; the file was changed")
