"""A training step of one network without its replica axis, with names for a reader."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from framework import TrainingStep, discover, to_host


class Scene:
    """One training step, by node.

    Args:
        seen: the step.
        names: names of the symbols, if any.
        own: field -> its own names.
    """

    def __init__(self, seen: TrainingStep, names: Any = (), own: Mapping[str, Any] | None = None) -> None:
        self.seen, self.names, self.own = seen, tuple(names), own or {}
        self.nodes = seen.network.nodes
        self.shapes: Mapping[str, Any] = {**seen.network.fields, **seen.network.init(0)[1]}

    def value(self, name: str) -> np.ndarray:
        """The output of a node, or a field: ([T,] N, ...)."""
        return np.asarray(to_host(self.seen.values[name]))[0]

    def error(self, name: str) -> np.ndarray:
        """dJ / d(output), shaped like it."""
        return np.asarray(to_host(self.seen.dvalues[name]))[0]

    def owner(self, name: str) -> str:
        """The node whose tensors a node uses."""
        return self.nodes[name].share or name

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """The tensors that a node uses."""
        return {t: np.asarray(to_host(a))[0] for t, a in self.seen.p.get(self.owner(name), {}).items()}

    def backward(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The results of a node's backward pass: source -> dx, where needed, and the gradients of its tensors."""
        node, seen = self.nodes[name], self.seen
        wanted = any(source in seen.dvalues for source in node.sources)
        dx, grads = node.layer.backward(
            seen.p.get(self.owner(name), {}), seen.caches[name], seen.dvalues[name], seen.ctx.at(name), wanted
        )
        parts = (dx,) if isinstance(node.source, str) else dx
        pairs = zip(node.sources, parts or (), strict=True) if wanted else ()
        passed = {s: np.asarray(to_host(d))[0] for s, d in pairs if s in seen.dvalues and d is not None}
        return passed, {t: np.asarray(to_host(g))[0] for t, g in grads.items()}

    def is_sequence(self, name: str) -> bool:
        """Whether a value has a time axis."""
        return bool(self.shapes[name][:1] == (None,))

    def places(self, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        """("t=1, example 2: ", index) of each example and step; a single step or example is not named."""
        a = self.value(name)
        lead = a.shape[:2] if self.is_sequence(name) else a.shape[:1]
        for at in np.ndindex(lead):
            step = [f"t={at[0] + 1}"] if self.is_sequence(name) else []
            example = [f"example {at[-1] + 1}"] if lead[-1] > 1 else []
            label = ", ".join([*step, *example])
            yield (f"{label}: " if label else ""), at

    def readers(self, name: str) -> int:
        """The number of nodes that pass an error back to a node."""
        return sum(name in node.sources and other in self.seen.dvalues for other, node in self.nodes.items())

    def symbol(self, number: Any, field: str | None = None) -> str:
        """A class or an id of a field, with its name if it has one; several as a list."""
        if np.ndim(number):
            return f"[{', '.join(self.symbol(k, field) for k in number)}]"
        k, names = int(number), self.own.get(str(field)) or self.names
        return f"{k} ({names[k]})" if k < len(names) else str(k)


def is_a(component: Any, kind: str, name: str) -> bool:
    """Whether a component is of the class registered under a name, not of a subclass."""
    return type(component) is discover().entries[kind][name].component if name in discover().names(kind) else False


def is_cross_entropy(loss: Any) -> bool:
    """Whether a loss is -log p of the class, softmax included: without smoothing and weights of classes."""
    changed = getattr(loss, "smoothing", 0) or getattr(loss, "class_weights", None) is not None
    return is_a(loss, "loss", "softmax_cross_entropy") and not changed


def called(component: Any, kind: str) -> str:
    """The name under which a component is registered, or that of its class."""
    entries = discover().entries[kind]
    return next((name for name, entry in entries.items() if entry.component is type(component)), type(component).__name__)


def formula(component: Any) -> str:
    """The first paragraph of its docstring."""
    doc = inspect.getdoc(type(component)) or ""
    return " ".join(doc.split("\n\n")[0].split())
