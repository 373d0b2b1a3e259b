"""The data set of an experiment, loaded and scaled once for all jobs of a sweep that share it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import fields, replace
from typing import TypeVar

from framework.config.schema import Settings
from framework.core.errors import ConfigError, DataError
from framework.core.memory import format_bytes, free_bytes, limited
from framework.core.protocols import Dataset
from framework.core.random import generator
from framework.data import scaling
from framework.data.dataset import Data
from framework.data.scaling import Scale
from framework.data.validation import checked
from framework.nn.network import large

KEPT = 1 << 29  # bytes of data sets that are kept for jobs to come; the newest one always
COUNTS = ("n", "n_val", "n_test")  # options of data sets that are made up: of how many examples
SHARE = 0.8  # of the free memory that a data set may take
SMALL, LARGE = 1000, 100_000  # examples: enough to measure one; so few that nobody needs to know before they are made

Found = TypeVar("Found")


def load_data(settings: Settings) -> Data:
    """The data set, drawn from `dataset.seed` alone.

    Raises:
        DataError: a file cannot be used, or the data are not what their fields declare.
        ConfigError: the options cannot all hold, or the data set does not return Data.
    """
    named = settings.tree["dataset"]
    name = named if isinstance(named, str) else named["type"]

    def load() -> tuple[Data, int]:
        check_dataset_size(settings.dataset)
        try:
            with limited(SHARE):
                data = settings.dataset.load(generator(settings.dataset_seed, "dataset"))
        except DataError:
            raise
        except (MemoryError, OverflowError) as error:
            raise ConfigError(f"dataset{large(settings.dataset)}: it takes too much memory ({error})") from error
        except ValueError as error:
            raise ConfigError(f"dataset: {error}") from error
        if not isinstance(data, Data):
            got = f"{type(settings.dataset).__name__}.load returned {type(data).__name__}"
            raise ConfigError(f"dataset: {got}; a data set returns framework.Data(splits, fields)")
        data = checked(replace(data, name=name))
        return data, size(data)

    return _loaded.get(_key(settings), load)


def check_dataset_size(dataset: Dataset) -> None:
    """
    Raises:
        ConfigError: the examples that it is to make up would take more memory than is free, as a few of them tell.
    """
    counts = {f.name: getattr(dataset, f.name) for f in fields(dataset) if f.name in COUNTS}  # type: ignore[arg-type]
    if not all(isinstance(count, int) for count in counts.values()) or sum(counts.values()) < LARGE:
        return
    few = {name: min(count, SMALL) for name, count in counts.items()}
    with limited(SHARE):
        found = size(replace(dataset, **few).load(generator(0, "dataset")))  # type: ignore[type-var]
    needed, free = found * sum(counts.values()) / max(1, sum(few.values())), free_bytes()
    if needed > SHARE * free:
        name = max(counts, key=lambda name: counts[name])
        raise ConfigError(
            f"dataset.{name}: {counts[name]} examples take {format_bytes(needed)} of memory, "
            f"and {format_bytes(free)} are free"
        )


def scaled_data(settings: Settings, data: Data, fields: Collection[str], keep: bool = True) -> tuple[Data, Scale]:
    """The same data with some fields on the scale that `dataset.scale` asks for, and that scale.

    Args:
        keep: for jobs to come, which have the same data if they have the same settings.

    Raises:
        ValueError: there is no such scale, or no such field.
    """

    def scale() -> tuple[tuple[Data, Scale], int]:
        found = scaling.fit(data, settings.dataset_scale, fields)
        scaled = scaling.scaled(data, found)
        return (scaled, found), 0 if settings.dataset_scale == "none" else size(scaled)

    return scale()[0] if not keep else _scaled.get((*_key(settings), settings.dataset_scale, *sorted(fields)), scale)


def _key(settings: Settings) -> tuple[Hashable, ...]:
    path = getattr(settings.dataset, "path", None)
    written = os.stat(path).st_mtime_ns if path and os.path.exists(path) else None
    return repr(settings.dataset), settings.dataset_seed, written


def size(data: Data) -> int:
    """Bytes."""
    return sum(a.nbytes for split in data.splits.values() for a in split.values())


class SizedLRUCache:
    """What was made last, as much of it as `KEPT` bytes."""

    def __init__(self) -> None:
        self.found: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], tuple[Found, int]]) -> Found:
        """What is known by the key, made if need be; `make` tells its bytes too."""
        if key not in self.found:
            self.found[key] = make()
            while len(self.found) > 1 and sum(taken for _, taken in self.found.values()) > KEPT:
                self.found.popitem(last=False)
        self.found.move_to_end(key)
        return self.found[key][0]  # type: ignore[return-value]


_loaded, _scaled = SizedLRUCache(), SizedLRUCache()
