"""Arithmetic on some columns of an array as a map of all of its columns."""

from __future__ import annotations

from framework.training.compiled.graph import Read, Value, row_major


def on_columns(target: Read, read: Read) -> Value | None:
    """A map of all columns for one of some columns, as `gates *= 0.5` where gates are columns of z: further maps of all
    columns then fit into the same loop. None where that is not possible."""
    old = target.value
    first, width = target.offset, target.shape[-1] if target.shape else 0
    is_slice = target.shape[:-1] == old.shape[:-1] and target.strides == row_major(old.shape) and not target.steps
    if not is_slice or read.value.op != "map" or 4 * width < old.shape[-1] or first + width > old.shape[-1]:
        return None
    wide = _widened(read, first, width, old.shape)
    if wide is None:
        return None
    args = (Read(old, old.shape, row_major(old.shape)), wide)
    return Value("map", old.shape, old.dtype, args, {"fn": "columns", "columns": (first, first + width)})


def _widened(read: Read, first: int, width: int, shape: tuple[int, ...], depth: int = 0) -> Read | None:
    """What is read at columns `first` ..., read at all columns; what it reads further is not used."""
    value = read.value
    if value.op == "map" and read.is_whole and read.shape == value.shape and value.detail["fn"] != "columns" and depth < 4:
        args = [_widened(arg, first, width, shape, depth + 1) if isinstance(arg, Read) else arg for arg in value.args]
        if all(arg is not None for arg in args):
            wide = Value("map", shape, value.dtype, tuple(args), dict(value.detail))
            return Read(wide, shape, row_major(shape))
    if len(read.shape) != len(shape):
        return None
    if read.shape[-1] == 1 or read.strides[-1] == 0:
        return Read(value, shape, (*read.strides[:-1], 0), read.offset, read.steps)
    others = [s for s, n in zip(read.strides[:-1], read.shape, strict=False) if n > 1] + [s for _, s in read.steps]
    row = min([abs(s) for s in others if s], default=value.size)
    if not row or value.size % row:  # what lies in one row of that length is part of the value
        return None
    start = read.offset % row - first
    if read.strides[-1] != 1 or start < 0 or start + shape[-1] > row:
        return None
    return Read(value, shape, read.strides, read.offset - first, read.steps)
