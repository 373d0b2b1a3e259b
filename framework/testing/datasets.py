"""Checks of data sets."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from framework.core.errors import DataError
from framework.data.dataset import AXES, Data, Field
from framework.testing.choices import check_choices, variants
from framework.testing.purity import own_numbers, reported, seeded_rng, untouched

FEW = 8  # examples of a split: with fewer, they may be the same on purpose
CONTINUOUS = 0.9  # share of different numbers from which on a field of real numbers repeats none by chance
_last: dict[str, Data] = {}  # the data of the last data set, which the next check of it uses too


def loaded(dataset: Any) -> Data:
    """The data of seed 0, loaded once for all checks of a data set."""
    key = f"{type(dataset).__module__} {dataset!r}"
    if key not in _last:
        found = dataset.load(seeded_rng(0))
        assert isinstance(found, Data), f"load returns a {type(found).__name__}, not framework.Data"
        _last.clear()
        _last[key] = found
    return _last[key]


def check_data(dataset: Any) -> None:
    """Every split has every field, as many rows of each, and the axes, widths and values that the field declares. A mask is
    0 where the ids are padding.

    Cannot see: whether the values mean what they should.
    """
    first = loaded(dataset)
    assert "train" in first.splits, "the training split is missing"
    widths: dict[str, list[int]] = {}
    for split, arrays in first.splits.items():
        assert split in ("train", "val", "test"), f"unknown split '{split}'; allowed: train, val, test"
        assert arrays.keys() == first.fields.keys(), f"{split} has fields {list(arrays)}, not {list(first.fields)}"
        assert len({len(a) for a in arrays.values()}) == 1, f"the fields of {split} have different numbers of examples"
        assert len(next(iter(arrays.values()))), f"{split} is empty; leave out a split without examples"
        for name, a in arrays.items():
            _check_field(first, split, name, a)
            width = [n for n in first.fields[name].shape(a) if n is not None]
            usual = widths.setdefault(name, width)
            assert width == usual, f"the examples of {split}.{name} have the widths {width}, not {usual} as before"
        _check_steps(first, split)
        _check_padding(first, split)


def _check_field(data: Data, split: str, name: str, a: np.ndarray) -> None:
    field = data.fields[name]
    assert field.axes in AXES
    assert a.ndim == len(field.axes), f"{split}.{name} has shape {a.shape}, not axes {field.axes}"
    assert a.dtype.kind in "biuf", f"{split}.{name} holds {a.dtype}, not numbers"
    assert np.isfinite(a).all(), f"{split}.{name} holds non-finite values"
    if field.kind in ("id", "label"):
        assert np.issubdtype(a.dtype, np.integer), f"{split}.{name} are {a.dtype}, not integers"
        columns = field.kind == "label" and field.axes == "NF"
        size = 2 if columns else field.size
        assert 0 <= a.min() <= a.max() < max(size, 1), f"{split}.{name} is not within 0 ... {size - 1}"
    if field.kind == "mask":
        assert a.dtype.kind != "b", f"{split}.{name} is boolean; a mask holds weights: .astype(float)"
        assert a.min() >= 0, f"{split}.{name} holds negative weights"
        empty = np.flatnonzero(~a.reshape(len(a), -1).any(1)) if field.axes != "N" else np.zeros(0, int)
        assert not empty.size, f"row {empty[0]} of {split}.{name} is 0 everywhere: no step of the example counts"


def _check_padding(data: Data, split: str) -> None:
    """Where a field of ids names a padding, the mask of its steps is 0 there."""
    arrays, masks = data.splits[split], [name for name, f in data.fields.items() if f.kind == "mask"]
    for name, f in data.fields.items():
        if f.kind != "id" or Field.PADDING not in f.names:
            continue
        padded = arrays[name] == f.names.index(Field.PADDING)
        for mask in masks if len(masks) == 1 else ():
            if arrays[mask].shape == padded.shape:
                wrong = np.argwhere(padded & (arrays[mask] > 0))
                where = tuple(map(int, wrong[0])) if wrong.size else ()
                assert not wrong.size, f"{split}.{mask} counts the padding of {split}.{name} at {where}"


def _check_steps(data: Data, split: str) -> None:
    """A mask covers the steps of the fields beside it."""
    steps = {name: a.shape[1] for name, a in data.splits[split].items() if data.fields[name].time_major}
    masks = [name for name in steps if data.fields[name].kind == "mask"]
    for mask in masks:
        assert steps[mask] in {n for name, n in steps.items() if name not in masks}, (
            f"{split}.{mask} has {steps[mask]} steps, which no other field has: {steps}"
        )


def check_seeded(dataset: Any) -> None:
    """The data depend on the given generator only: the same one gives the same data, whatever was loaded before.

    Cannot see: generators that are made when the module is imported and never used up.
    """

    def run(seed: int) -> list[np.ndarray]:
        found = dataset.load(seeded_rng(seed))
        return [a for arrays in found.splits.values() for a in arrays.values()]

    first = [a.copy() for arrays in loaded(dataset).splits.values() for a in arrays.values()]
    with untouched(dataset):
        own_numbers(run, "rng, which dataset.seed sets")
        second = run(0)
    assert len(first) == len(second), "two loads with the same seed have other splits or fields"
    names = [f"{split}.{name}" for split, arrays in loaded(dataset).splits.items() for name in arrays]
    for name, a, b in zip(names, first, second, strict=True):
        assert a.shape == b.shape, f"{name}: two loads with the same seed have shapes {a.shape} and {b.shape}"
        assert np.array_equal(a, b), f"{name}: two loads with the same seed differ"


def check_fresh(dataset: Any) -> None:
    """A second load is not affected by changes of the arrays of the first.

    Cannot see: files that are changed.
    """
    first, second = loaded(dataset), dataset.load(np.random.default_rng(0))
    given = [a for f in fields(dataset) if isinstance(a := getattr(dataset, f.name), np.ndarray)]  # those of the user
    for split, arrays in first.splits.items():
        for name, a in arrays.items():
            other = second.splits.get(split, {}).get(name)
            own = any(np.shares_memory(a, b) for b in given)
            shared = other is not None and not own and a.flags.writeable and np.shares_memory(a, other)
            assert not shared, f"{split}.{name} of two loads is the same memory; copy it"


def check_overlap(dataset: Any) -> None:
    """No example of a split is in another one, unless examples repeat as often within the training split; of ids and
    labels alone, one may.

    Cannot see: rows that differ a little, such as overlapping windows, and splits of fewer than 8 examples.
    """
    data = loaded(dataset)
    rows = {split: _rows(arrays) for split, arrays in data.splits.items()}
    chance = 0 if _continuous(data) else 3
    for split, own in rows.items():
        for other in [name for name in rows if name < split]:
            common, fewer = len(own & rows[other]), min(len(own), len(rows[other]))
            repeated = max(1 - len(each) / len(_first(data.splits[name])) for name, each in rows.items())
            allowed = 0.02 * fewer + chance * repeated * fewer + bool(chance)  # one, by chance
            much = fewer >= FEW and common > allowed
            assert not much, f"{common} of {fewer} examples of {split} are examples of {other} too"


def _continuous(data: Data) -> bool:
    """Whether a field of real numbers hardly ever repeats a number from row to row."""
    for name, field in data.fields.items():
        a = np.unique(data.splits["train"][name], axis=0) if field.kind == "real" else np.zeros(0)
        if a.size and len(np.unique(a)) >= CONTINUOUS * a.size:
            return True
    return False


def _first(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return next(iter(arrays.values()))


def _rows(arrays: Mapping[str, np.ndarray]) -> set[bytes]:
    """The examples of a split, each as the bytes of all its fields."""
    return {b"".join(np.ascontiguousarray(a[i]).tobytes() for a in arrays.values()) for i in range(len(_first(arrays)))}


def check_names(dataset: Any) -> None:
    """Names are different texts, one for each class or id; forecast and scaled_with name fields that exist.

    Cannot see: names in another order.
    """
    data = loaded(dataset)
    sizes = {name: max(f.size, 2) if f.kind == "label" else f.size for name, f in data.fields.items()}
    for what, names in {"Data.names": data.names, **{f"names of {n}": f.names for n, f in data.fields.items()}}.items():
        assert all(isinstance(name, str) for name in names), f"{what}: {list(names)[:3]} are not all text"
        assert len(set(names)) == len(names), f"{what}: a name occurs twice among {list(names)[:6]}"
    counted = [n for name, n in sizes.items() if n and data.fields[name].kind in ("label", "id")]
    fits = not data.names or len(data.names) in counted
    assert fits, f"{len(data.names)} names, but the fields have {counted} classes or ids"
    for key, wanted in (("forecast", data.forecast), ("scaled_with", (*data.scaled_with, *data.scaled_with.values()))):
        for name in wanted:
            assert name in data.fields, f"{key}: unknown field '{name}' (there are: {', '.join(data.fields)})"
    for note in data.notes:
        assert isinstance(note, str), f"notes: {note!r} is not text"


def check_truth(dataset: Any) -> None:
    """The targets are f(x) and noise of the size sigma, where the data set knows them.

    Cannot see: noise that depends on x.
    """
    data = loaded(dataset)
    for split in data.splits if data.f is not None else ():
        x, y = data.splits[split]["x"], data.splits[split]["y"]
        residuals = y - data.f(x)
        assert residuals.shape == y.shape, f"f({split}.x) does not have the shape {y.shape} of the targets"
        if data.sigma is not None:
            band = 6 * data.sigma / (2 * residuals.size) ** 0.5 + 1e-9  # six standard errors of a deviation
            off = float(np.sqrt((residuals**2).mean())) - data.sigma
            assert abs(off) <= band, f"the noise in {split} differs from sigma by {off:.2g}; chance allows {band:.2g}"


def check_encoding(dataset: Any) -> None:
    """The encoding survives JSON, and the restored one reads the data set's own file as before, into declared fields.

    Cannot see: files other than that of the option `path`.
    """
    data = loaded(dataset)
    if data.encoding is None:
        return
    values = data.encoding.to_json()
    text = json.dumps(values)
    again = json.loads(text)
    assert again == _plain(values), f"JSON changes the values of the encoding: {text[:80]}"
    assert isinstance(values.get("type"), str), "to_json gives no 'type', the registered name of the data set"
    restore = getattr(type(dataset), "encoding_from_json", None)
    assert callable(restore), "the class method encoding_from_json(values) is missing; a saved network could not read files"
    restored = restore(again)
    assert json.dumps(restored.to_json()) == text, "the restored encoding has other values than the saved one"
    path = getattr(dataset, "path", None)
    for with_target in (False, True) if isinstance(path, str) and Path(path).is_file() else ():
        _check_read(data, path, with_target, data.encoding, restored)


def _check_read(data: Data, path: Any, with_target: bool, encoding: Any, restored: Any) -> None:
    try:
        first = encoding.read(path, with_target)
    except DataError:  # a file with several splits, or in another form than new rows
        return
    second = restored.read(path, with_target)
    assert first.keys() == second.keys(), f"the restored encoding reads {list(second)}, not {list(first)}"
    assert len({len(a) for a in first.values()}) == 1, "the fields of a new file have different numbers of rows"
    for name, a in first.items():
        assert np.array_equal(a, second[name]), f"the restored encoding reads other values of '{name}'"
        if name in data.fields:
            field = data.fields[name]
            assert a.ndim == len(field.axes), f"'{name}' of a new file has shape {a.shape}, not axes {field.axes}"
            known = field.kind not in ("id", "label") or field.axes == "NF" or a.max(initial=0) < field.size
            assert known, f"'{name}' of a new file is not within 0 ... {field.size - 1}"


def _plain(values: Any) -> Any:
    """Tuples as lists, as JSON gives them back."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values


def switched_off(dataset: Any) -> Iterator[tuple[str, Any]]:
    """The first option that may be 0 examples, at 0: that of the validation split, as a rule."""
    return itertools.islice((end for end in variants(dataset, bounds=True) if type(end[1]) is int and end[1] == 0), 1)


SIMPLE = {"data": check_data, "names": check_names}
DATASET = reported(
    {
        **SIMPLE,
        "truth": check_truth,
        "seeded": check_seeded,
        "fresh": check_fresh,
        "overlap": check_overlap,
        "encoding": check_encoding,
        "choices": check_choices(SIMPLE, numbers=switched_off),
    }
)
