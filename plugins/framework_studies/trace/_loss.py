"""The loss, example by example, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framework import Context, Head
from framework_studies.trace._board import Step
from framework_studies.trace._pen import Pen
from framework_studies.trace._scene import Scene, called, formula, is_a, is_cross_entropy


def loss_steps(scene: Scene, pen: Pen, heads: Mapping[str, Head], loss: float) -> Iterator[Step]:
    """A step for every head, and one for their sum if there are several.

    Args:
        loss: J, of all heads.
    """
    for name, head in heads.items():
        value = head.loss_and_gradient(scene.seen.values, scene.seen.ctx)[0][0]
        who = "J" if len(heads) == 1 else f"J_{name}"
        lines = [line for source in head.sources[:1] for line in by_example(scene, pen, head)]
        weight = f", weight {pen.number(head.weight)}" if head.weight != 1 else ""
        how = getattr(head.loss, "reduction", "")
        of = {
            "mean": "the mean of these",
            "sum": "their sum",
            "sum_over_time": "their sum over time, the mean over examples",
        }
        equal = head.mask not in scene.seen.ctx.batch and getattr(head.loss, "class_weights", None) is None
        reduction = f" = {of[how]}" if how in of and len(lines) > 1 and equal else ""
        title = f"{who} = {called(head.loss, 'loss')}({', '.join(head.sources)}){weight}: {formula(head.loss)}"
        yield Step(title, [*lines, f"{who}{reduction} = {pen.number(value)}"])
    if len(heads) > 1:
        terms = " + ".join(f"{pen.number(h.weight)} * J_{name}" for name, h in heads.items())
        yield Step("J of all heads", [f"J = {terms} = {pen.number(loss)}"])


def by_example(scene: Scene, pen: Pen, head: Head) -> Iterator[str]:
    """The loss of each example, or of each step."""
    if len(head.sources) > 1:
        return
    source = head.sources[0]
    y, batch = scene.value(source), scene.seen.ctx.batch
    predicted = head.prediction(scene.seen.values, scene.seen.ctx)[0] if hasattr(head.loss, "predict") else y
    for label, at in scene.places(source):
        t = None if head.target is None else batch[head.target][0][at]
        alone, core = Context(), (slice(at[-1], at[-1] + 1),)
        core = (slice(at[0], at[0] + 1), *core) if len(at) > 1 else core
        value = float(head.loss(y[core], None if t is None else batch[head.target][0][core], alone, None)[0])
        if predicted is not y:
            yield f"{label}prediction = {pen.row(predicted[at])}"
        yield f"{label}{expression(scene, pen, head.loss, predicted[at], t, head.target)}{pen.number(value)}"


def expression(scene: Scene, pen: Pen, loss: Any, y: Any, t: Any, field: str | None) -> str:
    """The loss of one example as a formula with numbers, up to the result."""
    if is_cross_entropy(loss) and t.ndim == 0:
        return f"target {scene.symbol(t, field)}: -log {pen.number(y[int(t)])} = "
    squared = next((name for name in ("mse", "half_squared_error") if is_a(loss, "loss", name)), None)
    if squared and y.shape == t.shape:
        terms = pen.total([f"({pen.number(a)} - {pen.factor(b)})^2" for a, b in zip(y, t, strict=True)])
        share = "1/2" if squared != "mse" else f"1/{len(y)}" if len(y) > 1 else ""
        return f"{f'{share} * ({terms})' if share else terms} = "
    target = "" if t is None else f", target {scene.symbol(t, field) if t.ndim == 0 else pen.row(t)}"
    return f"output {pen.row(y)}{target}: "
