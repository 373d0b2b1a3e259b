"""What a store takes, as MLflow's entities of the same names and fields: importing those takes two seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """A point of a series; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """A value of the configuration."""

    key: str
    value: str


class RunTag(NamedTuple):
    """A tag of a run."""

    key: str
    value: str


class InputTag(NamedTuple):
    """A tag of a data set of a run."""

    key: str
    value: str


class Dataset(NamedTuple):
    """The description of a data set."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str


class DatasetInput(NamedTuple):
    """A data set that a run uses."""

    dataset: Dataset
    tags: Sequence[InputTag]


class LoggedModelOutput(NamedTuple):
    """A model that a run has made."""

    model_id: str
    step: int


def of_mlflow(thing: Any) -> Any:
    """The same as MLflow's entities, for MLflow's client."""
    if isinstance(thing, list | tuple) and not hasattr(thing, "_asdict"):
        return [of_mlflow(each) for each in thing]
    if type(thing).__module__ != __name__:
        return thing
    from mlflow import entities

    kind = getattr(entities, type(thing).__name__)
    return kind(**{name: of_mlflow(value) for name, value in thing._asdict().items()})
