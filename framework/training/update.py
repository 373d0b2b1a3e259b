"""Applies the optimizer: to all parameters at once, or in blocks that fit a cache.

An optimizer whose `update` treats each parameter separately sets `elementwise = True`; it is then called on blocks of
columns. Both ways give the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.context import Context
from framework.core.errors import ContractError, TierError
from framework.core.protocols import Optimizer
from framework.nn.contracts import shown
from framework.training.compiled.build import NoCompilerError, compiler
from framework.training.groups import of_columns, part

Update = Callable[[Optimizer, Array, Array, dict[str, Any], Any, Context], None]

BLOCK = 65_536  # parameters, over all replicas
NARROWEST = 16_384  # columns: shorter pieces of many replicas are slower


def rate(optimizer: Optimizer, factor: float | Array, w: Array, ctx: Context) -> float | Array:
    """The learning rate of a step, lr times the schedule's factor: a number, or (..., 1) where replicas differ in either."""
    return ctx.per(optimizer.lr, w) * ctx.per(factor, w)


def check_compiled(xp: Any) -> None:
    """Check that steps can be compiled.

    Raises:
        TierError: steps cannot be compiled for these arrays.
    """
    if xp is not np:
        if not hasattr(xp, "RawModule"):
            raise TierError("steps are compiled for arrays of NumPy and of CuPy")
        return
    try:
        compiler()
    except NoCompilerError as error:
        raise TierError(str(error)) from error


def supports(optimizer: Optimizer, name: str) -> bool:
    """Whether the optimizer offers `name` for its own `update`: a member of a base class does not apply to an `update` that
    a subclass overrides."""
    for cls in type(optimizer).__mro__:
        if name in vars(cls):
            return bool(vars(cls)[name])
        if "update" in vars(cls):
            return False
    return False


def check_updated(optimizer: Optimizer, result: Any) -> None:
    """Check what `update` returns.

    Raises:
        ContractError: something, so that it may not change w.
    """
    if result is not None:
        raise ContractError(f"optimizer ({type(optimizer).__name__}): update returns {shown(result)}; it changes w in place")


def check_state(optimizer: Optimizer, state: Any) -> None:
    """Check what `init` returns.

    Raises:
        ContractError: it is no dict of arrays and numbers.
    """
    who = f"optimizer ({type(optimizer).__name__}): init returns"
    if not isinstance(state, dict):
        raise ContractError(f"{who} {shown(state)}, not a dict of arrays and numbers; one without a state returns {{}}")
    for name, value in state.items():
        if not (hasattr(value, "ndim") or isinstance(value, int | float)):
            raise ContractError(f"{who} {shown(value)} as '{name}', not an array or a number")


def by_array(optimizer: Optimizer, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context) -> None:
    """Update through NumPy, in blocks if the parameters are too many for the cache."""
    columns = w.shape[-1]
    blocks = min(w.size // BLOCK, columns // NARROWEST)
    if blocks < 2 or ctx.xp is not np or not supports(optimizer, "elementwise"):
        check_updated(optimizer, optimizer.update(w, g, state, lr, ctx))  # type: ignore[func-returns-value]
    else:
        by_blocks(optimizer, w, g, state, lr, ctx, -(-columns // blocks))


def by_blocks(
    optimizer: Optimizer, w: Array, g: Array, state: dict[str, Any], lr: float | Array, ctx: Context, columns: int
) -> None:
    """Update through NumPy, a number of columns at a time. Each block starts with the same counts of the state."""
    counts: dict[str, Any] = {}
    for start in range(0, w.shape[-1], columns):
        at = (..., slice(start, start + columns))
        state_part = {name: value[at] if hasattr(value, "ndim") else value for name, value in state.items()}
        of_columns(optimizer, at[1]).update(w[at], g[at], state_part, part(lr, at[1]), ctx)
        counts = {name: value for name, value in state_part.items() if not hasattr(value, "ndim")}
    state.update(counts)
