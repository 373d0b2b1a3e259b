"""Notes on how arrays were interpreted, with the options that change it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from framework_datasets._array_encoding import ArrayEncoding


def y_words(name: str, y: np.ndarray, encoding: ArrayEncoding, task: str) -> str:
    """The note on the target."""
    who, every = f"target '{name}' {y.shape}", " for every step" if encoding.steps else ""
    if not encoding.classes:
        hint = _as_classes(name, y) if task == "auto" and bool((y == np.round(y)).all()) else ""
        return f"{who}: {encoding.outputs} {'number' if encoding.outputs == 1 else 'numbers'} per example{hint}".replace(
            "example", "step" if encoding.steps else "example"
        )
    several = y.ndim > 1 + encoding.steps
    how = (
        f", the index of the 1 in {name}[..., :]" if several and y.shape[-1] > 1 else f", {name}[..., 0]" if several else ""
    )
    floats = ", integers" if y.dtype.kind == "f" and not how else ""
    hint = "; dataset.task=regression reads real numbers" if task == "auto" else ""
    return f"{who}: {encoding.classes} classes{every} (0 ... {encoding.classes - 1}{how}{floats}){hint}"


def _as_classes(name: str, y: np.ndarray) -> str:
    """A hint for integers that were read as real numbers: how to use them as classes."""
    if y.min() == 0:
        return "; dataset.task=classification reads integers as classes"
    return f"; classes must count from 0 (numpy.unique({name}, return_inverse=True)[1] makes such labels)"


def x_words(name: str, x: np.ndarray, encoding: ArrayEncoding) -> str:
    """The note on the features."""
    who, shape = f"features '{name}' {x.shape}", encoding.shape
    steps = x.shape[0 if encoding.layout == "time_major" else 1] if x.ndim > 1 else 1
    if encoding.ids:
        return f"{who}: sequences of {steps} ids (0 ... {encoding.ids - 1})"
    if len(shape) == 3:
        return f"{who}: images of {shape[0]} {'channel' if shape[0] == 1 else 'channels'}, {shape[1]} x {shape[2]}"
    if len(shape) == 2:
        images = (
            "" if encoding.steps or encoding.mask else f"; images are (n, C, H, W), grey ones (n, 1, H, W): {name}[:, None]"
        )
        return f"{who}: sequences of {steps} steps with {shape[1]} {'number' if shape[1] == 1 else 'numbers'} each{images}"
    ids = "; sequences of ids: dataset.vocabulary=auto" if x.dtype.kind in "iu" and x.shape[1] > 1 and x.min() >= 0 else ""
    return f"{who}: {shape[0]} {'number' if shape[0] == 1 else 'numbers'} per example{ids}"


def unread_words(there: Sequence[str], read: Sequence[str], known: Sequence[str], masks: Sequence[str]) -> tuple[str, ...]:
    """A note on the unused arrays of a file, among them masks if x holds no sequences."""
    unread = [name for name in there if name not in read]
    if not unread:
        return ()
    free = [name for name in known if name not in [*read, *masks]]
    hints = {name: f" (did you mean '{near}'?)" for name in unread for near in difflib.get_close_matches(name, free, 1)}
    hints |= dict.fromkeys(masks, " (masks are for sequences)")
    listed = ", ".join(f"'{name}'{hints.get(name, '')}" for name in unread)
    return (f"not read: {listed}",)
