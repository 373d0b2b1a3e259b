"""The nodes of a network as rows of text, for reprs, notebooks and `stackprop summary`."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.core.types import Shape

HEADER = ("node", "layer", "reads", "output", "parameters")
MOST = 10  # rows of a repr


def rows(
    nodes: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Sequence[int]]], shapes: Mapping[str, Shape]
) -> list[tuple[str, ...]]:
    """A row for each node, in the columns of `HEADER`.

    Args:
        nodes: name -> `Node`.
        tensors: node -> tensor -> its shape.
        shapes: node -> the shape of its output, where it is known.
    """
    found: list[tuple[str, ...]] = []
    for name, node in nodes.items():
        own = tensors.get(name, {})
        count = sum(int(np.prod(shape)) for shape in own.values())
        parts = " + ".join(f"{t} {'x'.join(map(str, shape))}" for t, shape in own.items())
        about = f"{count:,}  ({parts})" if count else f"those of {node.share}" if node.share else ""
        output = str(shapes[name]) if name in shapes else ""
        frozen = " frozen" if node.frozen else ""
        found.append((name, type(node.layer).__name__, ", ".join(node.sources), output, about + frozen))
    return found


def text(lines: Sequence[Sequence[str]], most: int = MOST) -> list[str]:
    """Rows as aligned lines; of many, the first ones and the last ones."""
    if len(lines) > most:
        left_out = (f"... {len(lines) - most + 1} more", *[""] * (len(lines[0]) - 1))
        lines = [*lines[: most // 2], left_out, *lines[len(lines) - most + most // 2 + 1 :]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def table(lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """Rows as an HTML table."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"


def of_weights(weights: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The shapes of tensors: node -> tensor -> shape."""
    return {node: {t: tuple(np.shape(a)) for t, a in tensors.items()} for node, tensors in weights.items()}
