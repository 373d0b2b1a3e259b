"""The data set of an experiment, loaded and scaled once for all jobs of a sweep that use it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from framework.config.schema import Settings
from framework.core import blame
from framework.core.errors import ConfigError, DataError
from framework.core.memory import format_bytes, free_bytes, limited
from framework.core.protocols import Dataset
from framework.core.random import Key, generator
from framework.core.signatures import accepts_argument
from framework.data import scaling
from framework.data.dataset import Data
from framework.data.folds import Fold, folded
from framework.data.scaling import Scale
from framework.data.validation import checked
from framework.nn.drawing import large

KEPT = 1 << 29  # bytes of data sets cached for later jobs; the newest one always
COUNTS = ("n", "n_val", "n_test")  # options of generated data sets for the number of examples
SHARE = 0.8  # of the free memory that a data set may take
SMALL, LARGE = 1000, 100_000  # examples: enough to measure the size of one; fewer need no check before they are generated

Found = TypeVar("Found")


def load_data(settings: Settings) -> Data:
    """The data set, which depends on `dataset.seed` only.

    Raises:
        DataError: a file cannot be used, or the data are not what their fields declare.
        ConfigError: the options contradict each other, or the data set does not return Data.
    """

    def load() -> tuple[Data, int]:
        check_dataset_size(settings.dataset)
        try:
            with limited(SHARE):
                data = draw_data(settings, settings.dataset_seed)
        except DataError:
            raise
        except (MemoryError, OverflowError) as error:
            raise ConfigError(f"dataset{large(settings.dataset)}: not enough memory ({error})") from error
        except ValueError as error:
            raise ConfigError(f"{'' if str(error).startswith('dataset') else 'dataset: '}{error}") from error
        data = checked(data)
        return data, size(data)

    return _loaded.get(_key(settings), load)


def draw_data(settings: Settings, key: Key) -> Data:
    """The data set from the random numbers of a key, divided into folds if the settings say so; not checked or scaled."""
    named, dataset, rng = settings.tree["dataset"], settings.dataset, generator(key, "dataset")
    fold = None if settings.folds is None else Fold(int(settings.fold or 0), settings.folds, settings.dataset_seed)
    itself = fold is not None and accepts_argument(dataset, "load", "fold")
    if fold is not None and not itself and getattr(dataset, "split", None) == "time":
        raise DataError("folds: dataset.split=time does not go with folds, which would train on what comes later")
    with blame.named(f"dataset '{named if isinstance(named, str) else named['type']}'"):
        data = dataset.load(rng, fold=fold) if itself else dataset.load(rng)  # type: ignore[call-arg]
    if not isinstance(data, Data):
        got = f"{type(dataset).__name__}.load returned {type(data).__name__}"
        raise ConfigError(f"dataset: {got}; it must return framework.Data(splits, fields)")
    data = replace(data, name=named if isinstance(named, str) else named["type"])
    return data if fold is None or itself else folded(data, fold)


def check_dataset_size(dataset: Dataset) -> None:
    """Check that a generated data set fits into memory, by generating a few examples first.

    Raises:
        ConfigError: the examples would take more than the free memory.
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
            f"dataset.{name}: {counts[name]} examples need {format_bytes(needed)} of memory, "
            f"but only {format_bytes(free)} are free"
        )


def scaled_data(
    settings: Settings, data: Data, fields: Collection[str], keep: bool = True, targets: Collection[str] = ()
) -> tuple[Data, Scale]:
    """A data set with some fields scaled as `dataset.scale` says, and that scale.

    Args:
        targets: the fields that losses compare with.
        keep: cache the result for later jobs with the same settings.

    Raises:
        ValueError: unknown scale or field.
    """

    def scale() -> tuple[tuple[Data, Scale], int]:
        found = scaling.fit(data, settings.dataset_scale, fields)
        scaled = scaling.scaled(data, found, settings.dataset_scale == "auto", sorted(targets))
        return (scaled, found), size(scaled) if found.shift else 0

    key = (*_key(settings), settings.dataset_scale, *sorted(fields), "targets", *sorted(targets))
    return _scaled.get(key, scale) if keep else scale()[0]


def _key(settings: Settings) -> tuple[Hashable, ...]:
    names = [f.name for f in fields(settings.dataset)]  # type: ignore[arg-type]
    paths = [getattr(settings.dataset, name) for name in names if name == "path" or name.endswith("_path")]
    return repr(settings.dataset), settings.dataset_seed, settings.folds, settings.fold, *(_written(path) for path in paths)


def _written(path: str | None) -> Hashable:
    """When a file was written, or the files of a folder."""
    if not path or not os.path.exists(path):
        return None
    inside = sorted(Path(path).glob("*.npy")) if os.path.isdir(path) else []
    return os.stat(path).st_mtime_ns, *(file.stat().st_mtime_ns for file in inside)


def size(data: Data) -> int:
    """Bytes."""
    return sum(a.nbytes for split in data.splits.values() for a in split.values())


class SizedLRUCache:
    """A cache of the last results, up to `KEPT` bytes."""

    def __init__(self) -> None:
        self.found: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], tuple[Found, int]]) -> Found:
        """The value of a key, created if missing; `make` returns the value and its size in bytes."""
        if key not in self.found:
            self.found[key] = make()
            while len(self.found) > 1 and sum(taken for _, taken in self.found.values()) > KEPT:
                self.found.popitem(last=False)
        self.found.move_to_end(key)
        return self.found[key][0]  # type: ignore[return-value]


_loaded, _scaled = SizedLRUCache(), SizedLRUCache()
