"""Training batches with random changes at every step, made on the host: each replica's from its own random stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from framework.core.blame import described
from framework.core.errors import did_you_mean
from framework.core.protocols import Augmentation
from framework.core.random import Key, generator
from framework.core.types import Shape
from framework.data.dataset import Data, Field
from framework.data.loader import DataLoader

Chosen = Mapping[str, Augmentation]  # name -> augmentation, in the order in which they are applied
Batch = dict[str, np.ndarray]  # field -> (N, ...), time-major where it has a time axis


class Layout(NamedTuple):
    """What an augmented field holds: its shape as stored, without N, its type, and whether labels (N,) have become
    probabilities of classes (N, K)."""

    rest: Shape
    dtype: np.dtype[Any]
    soft: bool = False


class Augmenter:
    """Changes the training batches of R replicas. A copy of the fields that augmentations read stays on the host.

    Every draw is a pure function of (replica key, augmentation's name, step, part).

    Args:
        feed: the training split.
        data: its source, one data set or one per replica.
        chosen: each replica's augmentations.
        single: fields of two classes whose probabilities become one column, that of class 1.

    Attributes:
        changed: the layout of every field that an augmentation changes.

    Raises:
        ValueError: one of them does not work on these fields; the message begins with its key.
    """

    def __init__(self, feed: DataLoader, data: Sequence[Data], chosen: Sequence[Chosen], single: Sequence[str] = ()) -> None:
        self.fields, first = data[0].fields, next(iter(data[0].fields))
        read = tuple(self.fields) if any(map(whole_batch, chosen[0].values())) else (first,)
        self.host = {name: _on_host(feed, data, name) for name in read}
        self.chosen = [(repr(each), each) for each in chosen]
        self.single = frozenset(single)
        self.changed: dict[str, Layout] = {}
        found = check_augmentations(chosen[0], self.fields, {name: a[0] for name, a in self.host.items()})
        for name, layout in found.items():
            one = layout.soft and name in self.single
            rest = (*layout.rest[:-1], 1) if one else layout.rest
            whole = self.fields[name].kind in ("id", "label") and not np.issubdtype(layout.dtype, np.floating)
            self.changed[name] = Layout(rest, np.dtype(np.int64 if whole else feed.dtype), layout.soft)

    @property
    def soft(self) -> tuple[str, ...]:
        """The fields of labels that become probabilities of classes."""
        return tuple(name for name, layout in self.changed.items() if layout.soft)

    @property
    def replicas(self) -> int:
        """How many sets of examples there are: 1, or one for each replica."""
        return int(next(iter(self.host.values())).shape[0])

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        if self.replicas > 1:
            self.host = {name: a[keep] for name, a in self.host.items()}
        self.chosen = [chosen for chosen, kept in zip(self.chosen, keep, strict=True) if kept]

    def batch(self, rows: np.ndarray | slice, keys: Sequence[Key], step: int, part: int = 0) -> Batch:
        """The changed fields, (1 or R, N, ...) each, time-major where they have a time axis.

        Args:
            rows: a slice of the split for everyone, or the indices (1 or R, N) of each replica.
            keys: one per replica; replicas with equal keys, data sets and augmentations share one batch.
        """
        made: dict[tuple[Key, str, int], Batch] = {}
        seen = []
        for r, (key, (signature, _)) in enumerate(zip(keys, self.chosen, strict=True)):
            of = r % self.replicas
            same = (key, signature, of)
            if same not in made:
                at = rows if isinstance(rows, slice) else rows[r % rows.shape[0]]
                made[same] = self.alone(r, at, key, step, part)
            seen.append(made[same])
        distinct = seen[:1] if len(made) == 1 else seen
        return {name: np.stack([each[name] for each in distinct]) for name in self.changed}

    def alone(self, r: int, rows: np.ndarray | slice, key: Key, step: int, part: int = 0) -> Batch:
        """The changed fields (N, ...) of replica r, time-major where they have a time axis.

        Raises:
            ValueError: they have another shape than at the first call, or ids out of range.
        """
        own = {name: _oriented(a[r % self.replicas, rows], self.fields[name]) for name, a in self.host.items()}
        found = augmented(own, self.fields, self.chosen[r][1], key, step, part)
        return {name: self._as_declared(name, found[name], own[name]) for name in self.changed}

    def _as_declared(self, name: str, a: np.ndarray, before: np.ndarray) -> np.ndarray:
        """A changed field in its type; the step was built for its shape."""
        about, layout = self.fields[name], self.changed[name]
        if layout.soft and name in self.single:
            a = a[..., 1:]
        axis = int(about.time_major)  # of the examples
        wanted = (*layout.rest[:axis], before.shape[axis], *layout.rest[axis:])
        if a.shape != wanted:
            raise ValueError(f"augmentation: it gives '{name}' the shape {a.shape}, at first {wanted}; keep the shape")
        if layout.dtype == np.int64:
            _check_range(name, about, a)
        return np.asarray(a, layout.dtype)

    @property
    def is_shared(self) -> bool:
        """Whether replicas with equal keys have equal batches."""
        return self.replicas == 1 and len({signature for signature, _ in self.chosen}) == 1


def whole_batch(augmentation: Augmentation) -> bool:
    """Whether an augmentation reads and changes every field of a batch."""
    return bool(getattr(augmentation, "whole_batch", False))


def augmented(batch: Batch, fields: Mapping[str, Field], chosen: Chosen, key: Key, step: int = 0, part: int = 0) -> Batch:
    """A batch of one replica after all its augmentations, in order."""
    first, batch = next(iter(batch)), dict(batch)
    for name, augmentation in chosen.items():
        rng = generator(key, f"augmentation/{name}", step, part << 32)
        batch |= _changes(augmentation, first, batch, fields, rng)
    return batch


def _changes(
    augmentation: Any, first: str, batch: Batch, fields: Mapping[str, Field], rng: np.random.Generator
) -> Mapping[str, np.ndarray]:
    """The fields that one augmentation changes."""
    if whole_batch(augmentation):
        found: Mapping[str, np.ndarray] = augmentation(dict(batch), rng, fields)
        return found
    return {first: augmentation(batch[first], rng)}


def check_augmentations(chosen: Chosen, fields: Mapping[str, Field], held: Mapping[str, np.ndarray]) -> dict[str, Layout]:
    """Try the augmentations on two examples.

    Args:
        held: field -> examples as stored (n, ...), the first field at least.

    Returns:
        The layout of every field that they change.

    Raises:
        ValueError: one of them does not work on such fields, or gives another shape; the message begins with its key.
    """
    first = next(iter(fields))
    batch = {name: _oriented(a[:2], fields[name]) for name, a in held.items()}
    changed: dict[str, Layout] = {}
    for key, augmentation in chosen.items():
        _check_first(key, augmentation, first, fields[first], held[first])
        try:
            given = dict(_changes(augmentation, first, batch, fields, generator(0, f"augmentation/{key}")))
        except Exception as error:  # third-party code may raise anything
            why = str(error) if whole_batch(augmentation) and isinstance(error, ValueError) else ""
            why = why or f"it fails on '{first}': {described(error)}"
            raise ValueError(f"augmentation.{key}: {why}") from error
        for name, a in given.items():
            changed[name] = _layout(key, name, fields, np.asarray(a), batch)
        batch |= given
    return changed


def _check_first(key: str, augmentation: Augmentation, name: str, about: Field, held: np.ndarray) -> None:
    """Check that the first field is one that the augmentation works on."""
    axes = getattr(augmentation, "axes", (about.axes,))
    if about.kind != "real" and not whole_batch(augmentation):
        raise ValueError(f"augmentation.{key}: only real numbers can be augmented (field '{name}' holds {about.kind}s)")
    if about.axes not in axes:
        raise ValueError(
            f"augmentation.{key}: it works on {' or '.join(axes)}, but the first field '{name}' is {about.axes} "
            f"({', '.join(map(str, held.shape[1:])) or 'one number'} per example)"
        )


def _layout(key: str, name: str, fields: Mapping[str, Field], a: np.ndarray, batch: Batch) -> Layout:
    """The layout of a field that an augmentation has changed."""
    if name not in batch:
        raise ValueError(f"augmentation.{key}: '{name}' is not a field of the data{did_you_mean(name, batch)}")
    about, before = fields[name], batch[name]
    real = np.issubdtype(a.dtype, np.floating)
    rest = (*a.shape[:1], *a.shape[2:]) if about.time_major else a.shape[1:]
    is_class = about.kind == "label" and not about.axes.endswith("F")
    if is_class and real:
        wanted = (*before.shape[: len(about.axes)], about.size)
        if a.shape != wanted:
            raise ValueError(f"augmentation.{key}: '{name}' has the shape {a.shape}; as probabilities of classes, {wanted}")
        return Layout(rest, a.dtype, soft=True)
    if a.shape != before.shape:
        raise ValueError(f"augmentation.{key}: it changes the shape {before.shape} to {a.shape}; keep the shape")
    if about.kind == "id" and real:
        raise ValueError(f"augmentation.{key}: '{name}' must stay integers (got {a.dtype})")
    if about.kind in ("id", "label") and not real:
        _check_range(name, about, a, f"augmentation.{key}")
    return Layout(rest, a.dtype)


def _check_range(name: str, about: Field, a: np.ndarray, key: str = "augmentation") -> None:
    """Check that ids or classes are among those that the field declares."""
    size = about.size or 2
    if a.size and not (0 <= a.min() <= a.max() < size):
        raise ValueError(f"{key}: '{name}' has values from {a.min()} to {a.max()}; allowed: 0 ... {size - 1}")


def _on_host(feed: DataLoader, data: Sequence[Data], name: str) -> np.ndarray:
    """A field of the training split, (1 or R, n, ...)."""
    held = feed.arrays[name]
    return np.asarray(held) if feed.xp is np else np.stack([d.splits["train"][name] for d in data]).astype(held.dtype)


def _oriented(a: np.ndarray, about: Field) -> np.ndarray:
    return a.swapaxes(0, 1) if about.time_major else a


__all__ = ["Augmenter", "Layout", "augmented", "check_augmentations", "whole_batch"]
