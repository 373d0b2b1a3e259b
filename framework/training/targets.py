"""Checks that a loss or a metric fits the target that it reads."""

from __future__ import annotations

from typing import Any

from framework.core.errors import ConfigError
from framework.core.signatures import has_method
from framework.data.dataset import Data, Field
from framework.registry.discovery import discover


def target_kind(field: Field) -> str:
    """real, label (one class per example), binary (one of two classes), or columns (several labels may hold at once)."""
    if field.kind != "label":
        return field.kind
    return "columns" if field.axes.endswith("F") else "binary" if field.size == 2 else "label"


def accepts(criterion: Any, kind: str) -> bool:
    """Whether a loss or metric accepts targets of a kind; without a declaration it accepts all."""
    targets = getattr(criterion, "targets", (kind,))
    return kind in targets or (kind == "binary" and "label" in targets)


def check_target_kind(path: str, role: str, criterion: Any, target: str | None, data: Data) -> None:
    """Check that a loss or metric accepts its target, and its number of classes or columns.

    Args:
        role: loss or metric.

    Raises:
        ConfigError: it does not.
    """
    if target is None or accepts(criterion, target_kind(data.fields[target])):
        _check_size(path, criterion, target, data)
        return
    kind, inner = target_kind(data.fields[target]), getattr(criterion, "loss", None)
    if inner is not None:  # a metric that averages a loss: another loss is needed
        path, role, criterion = f"{path}.loss", "loss", inner
    fitting = [name for name in discover().names(role) if _may_accept(discover().get(role, name), kind)]
    raise ConfigError(
        f"{path}: {type(criterion).__name__} needs targets of kind {' or '.join(criterion.targets) or 'none'}, but "
        f"'{target}' is {kind}; {role + 'e' if role == 'loss' else role}s for it: {', '.join(fitting)}"
    )


def _check_size(path: str, criterion: Any, target: str | None, data: Data) -> None:
    """Check that the options of a loss or metric fit the number of classes or columns of its target.

    Raises:
        ConfigError: they do not.
    """
    if target is None or not has_method(criterion, "check"):
        return
    kind = target_kind(data.fields[target])
    by_class = kind in ("label", "binary")
    size = max(data.fields[target].size, 2) if by_class else int(data.splits["train"][target].shape[-1])
    try:
        criterion.check(kind, size)
    except ValueError as error:
        raise ConfigError(f"{path}.{error}; the target is '{target}'") from error


def _may_accept(component: Any, kind: str) -> bool:
    """Whether a class may accept targets of a kind; if that depends on its options, with their defaults, and a metric of a
    loss with some loss."""
    by_options = isinstance(getattr(component, "targets", None), property)
    if by_options and "loss" in component.__dataclass_fields__:
        return True
    return accepts(component() if by_options else component, kind)
