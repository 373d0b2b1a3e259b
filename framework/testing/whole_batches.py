"""Checks of augmentations that read and change every field of a batch, on batches of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from framework.data.augmentation import check_augmentations
from framework.data.dataset import Field
from framework.testing.purity import untouched

N, STEPS, CLASSES = 5, 3, 7
Batch = dict[str, np.ndarray]
SHAPES = {"N": (N,), "NF": (N, 4), "NCHW": (N, 2, 6, 7), "NTF": (N, STEPS, 4), "NT": (N, STEPS)}


def _candidates(rng: np.random.Generator) -> Iterator[tuple[dict[str, Field], Batch]]:
    """Fields and their examples as stored: real numbers or ids, with a class for each example or step, and a mask."""
    for axes, shape in SHAPES.items():
        steps = "NT" if axes.startswith("NT") else "N"
        x = rng.integers(0, CLASSES, shape) if axes == "NT" else rng.standard_normal(shape)
        of_target = shape[: len(steps)]
        batch = {"x": x, "y": rng.integers(0, CLASSES, of_target), "mask": rng.uniform(0.5, 1, of_target)}
        kind = Field(axes, "id", CLASSES) if axes == "NT" else Field(axes)
        yield {"x": kind, "y": Field(steps, "label", CLASSES), "mask": Field(steps, "mask")}, batch


def _accepted(augmentation: Any) -> Iterator[tuple[dict[str, Field], Batch]]:
    """Time-major batches of every kind that the augmentation accepts."""
    reasons, accepted = [], False
    for fields, held in _candidates(np.random.default_rng(1)):
        try:
            check_augmentations({"it": augmentation}, fields, held)
        except ValueError as error:
            reasons.append(str(error))
            continue
        accepted = True
        yield fields, {name: a.swapaxes(0, 1) if fields[name].time_major else a for name, a in held.items()}
    assert accepted, f"it accepts no batch of the kit: {'; '.join(reasons)}"


def _of(augmentation: Any, batch: Batch, fields: Mapping[str, Field], seed: int = 0) -> Batch:
    return {name: np.asarray(a) for name, a in augmentation(batch, np.random.default_rng(seed), fields).items()}


def check_changes(augmentation: Any) -> None:
    """It accepts a batch with a class for each example or step, and always returns the same fields, finite ones, of the same
    shape and type; also for one example."""
    for fields, batch in _accepted(augmentation):
        first = _of(augmentation, batch, fields)
        for seed in (1, 2):
            other = _of(augmentation, batch, fields, seed)
            kinds = [{name: (a.shape, a.dtype.kind) for name, a in found.items()} for found in (first, other)]
            assert kinds[0] == kinds[1], f"one call gives {kinds[0]}, another {kinds[1]}"
            assert all(np.isfinite(a).all() for a in other.values()), "non-finite values"
        one = {name: a[:, :1] if fields[name].time_major else a[:1] for name, a in batch.items()}
        assert _of(augmentation, one, fields).keys() == first.keys(), "one example has other fields"


def check_seeded(augmentation: Any) -> None:
    """The same generator gives the same result, without another source of randomness."""
    for fields, batch in _accepted(augmentation):
        first, second = _of(augmentation, batch, fields), _of(augmentation, batch, fields)
        assert all(np.array_equal(a, second[name]) for name, a in first.items()), "two calls with equal generators differ"


def check_pure(augmentation: Any) -> None:
    """The batch stays unchanged, nothing is saved on the object, and no global random state is used."""
    for fields, batch in _accepted(augmentation):
        before = {name: a.copy() for name, a in batch.items()}
        with untouched(augmentation):
            _of(augmentation, batch, fields)
        for name, a in before.items():
            assert np.array_equal(batch[name], a), f"it modified '{name}'"


WHOLE_BATCH: Mapping[str, Callable[[Any], None]] = {"changes": check_changes, "seeded": check_seeded, "pure": check_pure}
