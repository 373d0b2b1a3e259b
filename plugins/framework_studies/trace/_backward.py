"""The backward pass: the error at every node, last first, and the gradients of its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import Head
from framework_studies.trace._board import Step
from framework_studies.trace._forward import is_simple, mixes, step_of
from framework_studies.trace._pen import Pen
from framework_studies.trace._scene import Scene, is_a, is_cross_entropy


def backward_steps(scene: Scene, pen: Pen, heads: Any) -> Iterator[Step]:
    """The error at each head, then node by node backwards."""
    begin = dict.fromkeys(source for head in heads.values() for source in head.sources)
    for source in begin:
        yield Step(f"the error at {source}, dJ / d{source}{_of(heads, source)}", list(errors(scene, pen, source)))
    for name in reversed(scene.nodes):
        if name in scene.seen.dvalues and reached(scene, name):
            yield from node_steps(scene, pen, name)


def _of(heads: Any, source: str) -> str:
    """The simple form of cross-entropy's gradient."""
    head: Head = next(h for h in heads.values() if source in h.sources)
    return ": p - t, times the weight of each example" if is_cross_entropy(head.loss) else ""


def reached(scene: Scene, name: str) -> bool:
    """Whether the backward pass runs a node: it has trained tensors, or something before it does."""
    trained = scene.owner(name) in scene.seen.g
    return trained or any(source in scene.seen.dvalues for source in scene.nodes[name].sources)


def errors(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """error = [...], for every example and step."""
    for label, at in scene.places(name):
        yield from pen.array(f"{label}error", scene.error(name)[at])


def node_steps(scene: Scene, pen: Pen, name: str) -> Iterator[Step]:
    """The steps from the error at a node's output to its gradients and its inputs."""
    layer = scene.nodes[name].layer
    passed, grads = scene.backward(name)
    if scene.readers(name) > 1:
        yield Step(f"the error at {name}, all parts together", list(errors(scene, pen, name)))
    if is_a(layer, "layer", "activation") and passed and not mixes(scene, name):
        yield from activation(scene, pen, name, passed)
        return
    trained = {t: g for t, g in grads.items() if t in scene.seen.g.get(scene.owner(name), {})}
    if is_a(layer, "layer", "dense"):
        if trained:
            yield Step(
                f"{name}: dW = x^T error, db = error, summed over the rows", list(of_dense(scene, pen, name, trained))
            )
        for source, dx in passed.items():
            yield Step(f"the error at {arriving(scene, source)}: error W^T", list(through_dense(scene, pen, name, dx)))
        return
    if is_simple(layer) and scene.seen.ctx.lag is None and scene.seen.caches[name].kept is None:
        yield Step(f"{name}: da = (error + da of the next step U^T) * f'", list(through_time(scene, pen, name)))
    if hasattr(layer, "terms") and trained:
        yield Step(f"{name}: through time, the part of each step in the gradients", list(by_step(scene, pen, name)))
        yield Step(f"{name}: the gradient by time lag", list(by_lag(scene, pen, name)))
    if trained:
        yield Step(f"{name}: its gradients", [line for t, g in trained.items() for line in pen.grid(f"d{t}", g)])
    for source, dx in passed.items():
        lines = [line for label, at in scene.places(source) for line in pen.array(f"{label}error", dx[at])]
        yield Step(f"the error at {arriving(scene, source)}", lines)


def arriving(scene: Scene, source: str) -> str:
    """A node, and whether other errors arrive there too."""
    return source if scene.readers(source) == 1 else f"{source} (one part of {scene.readers(source)})"


def activation(scene: Scene, pen: Pen, name: str, passed: Any) -> Iterator[Step]:
    """The slope at every unit, and the error times the slope."""
    seen, ((source, dx),) = scene.seen, passed.items()
    ones = np.ones_like(seen.dvalues[name])
    slope = scene.nodes[name].layer.function.backward(seen.caches[name], ones, seen.ctx.at(name))[0]
    places = list(scene.places(name))
    slopes = [line for label, at in places for line in pen.array(f"{label}f'({source})", slope[at])]
    yield Step(f"the slope of {name}, f'({source})", slopes)
    lines: list[str] = []
    for label, at in places:
        if dx[at].ndim > 1:
            lines += pen.array(f"{label}error", dx[at])
            continue
        for j, (e, s, d) in enumerate(zip(scene.error(name)[at], slope[at], dx[at], strict=True), 1):
            lines.append(f"{label}error[{j}] = {pen.factor(e)} * {pen.factor(s)} = {pen.number(d)}")
    yield Step(f"the error at {arriving(scene, source)}: error * f'({source})", lines)


def of_dense(scene: Scene, pen: Pen, name: str, grads: dict[str, np.ndarray]) -> Iterator[str]:
    """dW[1] = 2 * [0.19, -0.07] = [0.38, -0.14], a row for each input."""
    x, e = scene.value(scene.nodes[name].sources[0]), scene.error(name)
    rows, units = e.reshape(-1, e.shape[-1]), x.reshape(-1, x.shape[-1])
    for i, dw in enumerate(grads["W"]):
        yield from pen.weighted_rows(f"dW[{i + 1}]", zip(units[:, i], rows, strict=True), dw)
    if "b" in grads:
        yield f"db = {pen.row(grads['b'])}"


def through_dense(scene: Scene, pen: Pen, name: str, dx: np.ndarray) -> Iterator[str]:
    """error[1] = 1 * 0.9 = 0.9, for every input."""
    W, e = scene.tensors(name)["W"], scene.error(name)
    for label, at in scene.places(name):
        for i, d in enumerate(dx[at]):
            yield f"{label}error[{i + 1}] = {pen.products(zip(e[at], W[i], strict=True))} = {pen.number(d)}"


def through_time(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """t=2: da = ([0.1] + [0.02]) * [0.5] = [0.06]: the errors from the output of a step and from the next step, times the
    slope at its state."""
    seen, layer, cache = scene.seen, scene.nodes[name].layer, scene.seen.caches[name]
    p, dy, ctx = seen.p[scene.owner(name)], seen.dvalues[name], seen.ctx.at(name)
    later = np.zeros_like(cache.final)
    for t in reversed(range(len(cache.caches))):
        at_end = t == len(cache.caches) - 1
        own = dy[:, t] if scene.is_sequence(name) else dy if at_end else np.zeros_like(dy)
        slope = layer.cell.activation.backward(cache.caches[t][1], np.ones_like(later), ctx)
        da, before = layer.cell.back(p, cache.caches[t], own + later, ctx)
        for n in range(later.shape[-2]):
            who = step_of(t, n, later.shape[-2])
            error = f"({pen.row(own[0, n])} + {pen.row(later[0, n])})" if not at_end else pen.row(own[0, n])
            yield f"{who}da = {error} * {pen.row(slope[0, n])} = {pen.row(da[0, n])}"
        later = before


def terms(scene: Scene, name: str, dy: Any) -> dict[str, np.ndarray]:
    """tensor -> its gradient by time step (T, i, o), for the gradient dy of the outputs."""
    seen = scene.seen
    found = scene.nodes[name].layer.terms(seen.p[scene.owner(name)], seen.caches[name], dy, seen.ctx.at(name))
    return {t: np.asarray(a)[0] for t, a in found.items()}


def by_step(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """d<tensor> of every step, the last first; that of b is the error at the cell's sum, summed over the examples."""
    parts = terms(scene, name, scene.seen.dvalues[name])
    steps = len(next(iter(parts.values())))
    for t in reversed(range(steps)):
        for tensor in sorted(parts, key="bUW".find):
            yield from pen.grid(f"t={t + 1}: d{tensor}", parts[tensor][t])


def by_lag(scene: Scene, pen: Pen, name: str) -> Iterator[str]:
    """For the error of every step, the norm of its part in the gradient at lag 0, 1, 2 ...: of the recurrent
    tensors."""
    dy = scene.seen.dvalues[name]
    walking = [t for t in scene.tensors(name) if t not in ("W", "b")] or ["W"]
    everywhere = scene.is_sequence(name)
    steps = dy.shape[1] if everywhere else 1
    for s in range(steps):
        only = np.zeros_like(dy)
        only[:, s] = dy[:, s]
        found = terms(scene, name, only if everywhere else dy)
        for tensor in walking:
            norms = [float(np.linalg.norm(a)) for a in found[tensor]]
            reverse = getattr(scene.nodes[name].layer, "reverse", False)
            lags = norms[s:] if reverse else norms[s::-1] if everywhere else norms[::-1]
            origin = f"error at t={s + 1}" if everywhere else "error at the end"
            yield f"{origin}: |d{tensor}| at lag 0, 1, 2 ... = {pen.row(lags)}"
