"""`stackprop figure RUN|SWEEP [KIND] [to=FILE.pdf] [key=value ...]`: a figure of a run or sweep, as PNG, PDF or SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from framework.analysis import figures, style, sweep_figures
from framework.analysis.comparison import none_started, read_jobs
from framework.analysis.figures.options import validated
from framework.analysis.figures.run_view import RunView
from framework.analysis.sweep_table import figure_file
from framework.cli.commands.naming import options
from framework.config.options import Appearance
from framework.core.errors import ConfigError, DataError, did_you_mean
from framework.core.writing import inside
from framework.data.scaling import AS_SCALED, scaled
from framework.experiments.datasets import load_data
from framework.experiments.loading import load, settings_of_run
from framework.inference.model import WEIGHTS
from framework.registry.discovery import discover
from framework.tracking.run_dir import best_run, find_any

USAGE = "stackprop figure RUN KIND [to=FILE.pdf] [key=value ...]"
OF_RUNS = {name: about for name, (_, about) in {**figures.FIGURES, **figures.MORE}.items()}
Prepared = tuple[Appearance, Callable[[], Any]]  # size, labels and style of a figure, and what makes it or returns None


def main(arguments: Sequence[str]) -> int:
    """Draw the figure into a file, by default in the folder of the run; without KIND, list what can be drawn."""
    named = [each for each in arguments if "=" not in each and each != "--trust"]  # RUN and KIND
    given = dict(each.removeprefix("figure.").split("=", 1) for each in arguments if "=" in each)  # as a sweep takes them
    if not 1 <= len(named) <= 2 or any(each.startswith("-") for each in named):
        raise ConfigError(f"figure: a run and a kind of figure are needed (got {' '.join(named) or 'nothing'}); {USAGE}")
    subject, to = Subject(find_any(named[0]), "--trust" in arguments), given.pop("to", None)
    if len(named) == 1:
        if given or to:
            raise ConfigError(f"figure: which one?{did_you_mean('', subject.known)}; {USAGE}")
        return show(subject)
    kind = named[1]
    if kind not in subject.known:
        raise ConfigError(f"figure: unknown figure '{kind}'{did_you_mean(kind, subject.known)}")
    file = None if to is None else figure_file(Path(to).expanduser())
    look, make = subject.prepared(kind, options(given))
    path = style.write(make, look, file or subject.default_file(kind))
    if path is None:
        able = ", ".join(name for name, _ in drawable(subject)) or "nothing"
        raise ConfigError(f"figure: {subject.folder} recorded nothing for '{kind}' (it can draw: {able})")
    print(f"figure: {path}{subject.note(kind)}")
    return 0


@dataclass
class Subject:
    """A run, or a sweep.

    Attributes:
        folder: its folder.
        trust: run the single files that it names.
    """

    folder: Path
    trust: bool = False
    _views: dict[bool, RunView] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        """Whether it is a run."""
        return (self.folder / "run.json").is_file()

    @property
    def known(self) -> dict[str, str]:
        """The kinds of figures, each with a line about it."""
        registry = discover()
        own = {name: (registry.get("figure", name).__doc__ or "").partition("\n")[0] for name in registry.names("figure")}
        return {**OF_RUNS, **own, **({} if self.is_run else sweep_figures.KINDS)}

    def of_best(self, kind: str) -> bool:
        """Whether a figure of a sweep is that of its best job."""
        return not self.is_run and kind not in sweep_figures.KINDS

    def note(self, kind: str) -> str:
        """A note on the best job."""
        return f" (of job {best_run(self.folder).name}, the best)" if self.of_best(kind) else ""

    def default_file(self, kind: str) -> Path:
        """The file of a figure in the folder of the run or sweep."""
        folder = best_run(self.folder) if self.of_best(kind) else self.folder
        return (folder if kind in sweep_figures.KINDS and not self.is_run else inside(folder, "figures")) / f"{kind}.png"

    def prepared(self, kind: str, given: Mapping[str, Any]) -> Prepared:
        """A figure with its validated options.

        Raises:
            ConfigError: an option is not valid, or the sweep has no best job.
        """
        if not self.is_run and kind in sweep_figures.KINDS:
            return sweep_figures.prepared(kind, self.folder, given)
        if kind not in OF_RUNS:
            own, look = validated(kind, discover().get("figure", kind), given)
            return look, lambda: own(self.view(with_model=True))
        found, look = validated(kind, figures.options_of(kind), given)
        epochs = getattr(found, "x", None) == "epoch"
        return look, lambda: figures.figure(kind, replace(self.view(kind in figures.OF_MODEL), epochs=epochs), found)

    def view(self, with_model: bool) -> RunView:
        """The run, or the best job of the sweep.

        Args:
            with_model: with its network and its data, if it has a network.
        """
        if with_model not in self._views:
            folder = self.folder if self.is_run else best_run(self.folder)
            self._views[with_model] = self._loaded(folder) if with_model else RunView(folder)
        return self._views[with_model]

    def _loaded(self, folder: Path) -> RunView:
        if not (folder / WEIGHTS).is_file():
            return RunView(folder)
        model = load(folder, trust=self.trust)
        data = scaled(load_data(settings_of_run(folder, trust=self.trust)), model.scale)
        return RunView(folder, replace(model, scale=AS_SCALED), data, model.scale)


def show(subject: Subject) -> int:
    """Print what can be drawn, a line each."""
    if not subject.is_run and not read_jobs(subject.folder):
        raise none_started(subject.folder)
    print(f"{subject.folder} can draw:")
    for kind, about in drawable(subject):
        print(f"    {kind:16} {about}{subject.note(kind)}")
    print(f"draw one with: {USAGE}")
    return 0


def drawable(subject: Subject) -> Iterator[tuple[str, str]]:
    """The kinds for which something was recorded, each with a line about it."""
    for kind, about in subject.known.items():
        try:
            look, make = subject.prepared(kind, {})
            with style.applied(look):
                found = make()
        except (ConfigError, DataError, KeyError):
            continue  # it needs an option, or what this run lacks
        if found is not None:
            yield kind, about
