"""The data set of an experiment, loaded and scaled once for all jobs of a sweep that share it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from typing import TypeVar

from framework import scaling
from framework.checking import checked
from framework.config import ConfigError, Settings
from framework.data import Data, DataError
from framework.scaling import Scale
from framework.streams import generator

KEPT = 1 << 29  # bytes of data sets that are kept for jobs to come; the newest one always

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
        try:
            data = settings.dataset.load(generator(settings.dataset_seed, "dataset"))
        except DataError:
            raise
        except ValueError as error:
            raise ConfigError(f"dataset: {error}") from error
        if not isinstance(data, Data):
            got = f"{type(settings.dataset).__name__}.load returned {type(data).__name__}"
            raise ConfigError(f"dataset: {got}; a data set returns framework.Data(splits, fields)")
        data = checked(replace(data, name=name))
        return data, size(data)

    return _loaded.get(_key(settings), load)


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


class Kept:
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


_loaded, _scaled = Kept(), Kept()
