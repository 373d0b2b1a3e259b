"""Checks of studies: each is run on an experiment that takes a moment."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from fnmatch import fnmatch
from pathlib import PurePath
from typing import Any

import numpy as np

from framework.config.parser import parse_config
from framework.core.errors import ConfigError
from framework.core.study import Findings
from framework.experiments.experiment import Experiment, prepare
from framework.registry.discovery import discover
from framework.testing.choices import check_choices
from framework.testing.purity import refuses, reported, untouched, works

TRAINER = {"epochs": 2, "batch_size": 4, "read_every": 3}
ACTIVE = {"type": "activation", "function": "tanh"}
FLAT = {"layers": {"hidden": {"type": "dense", "units": 3}, "act": ACTIVE, "out": {"type": "dense", "units": "auto"}}}
STEPS = {"layers": {"rnn": {"type": "recurrent", "cell": {"type": "simple", "units": 3}}, "out": FLAT["layers"]["out"]}}
EXPERIMENTS: Mapping[str, Mapping[str, Any]] = {
    "a training split alone": {"dataset": {"type": "sine", "n": 12, "n_val": 0, "n_test": 0}, "model": FLAT},
    "regression": {"dataset": {"type": "sine", "n": 12, "n_val": 4, "n_test": 6}, "model": FLAT},
    "classification": {"dataset": {"type": "spirals", "n": 12}, "model": FLAT},
    "sequences": {"dataset": {"type": "copy", "n": 8, "n_val": 4, "n_test": 0, "length": 2, "delay": 2}, "model": STEPS},
}


def experiments(study: Any) -> Iterator[tuple[str, Experiment]]:
    """Small experiments that a study accepts.

    Raises:
        AssertionError: it accepts none.
    """
    refused: list[str] = []
    for name, given in EXPERIMENTS.items():
        tree = {**given, "optimizer": "sgd", "loss": "auto", "metrics": "auto", "trainer": TRAINER, "dtype": "float64"}
        tree |= {"initializer": "xavier_uniform", "tier": "array", "device": "cpu", "threads": 1}
        settings = replace(parse_config(tree, discover()), study=study)
        try:
            yield name, prepare(settings)
        except ConfigError as error:
            refused.append(f"{name}: {error}")
    assert len(refused) < len(EXPERIMENTS), f"its `check` rejects every experiment of the kit: {'; '.join(refused)}"


def check_asked(study: Any) -> None:
    """The study and its `check` take the experiment only; the figure of a sweep is declared by a class attribute, not an
    option.

    Cannot see: what it does with the experiment; `run` looks at it.
    """
    for name in ("__call__", "check"):
        method = getattr(study, name, None)
        assert callable(method) or name == "check", "it cannot be called"
        if method is not None:
            try:
                inspect.signature(method).bind("the experiment")
            except TypeError as error:
                raise AssertionError(f"{name} must take the experiment only: {error}") from error
    figure = getattr(study, "figure", {})
    assert isinstance(figure, Mapping), f"figure: must be a mapping (got a {type(figure).__name__}), as the key `figure`"
    assert "figure" not in {f.name for f in fields(study)}, "figure is an option; declare figure: ClassVar[dict[str, Any]]"


def check_run(study: Any) -> None:
    """On a small experiment that it accepts it returns Findings that can be recorded, twice the same, and leaves the data,
    the experiment and itself unchanged.

    Cannot see: whether the answer is right, and what needs an experiment of another form.
    """
    for name, experiment in experiments(study):
        data, kept = _arrays(experiment), dict(vars(experiment))
        before = [a.copy() for a in data]
        with untouched(study), works(name):
            try:
                found = study(experiment)
            except Exception as error:
                if refuses(error):
                    continue
                raise
        assert all(map(np.array_equal, data, before)), f"{name}: it changed the data of the experiment"
        assert vars(experiment) == kept, f"{name}: it changed the experiment"
        _check_findings(study, found, f"{name}: ")
        if "test" in experiment.data.splits or "val" in experiment.data.splits:
            _check_same(found, study(experiment), f"{name}: ")
            return


def _arrays(experiment: Any) -> list[np.ndarray]:
    return [a for arrays in experiment.data.splits.values() for a in arrays.values()]


def _check_findings(study: Any, found: Any, where: str) -> None:
    assert isinstance(found, Findings), f"{where}it returns a {type(found).__name__}, not framework.Findings"
    summary = found.summary
    assert isinstance(summary, str), f"{where}the summary is a {type(summary).__name__}, not text"
    assert summary.strip(), f"{where}the summary is empty"
    for metric, a in found.series.items():
        assert isinstance(metric, str), f"{where}a series has the name {metric!r}, which is not text"
        assert metric, f"{where}a series has an empty name"
        assert np.shape(a)[1:] == (2,), f"{where}series '{metric}' is {np.shape(a)}, not (K, 2): step, value"
        assert np.isfinite(np.asarray(a)[:, 0]).all(), f"{where}series '{metric}' has a step that is not finite"
    rows, columns = np.shape(found.rows), tuple(found.columns)
    assert not len(found.rows) or rows[1:] == (len(columns),), f"{where}rows are {rows}, columns {columns}"
    for kind, named in (("files", found.files), ("figures", found.figures), ("arrays", found.arrays)):
        for name in named:
            safe = isinstance(name, str) and name and not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
            assert safe, f"{where}{kind}: {name!r} is not a name inside the run's folder"
    for name, text in found.files.items():
        assert isinstance(text, str), f"{where}file '{name}' is a {type(text).__name__}, not text"
    for name, figure in found.figures.items():
        assert hasattr(figure, "savefig"), f"{where}figure '{name}' is a {type(figure).__name__}, not a matplotlib figure"
    for name, a in found.arrays.items():
        assert np.asarray(a).dtype.kind in "biufU", f"{where}array '{name}' holds {np.asarray(a).dtype}, not numbers"
    _check_metrics(study, found, where)


def _check_metrics(study: Any, found: Findings, where: str) -> None:
    """Of the metrics that the class names, one at least is recorded: others may belong to other experiments."""
    known, figure = [*found.series, *found.columns], getattr(study, "figure", {})
    named = {"lower_is_better": list(getattr(study, "lower_is_better", {}))}
    named |= {
        f"figure.{key}": [v] if isinstance(v := figure.get(key) or (), str) else list(v) for key in ("y", "x", "table")
    }
    for key, patterns in named.items():
        own = [pattern for pattern in patterns if "/" in pattern]
        recorded = not own or any(fnmatch(metric, pattern) for metric in known for pattern in own)
        assert recorded, f"{where}{key}: no metric {' or '.join(own)} is recorded; there are {', '.join(known)}"


def _check_same(found: Findings, again: Findings, where: str) -> None:
    same = found.series.keys() == again.series.keys() and found.summary == again.summary and found.files == again.files
    same = same and all(np.array_equal(a, again.series[name], equal_nan=True) for name, a in found.series.items())
    assert same, f"{where}two runs of the same experiment have other findings; chance comes from the seed of the experiment"


def check_run_if_accepted(study: Any) -> None:
    """`run`, of a study whose options may fit none of the experiments."""
    try:
        next(experiments(study))
    except AssertionError:
        return
    check_run(study)


STUDY = reported(
    {
        "asked": check_asked,
        "run": check_run,
        "choices": check_choices({"run": check_run_if_accepted}),
    }
)
