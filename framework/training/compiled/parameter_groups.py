"""Parameter groups in a compiled step: the update of an elementwise optimizer, for one run of columns after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from framework.core.context import Context
from framework.core.errors import TierError
from framework.core.types import Tensor
from framework.training.compiled.array import TracedArray
from framework.training.learner import Learner
from framework.training.update import supports


class Run(NamedTuple):
    """Columns that follow one another and have the same options of a group."""

    start: int
    stop: int
    options: Mapping[str, Any]


def check_groups_compile(learner: Learner) -> None:
    """Check that the groups of a learner can be compiled.

    Raises:
        TierError: they cannot.
    """
    named = {option.name for group in learner.groups for option in group.options}
    who = f"optimizer.groups: with {type(learner.optimizer).__name__}, "
    if learner.groups and not supports(learner.optimizer, "elementwise"):
        raise TierError(f"{who}which treats tensors as a whole, they are not compiled")
    if named - {"lr"} and hasattr(learner.optimizer, "lookahead"):
        raise TierError(f"{who}which looks ahead, only those of lr are compiled")
    if learner.groups and any(path.startswith("optimizer.") for path in learner.schedules):
        raise TierError("optimizer.groups: with a schedule of another option of the optimizer, they are not compiled")
    if "lr" in named and any(hasattr(each, "after") for each in learner.regularizers):
        raise TierError("optimizer.groups: with a regularizer that acts after the update, those of lr are not compiled")


def runs(groups: Sequence[Any], tensors: Sequence[Tensor]) -> list[Run]:
    """The columns of w in runs of equal options."""
    found: list[Run] = []
    for t in tensors:
        inside = [group for group in groups if fnmatchcase(f"{t.node}.{t.name}", group.match)]
        options = {option.name: option.value for group in inside for option in group.options}
        if found and [*found[-1].options.items()] == [*options.items()]:
            found[-1] = found[-1]._replace(stop=t.stop)
        else:
            found.append(Run(t.start, t.stop, options))
    return found


def update_by_runs(
    found: Sequence[Run],
    optimizer: Any,
    w: TracedArray,
    g: TracedArray,
    state: dict[str, Any],
    factor: Any,
    ctx: Context,
) -> None:
    """Update each run with its own options.

    Args:
        factor: that of the schedule on the learning rate of a group; `optimizer.lr` has it already.
    """
    counts: dict[str, Any] = {}
    for start, stop, options in found:
        at = (..., slice(start, stop))
        part = {name: value[at] if hasattr(value, "view") else value for name, value in state.items()}
        own = replace(optimizer, **{name: value for name, value in options.items() if name != "lr"})
        lr = options["lr"] * factor if "lr" in options else optimizer.lr
        own.update(w[at], g[at], part, ctx.per(lr, w), ctx)
        counts = {name: value for name, value in part.items() if not hasattr(value, "view")}
    state.update(counts)
