"""The forward pass, node by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework_studies.trace._board import Step
from framework_studies.trace._pen import Pen
from framework_studies.trace._scene import Scene, called, formula, is_a


def forward_steps(scene: Scene, pen: Pen) -> Iterator[Step]:
    """One step of the trace for every node."""
    for name, node in scene.nodes.items():
        layer, lines = node.layer, [*inputs(scene, pen, name), *tensors(scene, pen, name)]
        if is_a(layer, "layer", "dense"):
            lines += dense(scene, pen, name)
        elif is_a(layer, "layer", "activation"):
            lines += activation(scene, pen, name)
        elif is_simple(layer):
            lines += simple(scene, pen, name)
        else:
            lines += [*inside(scene, pen, name), *outputs(scene, pen, name)]
        yield Step(titled(scene, name), lines)


def titled(scene: Scene, name: str) -> str:
    """hidden = dense(flat): y = x W + b ..."""
    node = scene.nodes[name]
    of, kind = (node.layer, "layer")
    for part, held in (("function", "activation"), ("cell", "cell")):
        if hasattr(of, part):
            of, kind = getattr(of, part), held
    shared = f", with the tensors of {node.share}" if node.share else ""
    return f"{name} = {called(of, kind)}({', '.join(node.sources)}){shared}: {formula(of)}"


def is_simple(layer: Any) -> bool:
    """Whether a layer is recurrent with the cell `simple`, forwards in time."""
    return is_a(layer, "layer", "recurrent") and is_a(layer.cell, "cell", "simple") and not layer.reverse


def inputs(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """The fields of the batch that a node reads."""
    for source in scene.nodes[name].sources:
        if source in scene.seen.ctx.batch:
            for label, at in scene.places(source):
                value = scene.value(source)[at]
                yield from (
                    pen.array(f"{label}{source}", value)
                    if value.dtype.kind == "f"
                    else (f"{label}{source} = {scene.symbol(value, source)}",)
                )


def tensors(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """The tensors that a node uses, unless they were shown before."""
    if scene.nodes[name].share is None:
        for t, a in scene.tensors(name).items():
            yield from pen.grid(t, a)


def outputs(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """The output of a node, for every example and step."""
    for label, at in scene.places(name):
        yield from pen.array(f"{label}{name}", scene.value(name)[at])


def dense(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """hidden[1] = 1 * 0.1 + 0.5 * 0.2 + 0.1 = 0.3."""
    x, y, p = scene.value(scene.nodes[name].sources[0]), scene.value(name), scene.tensors(name)
    for label, at in scene.places(name):
        for j, result in enumerate(y[at]):
            added = [p["b"][0, j]] if "b" in p else []
            total = pen.products(zip(x[at], p["W"][:, j], strict=True), added)
            yield f"{label}{name}[{j + 1}] = {total} = {pen.number(result)}"


def activation(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """act[1] = sigmoid(0.8) = 0.689974; of a function of all outputs together, softmax([0.2, 1]) = [0.3, 0.7]."""
    source, f = scene.nodes[name].sources[0], called(scene.nodes[name].layer.function, "activation")
    x, y = scene.value(source), scene.value(name)
    for label, at in scene.places(name):
        if y[at].ndim != 1 or mixes(scene, name):
            yield from (
                pen.array(f"{label}{name}", y[at])
                if y[at].ndim > 1
                else (f"{label}{name} = {f}({pen.row(x[at])}) = {pen.row(y[at])}",)
            )
            continue
        for j, (before, after) in enumerate(zip(x[at], y[at], strict=True), 1):
            yield f"{label}{name}[{j}] = {f}({pen.number(before)}) = {pen.number(after)}"


def mixes(scene: Scene, name: str) -> bool:
    """Whether an output of an activation depends on several inputs."""
    seen, node = scene.seen, scene.nodes[name]
    one = np.zeros_like(seen.values[name])
    one[..., 0] = 1.0
    d = node.layer.function.backward(seen.caches[name], one, seen.ctx.at(name))
    return bool((d[..., 1:] != 0).any())


def simple(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """t=1: rnn[1] = tanh(1 * 0.28 + 0.11 * 0.41 + 0.51) = tanh(0.9) = 0.7."""
    p, f = scene.tensors(name), called(scene.nodes[name].layer.cell.activation, "activation")
    x, states = scene.value(scene.nodes[name].sources[0]), states_of(scene, name)
    for t, n in np.ndindex(x.shape[:2]):
        who = step_of(t, n, x.shape[1])
        yield f"{who}state before = {pen.row(states[t, n])}"
        for j, after in enumerate(states[t + 1, n]):
            pairs = [*zip(x[t, n], p["W"][:, j], strict=True), *zip(states[t, n], p["U"][:, j], strict=True)]
            b = [p["b"][0, j]] if "b" in p else []
            inner = pen.number(sum(a * w for a, w in pairs) + sum(b))
            yield f"{who}{name}[{j + 1}] = {f}({pen.products(pairs, b)}) = {f}({inner}) = {pen.number(after)}"


def step_of(t: int, n: int, examples: int) -> str:
    """t=1, example 2: ."""
    return f"t={t + 1}, example {n + 1}: " if examples > 1 else f"t={t + 1}: "


def states_of(scene: Scene, name: str) -> np.ndarray:
    """The states of the cell `simple`, with the initial one: (T + 1, N, units). The cache of a step starts with the previous
    state."""
    cache = scene.seen.caches[name]
    before = [np.broadcast_to(step[0], cache.final.shape)[0] for step in cache.caches]
    return np.array([*before, cache.final[0]])


def inside(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """The inner values of a recurrent cell: its gates, step by step."""
    layer = scene.nodes[name].layer
    if hasattr(getattr(layer, "cell", None), "trace") and hasattr(layer, "trace"):
        shown = layer.trace(scene.seen.caches[name], scene.seen.ctx.at(name))
        first = next(iter(shown.values()))
        for t, n in np.ndindex(first.shape[1:3]):
            yield from (f"{step_of(t, n, first.shape[2])}{gate} = {pen.row(a[0, t, n])}" for gate, a in shown.items())
