"""A loop over time that is written once: Python's for arrays of NumPy and CuPy, a loop in C where a step is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from framework.core.arrays import Array


class Steps(Protocol):
    """What a loop keeps at each step."""

    def __len__(self) -> int: ...

    def __getitem__(self, t: Any) -> Any:
        """What step t keeps."""

    def part(self, k: int) -> Steps:
        """The k-th part of what each step keeps."""

    def stacked(self, choose: Callable[[Any], Array] = ...) -> Array:
        """An array of every step, chosen from what it keeps: (..., T, N, k)."""


def scan(
    xp: Any, n: int, step: Callable[[Any, Any], tuple[Any, Any]], state: Any, reverse: bool = False
) -> tuple[Any, Steps]:
    """state, kept = step(t, state) for t = 0 ... n - 1, or from n - 1 to 0.

    Args:
        xp: the array module.
        step: takes the number of the step and the state before it. t only chooses from arrays, as in `a[..., t, :, :]`.
        state: an array (..., N, k), or a tuple of them. Every step returns one of the same shapes and types.
        reverse: whether to begin with the last step.

    Returns:
        The final state, and what each step kept: an array (..., N, k), or any nesting of tuples of arrays.
    """
    if hasattr(xp, "scan"):  # the step is traced
        return xp.scan(n, step, state, reverse)  # type: ignore[no-any-return]
    kept: Any = KeptSteps(xp, n)
    for t in range(n - 1, -1, -1) if reverse else range(n):
        state, new = step(t, state)
        if hasattr(new, "ndim"):
            if not isinstance(kept, KeptArray):
                kept = KeptArray(xp.empty((*new.shape[:-2], n, *new.shape[-2:]), new.dtype))
            kept.array[..., t, :, :] = new
        else:
            kept.each[t] = new
    return state, kept


class KeptSteps:
    """What the steps keep, one by one."""

    def __init__(self, xp: Any, n: int, each: Sequence[Any] | None = None) -> None:
        self.xp = xp
        self.each: list[Any] = [None] * n if each is None else list(each)

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, t: int) -> Any:
        return self.each[t]

    def part(self, k: int) -> KeptSteps:
        """The k-th part of what each step keeps."""
        return KeptSteps(self.xp, len(self), [kept[k] for kept in self.each])

    def stacked(self, choose: Callable[[Any], Array] = lambda kept: kept) -> Array:
        """An array of every step: (..., T, N, k)."""
        return self.xp.stack([choose(kept) for kept in self.each], -3)


class KeptArray:
    """One array of each step, written into an array over time (..., T, N, k)."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __len__(self) -> int:
        return int(self.array.shape[-3])

    def __getitem__(self, t: int) -> Array:
        return self.array[..., t, :, :]

    def part(self, k: int) -> KeptArray:
        """An array has no parts."""
        raise TypeError("the steps keep one array each, which has no parts")

    def stacked(self, choose: Callable[[Any], Array] = lambda kept: kept) -> Array:
        """The array over time; `choose` is applied to the whole."""
        return choose(self.array)
