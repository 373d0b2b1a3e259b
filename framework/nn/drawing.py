"""Messages for initial tensors that a layer cannot draw, and the initial values that a configuration gives instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.blame import blamed, described, is_message
from framework.core.errors import did_you_mean
from framework.core.types import Params

LARGE = 10_000  # an option of at least this value may be why memory runs out


def large(component: Any) -> str:
    """The largest integer among the options of a component, `.units (3000000000)`, if it may be why memory runs out."""
    whole = {f.name: getattr(component, f.name) for f in fields(component)} if is_dataclass(component) else {}
    numbers = {name: value for name, value in whole.items() if isinstance(value, int) and value >= LARGE}
    name = max(numbers, key=lambda name: numbers[name], default="")
    return f".{name} ({numbers[name]})" if name else ""


def given_values(tensor: str, rows: Any, drawn: Params) -> Array:
    """Initial values as given; a tensor with one row may be a plain list.

    Raises:
        ValueError: there is no such tensor, or it has another shape.
    """
    if tensor not in drawn:
        raise ValueError(f"initial: there is no tensor '{tensor}'{did_you_mean(tensor, drawn)}")
    wanted = drawn[tensor].shape
    try:
        given = np.array(rows, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"initial.{tensor}: {rows!r} are not rows of numbers of equal length") from None
    if given.shape not in (wanted, wanted[1:] if wanted[0] == 1 else None):
        raise ValueError(
            f"initial.{tensor}: {' x '.join(map(str, given.shape)) or 'one'} numbers given, but the tensor is "
            f"{' x '.join(map(str, wanted))}, one row for each input"
        )
    if np.isnan(given).any():
        raise ValueError(f"initial.{tensor}: NaN is not an initial value")
    return given.reshape(wanted)


@contextlib.contextmanager
def named(name: str, layer: Any, in_shape: Any) -> Iterator[None]:
    """Say of which layer it is if its tensors cannot be made.

    Raises:
        ValueError: they cannot.
    """
    try:
        with blamed([(f"model.layers.{name}", layer)]):
            yield
    except ValueError as error:
        if not is_message(error) and "Maximum allowed" not in str(error):
            raise ValueError(described(error)) from error
        why = large(layer) if "Maximum allowed" in str(error) else ""  # of NumPy: too large to index
        raise ValueError(f"model.layers.{name}{why}: {error}") from error
    except (MemoryError, OverflowError) as error:
        raise ValueError(f"model.layers.{name}{large(layer)}: its tensors take too much memory ({error})") from error
    except Exception as error:
        if not (isinstance(error, TypeError | IndexError) and _of_ids(in_shape)):
            raise ValueError(described(error)) from error
        what = f"{type(layer).__name__} cannot read ids (shape {in_shape})"
        raise ValueError(f"model.layers.{name}: {what}; an embedding or one_hot before it makes features") from error


def _of_ids(shape: Any) -> bool:
    """Whether a shape has no features: (), (None,), or with letters (None, None)."""
    return isinstance(shape, tuple) and all(n is None for n in shape)
