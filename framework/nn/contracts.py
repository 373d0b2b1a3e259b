"""What layers, losses and other components must return: checked in the first pass of a training, or while a step is traced.

Later passes are not checked: shapes and names do not change from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.arrays import Array
from framework.core.errors import ContractError, did_you_mean
from framework.core.types import Params, Shape

Known = int | None  # an axis whose length is not known


def called(name: str, layer: Any) -> str:
    """How messages call a node: `model.layers.act (Tanh)`, with the function of an activation node."""
    return f"model.layers.{name} ({type(getattr(layer, 'function', None) or layer).__name__})"


def check_drawn(result: Any) -> None:
    """Check what `init` returns.

    Raises:
        ValueError: not (tensors, shape), or a tensor contains NaN.
    """
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Mapping)):
        raise ValueError(f"init returns {shown(result)}, not (tensors, shape of the output)")
    tensors, shape = result
    if not isinstance(shape, tuple):
        raise ValueError(f"init returns the shape {shape!r}; a shape is a tuple without N, such as (4,)")
    for tensor, a in tensors.items():
        if not hasattr(a, "shape"):
            raise ValueError(f"init returns {shown(a)} for the tensor '{tensor}', not an array with two axes")
        if bool(np.isnan(a).any()):  # otherwise the training would only say that it has diverged
            raise ValueError(f"init returns NaN in the tensor '{tensor}'; initial values are numbers")


def check_output(who: str, result: Any, shape: Shape | None, n: int | None, replicas: Shape, dtype: Any) -> None:
    """Check what `forward` returns.

    Args:
        shape: of the output, from `init`; None: not known.
        n: the number of examples; None: not known.
        dtype: that of the tensors; None: not known.

    Raises:
        ContractError: not (y, cache), or y has another shape or a narrower dtype.
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ContractError(f"{who}: forward returns {shown(result)}, not (y, cache)")
    y = result[0]
    if not hasattr(y, "shape"):
        raise ContractError(f"{who}: forward returns {shown(y)} as y, not an array")
    if shape is not None and not fits(y.shape, shape, n, replicas):
        said = f"so y is {written(shape, n, replicas)} for replicas {replicas}"
        raise ContractError(f"{who}: init says {shape}, {said}; forward gave {tuple(y.shape)}")
    _check_dtype(f"{who}: forward returns y", y, dtype)


def check_gradients(who: str, result: Any, tensors: Params, into: Params | None, need_dx: bool) -> None:
    """Check what `backward` returns, without dx.

    Args:
        tensors: of the node.
        into: the trained ones, with the views that their gradients are written to; None: it is not trained.

    Raises:
        ContractError: not (dx, gradients), a gradient is missing, of no tensor, or of another shape.
    """
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        raise ContractError(f"{who}: backward returns {shown(result)}, not (dx, gradients by tensor)")
    dx, grads = result
    if need_dx and dx is None:
        raise ContractError(f"{who}: backward returns None as dx with need_dx = True; a layer before needs it")
    for tensor in grads:
        if tensor not in tensors:
            raise ContractError(
                f"{who}: backward returns a gradient of '{tensor}', which it does not have{did_you_mean(tensor, tensors)}"
            )
    for tensor, view in (into or {}).items():
        if tensor not in grads:
            found = f"only of {', '.join(map(repr, grads))}" if grads else "none at all"
            raise ContractError(
                f"{who}: backward returns no gradient of '{tensor}' ({found}); one that is not trained is named in `buffers`"
            )
        shape = getattr(grads[tensor], "shape", None)
        if shape != view.shape:
            got = shown(grads[tensor]) if shape is None else f"shape {tuple(shape)}"
            raise ContractError(f"{who}: backward returns a gradient of '{tensor}' with {got}, not {tuple(view.shape)}")
        _check_dtype(f"{who}: backward returns the gradient of '{tensor}'", grads[tensor], view.dtype)


def check_dx(
    who: str, dxs: Any, sources: Sequence[str], shapes: Mapping[str, Shape], wanted: Sequence[bool], **of: Any
) -> None:
    """Check the gradients of the sources of a node.

    Args:
        of: n, replicas and dtype.

    Raises:
        ContractError: there is not one for each source, or one has another shape.
    """
    if not isinstance(dxs, tuple) or len(dxs) != len(sources):
        raise ContractError(f"{who}: backward returns {shown(dxs)} as dx, not a tuple with one for each of {len(sources)}")
    for source, want, dx in zip(sources, wanted, dxs, strict=True):
        if not want:
            continue
        if not hasattr(dx, "shape"):
            raise ContractError(f"{who}: backward returns {shown(dx)} as dx, the gradient of '{source}', not an array")
        shape = shapes.get(source)
        if shape is not None and not fits(dx.shape, shape, of["n"], of["replicas"]):
            right = written(shape, of["n"], of["replicas"])
            raise ContractError(f"{who}: backward gave dx {tuple(dx.shape)}, but its input '{source}' is {right}")
        _check_dtype(f"{who}: backward returns dx", dx, of["dtype"])


def check_loss(who: str, result: Any, y: Any, replicas: Shape) -> None:
    """Check what a loss returns.

    Raises:
        ContractError: not (one value per replica, dy with the shape of y).
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ContractError(f"{who}: it returns {shown(result)}, not (value, dy)")
    value, dy = result
    if not _is_per_replica(value, replicas):
        raise ContractError(f"{who}: its value is {shown(value)}, not one number per replica, an array of shape {replicas}")
    ys, dys = (y, dy) if isinstance(y, tuple) else ((y,), (dy,))
    if not isinstance(dys, tuple) or len(dys) != len(ys):
        raise ContractError(f"{who}: its dy is {shown(dys)}, not a tuple with one for each of {len(ys)} nodes")
    for one, d in zip(ys, dys, strict=True):
        lead = len(replicas)
        if not (hasattr(d, "shape") and d.ndim == one.ndim and d.shape[lead:] == one.shape[lead:]):
            raise ContractError(f"{who}: its dy is {shown(d)}, but y, of which it is the gradient, is {tuple(one.shape)}")


def check_penalty(regularizer: Any, result: Any, W: Any) -> None:
    """Check what a regularizer returns for a tensor, in every step.

    Raises:
        ContractError: not (one penalty per replica, dW with the shape of W).
    """
    replicas = W.shape[:-2]
    if type(result) is tuple and [getattr(each, "shape", None) for each in result] == [replicas, W.shape]:
        return
    who = f"regularizer ({type(regularizer).__name__})"
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ContractError(f"{who}: it returns {shown(result)}, not (penalty, dW)")
    penalty, d = result
    if not _is_per_replica(penalty, replicas):
        what = f"one number per replica, an array of shape {replicas}"
        raise ContractError(f"{who}: its penalty is {shown(penalty)}, not {what}")
    if not (hasattr(d, "shape") and d.ndim == W.ndim and _leads(d.shape, replicas) and d.shape[-2:] == W.shape[-2:]):
        raise ContractError(f"{who}: its dW is {shown(d)}, but W, of which it is the gradient, is {tuple(W.shape)}")


def check_counts(who: str, counts: Any, replicas: Shape, rows: bool) -> None:
    """Check the counts of a metric.

    Raises:
        ContractError: not (..., k), or rows (..., M, k).
    """
    core = "M, k" if rows else "k"
    n, shape = len(replicas), getattr(counts, "shape", None)
    if shape is None or len(shape) != n + 1 + rows or not _leads(shape, replicas):
        lead = "".join(f"{r}, " for r in replicas)
        raise ContractError(f"{who}: count gave {shown(counts)}, not an array ({lead}{core}) for replicas {replicas}")


def check_value(who: str, value: Any, replicas: Shape) -> None:
    """Check the value of a metric.

    Raises:
        ContractError: not one number per replica.
    """
    if not _is_per_replica(value, replicas):
        raise ContractError(f"{who}: value gave {shown(value)}, not one number per replica, an array of shape {replicas}")


def dtype_of(p: Mapping[str, Params]) -> Any:
    """The dtype of the tensors of a network; None if it has none."""
    return next((a.dtype for tensors in p.values() for a in tensors.values()), None)


def examples_of(a: Array, said: Shape | None, replicas: Shape) -> int | None:
    """The number of examples in an array of a node or field; None if its shape does not say."""
    if said is None or (len(said) == 2 and said[0] is not None):
        return None
    at = len(replicas) + examples_at(said)
    return int(a.shape[at]) if len(a.shape) > at else None


def fits(shape: Sequence[int], said: Shape, n: int | None, replicas: Shape) -> bool:
    """Whether an array has the shape of a node: replica axes, N among the others, and no other axes."""
    core = tuple(shape[len(replicas) :])
    if len(shape) != len(replicas) + len(said) + 1 or not _leads(shape, replicas):
        return False
    at = [0, 1] if len(said) == 2 and said[0] is not None else [examples_at(said)]  # a sequence of known length has T first
    return any(_alike(core, (*said[:i], n, *said[i:])) for i in at)


def examples_at(said: Shape) -> int:
    """The core axis of N for a shape without N."""
    return 1 if said and said[0] is None else 0


def written(said: Shape, n: int | None, replicas: Shape) -> str:
    """A shape with its replica axes and N: `(1, T, 32, 8)`."""
    core = ["T" if k is None and i == 0 else "k" if k is None else str(k) for i, k in enumerate(said)]
    core.insert(examples_at(said), "N" if n is None else str(n))
    return f"({', '.join([*map(str, replicas), *core])})"


def _alike(core: tuple[int, ...], wanted: tuple[Known, ...]) -> bool:
    return len(core) == len(wanted) and all(k is None or k == own for own, k in zip(core, wanted, strict=True))


def _leads(shape: Sequence[int], replicas: Shape) -> bool:
    """Whether the first axes are those of the replicas, or of length 1."""
    return all(a in (1, r) for a, r in zip(shape, replicas, strict=False))


def _is_per_replica(value: Any, replicas: Shape) -> bool:
    shape = getattr(value, "shape", None)
    return shape is not None and len(shape) == len(replicas) and _leads(shape, replicas)


def _check_dtype(what: str, a: Array, dtype: Any) -> None:
    if dtype is not None and a.dtype.kind == "f" and a.dtype.itemsize < dtype.itemsize:
        raise ContractError(f"{what} in {a.dtype}, but the run computes in {dtype}; keep the dtype of the arrays")


def shown(value: Any) -> str:
    """A value in a message: its type, with the shape of an array or the lengths of a tuple."""
    if hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    return "None" if value is None else f"a {type(value).__name__}"
