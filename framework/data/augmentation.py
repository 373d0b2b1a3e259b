"""Training batches with random changes at every step, made on the host: each replica's from its own random stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from framework.core.protocols import Augmentation
from framework.core.random import Key, generator
from framework.data.dataset import Data, Field
from framework.data.loader import DataLoader

Chosen = Mapping[str, Augmentation]  # name -> augmentation, in the order in which they are applied


class Augmenter:
    """Changes the first field of the training batches of R replicas. A copy of that field stays on the host.

    Every draw is a pure function of (replica key, augmentation's name, step, part).

    Args:
        feed: the training split.
        data: its source, one data set or one per replica.
        chosen: each replica's augmentations.

    Raises:
        ValueError: one of them does not work on that field; the message begins with its key.
    """

    def __init__(self, feed: DataLoader, data: Sequence[Data], chosen: Sequence[Chosen]) -> None:
        self.field, about = next(iter(data[0].fields.items()))
        self.time_major = about.time_major
        held = feed.arrays[self.field]
        stays = feed.xp is np
        self.host = held if stays else np.stack([d.splits["train"][self.field] for d in data]).astype(held.dtype)
        self.chosen = [(repr(each), each) for each in chosen]
        check_augmentations(chosen[0], self.field, about, self.host[0])

    def keep_replicas(self, keep: np.ndarray) -> None:
        """Drop the replicas that have stopped."""
        self.host = self.host[keep] if self.host.shape[0] > 1 else self.host
        self.chosen = [chosen for chosen, kept in zip(self.chosen, keep, strict=True) if kept]

    def batch(self, rows: np.ndarray | slice, keys: Sequence[Key], step: int, part: int = 0) -> np.ndarray:
        """The augmented field (1 or R, N, ...), time-major where it has a time axis.

        Args:
            rows: a slice of the split for everyone, or the indices (1 or R, N) of each replica.
            keys: one per replica; replicas with equal keys, data sets and augmentations share one batch.
        """
        made: dict[tuple[Key, str, int], np.ndarray] = {}
        seen = []
        for r, (key, (signature, _)) in enumerate(zip(keys, self.chosen, strict=True)):
            of = r % self.host.shape[0]
            same = (key, signature, of)
            if same not in made:
                at = rows if isinstance(rows, slice) else rows[r % rows.shape[0]]
                made[same] = self.alone(r, at, key, step, part)
            seen.append(made[same])
        return np.stack(seen[:1] if len(made) == 1 else seen)

    def alone(self, r: int, rows: np.ndarray | slice, key: Key, step: int, part: int = 0) -> np.ndarray:
        """The augmented field (N, ...) of replica r, time-major where it has a time axis."""
        own = self.host[r % self.host.shape[0], rows]
        return augmented(_oriented(own, self.time_major), self.chosen[r][1], key, step, part)

    @property
    def is_shared(self) -> bool:
        """Whether replicas with equal keys have equal batches."""
        return self.host.shape[0] == 1 and len({signature for signature, _ in self.chosen}) == 1


def augmented(x: np.ndarray, chosen: Chosen, key: Key, step: int = 0, part: int = 0) -> np.ndarray:
    """A batch of one replica after all its augmentations, in order."""
    for name, augmentation in chosen.items():
        x = augmentation(x, generator(key, f"augmentation/{name}", step, part << 32))
    return x


def check_augmentations(chosen: Chosen, name: str, about: Field, held: np.ndarray) -> None:
    """Try the augmentations on two examples of the field `name`.

    Raises:
        ValueError: one of them does not work on such a field, or gives another shape; the message begins with its key.
    """
    x = _oriented(held[:2], about.time_major)
    for key, augmentation in chosen.items():
        axes = getattr(augmentation, "axes", (about.axes,))
        if about.kind != "real":
            raise ValueError(f"augmentation.{key}: only real numbers can be augmented (field '{name}' holds {about.kind}s)")
        if about.axes not in axes:
            raise ValueError(
                f"augmentation.{key}: it works on {' or '.join(axes)}, but the first field '{name}' is {about.axes} "
                f"({', '.join(map(str, held.shape[1:])) or 'one number'} per example)"
            )
        try:
            given = augmentation(x, generator(0, f"augmentation/{key}"))
        except Exception as error:  # third-party code may raise anything
            raise ValueError(f"augmentation.{key}: it fails on '{name}': {type(error).__name__}: {error}") from error
        if np.shape(given) != x.shape:
            raise ValueError(f"augmentation.{key}: it changes the shape {x.shape} to {np.shape(given)}; keep the shape")


def _oriented(x: np.ndarray, time_major: bool) -> np.ndarray:
    return x.swapaxes(0, 1) if time_major else x


__all__ = ["Augmenter", "augmented", "check_augmentations"]
