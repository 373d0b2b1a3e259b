"""The study `trace`: one training step, as a lecturer writes it on the board.

_board.py      numbered steps, in text and in Markdown
_pen.py        how numbers are written
_scene.py      the subject: one network's step, and the names of things
_forward.py    the forward pass, node by node
_loss.py       the loss, example by example
_backward.py   the error at every node, last first, and the gradients of its tensors
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from framework import Findings, option, to_host
from framework_studies._lone import check_probes
from framework_studies._one_step import exact, one_step
from framework_studies.trace._backward import backward_steps
from framework_studies.trace._board import Step, as_markdown, as_text
from framework_studies.trace._forward import forward_steps
from framework_studies.trace._loss import loss_steps
from framework_studies.trace._pen import Pen
from framework_studies.trace._scene import Scene, called, formula


@dataclass(frozen=True)
class Trace:
    """x -> y -> J -> dJ/dy -> dW -> W - lr dW: one training step with all numbers, as on a blackboard.

    The first step of the training that the configuration describes, in float64, on the first `batch_size` examples of
    the training split. Forward: for every node its tensors, and each output as a sum with numbers; then the loss.
    Backward, last node first: the error (dJ by its output), the slopes, dW and db. For recurrent layers also the part
    of every time step and the norms by time lag. Then the update, and the loss after it on the same examples. The
    numbers are those of the training step.

    Third-party layers, and layers without a written sum, are shown with the first lines of their docstring, their tensors,
    outputs and gradients. Initial values are set with `model.layers.<node>.initial`, examples with `dataset=given`.
    The text is trace.txt and trace.md in the run's folder.
    """

    batch_size: int = option(1, least=1, help="the first examples of the training split")
    digits: int = option(6, least=1, most=15, help="decimals")
    limit: int = option(600, least=1, help="maximum size of the tensors, and of inputs and outputs")

    figure: ClassVar[dict[str, Any]] = {
        "y": ["trace/loss", "trace/loss_after"],
        "table": ["trace/loss_after"],
        "x": "swept",
        "together": True,
    }
    lower_is_better: ClassVar[dict[str, bool]] = {"trace/*": True}

    def check(self, experiment: Any) -> None:
        """Check the size of the network and of the examples.

        Raises:
            ValueError: there is too much to write out, or nothing.
        """
        check_probes(experiment)
        held = len(next(iter(experiment.data.splits["train"].values())))
        if held < self.batch_size:
            raise ValueError(f"study.batch_size: more than the training split has (got {self.batch_size} of {held})")
        weights, outputs = sizes(experiment, self.batch_size)
        if weights + outputs > self.limit:
            many = f"{self.batch_size} example{'s' * (self.batch_size > 1)}"
            raise ValueError(
                f"study: {weights} weights, and {outputs} inputs and outputs for {many} are too many to write out "
                f"(study.limit={self.limit}); use a smaller network, as in experiment=trace_4_2_1, or a larger limit"
            )

    @np.errstate(all="ignore")  # non-finite values are written unchanged
    def __call__(self, experiment: Any) -> Findings:
        experiment, pen = exact(experiment), Pen(self.digits)
        learner = experiment.learner
        seen, curves = one_step(experiment, self.batch_size)
        plain = not (clipping(learner.options) or learner.regularizers)
        loss_only = seen if plain else one_step(experiment, self.batch_size, loss_only=True)[0]
        data = experiment.data
        scene = Scene(loss_only, data.names, {name: field.names for name, field in data.fields.items()})
        loss = float(curves.column("train/loss")[0])
        w = np.concatenate([to_host(seen.after), to_host(seen.look)[..., seen.arena.P :]], -1)
        after, penalty = (float(a[0]) for a in experiment.losses(seen, w))
        board = {
            "Forward": [*forward_steps(scene, pen), *loss_steps(scene, pen, learner.heads, loss)],
            "Backward": [
                *backward_steps(scene, pen, learner.heads),
                update_step(Scene(seen), pen, learner, None if plain else curves),
            ],
            "After": [after_step(pen, loss, curves, after, penalty, bool(learner.regularizers))],
        }
        head = f"One training step, seed {experiment.settings.seed}, {self.batch_size} example{'s' * (self.batch_size > 1)}."
        text, markdown = as_text(head, board), as_markdown(head, board)
        return Findings(
            summary=markdown,
            series={"trace/loss": np.array([[0, loss]]), "trace/loss_after": np.array([[1, after]])},
            columns=curves.columns,
            rows=curves.rows(),
            files={"trace.txt": f"{text}\n", "trace.md": f"{markdown}\n"},
            arrays={
                f"{node}.{t}": np.asarray(to_host(a))[0] for node, tensors in seen.g.items() for t, a in tensors.items()
            },
        )


def sizes(experiment: Any, examples: int) -> tuple[int, int]:
    """The number of values in the tensors, and in the fields and outputs of `examples` examples."""
    network, data = experiment.learner.network, experiment.data
    tensors, shapes = network.init(experiment.settings.seed)
    train = data.splits["train"]
    longest = max((train[name].shape[1] for name, f in data.fields.items() if f.time_major), default=1)
    each = [int(np.prod([longest if s is None else s for s in shape])) for shape in shapes.values()]
    return sum(a.size for p in tensors.values() for a in p.values()), examples * sum(each)


def update_step(scene: Scene, pen: Pen, learner: Any, curves: Any) -> Step:
    """W <- W - lr dW, or the update of another optimizer.

    Args:
        curves: if penalties or clipping changed the gradient, with its norm before; otherwise None.
    """
    seen, optimizer = scene.seen, learner.optimizer
    old, new = (seen.arena.views(np.asarray(to_host(a))[0]) for a in (seen.w, seen.after))
    rate = float(optimizer.lr) * _factor(learner.schedule)
    name = called(optimizer, "optimizer")

    def lines() -> Iterator[str]:
        if curves is not None:
            norm = pen.number(curves.column("grad_norm/total")[0])
            clipped = "".join(f"; {what} {pen.number(most)}" for what, most in clipping(learner.options).items())
            yield f"the gradient with its penalties has norm {norm}{clipped}; the optimizer gets:"
            for node, tensors in seen.g.items():
                for t, g in tensors.items():
                    yield from pen.grid(f"{node}.d{t}", np.asarray(to_host(g))[0])
        for node, tensors in seen.g.items():
            for t in tensors:
                change = f"{node}.{t} - {pen.number(rate)} * d{t}" if name == "sgd" and not learner.groups else f"{node}.{t}"
                yield from pen.grid(change, new[node][t])
                if name != "sgd":
                    yield from pen.grid("  changed by", new[node][t] - old[node][t])

    return Step(f"the update by {name}, lr = {pen.number(rate)}: {formula(optimizer)}", list(lines()))


def clipping(options: Any) -> dict[str, float]:
    """What is clipped, in a sentence, and to which number."""
    found = {"longer ones are clipped to": options.clip_norm, "its values are clipped to": options.clip_value}
    return {what: most for what, most in found.items() if most is not None}


def _factor(schedule: Any) -> float:
    """The factor of a schedule at the first step."""
    return float(schedule(0, 1, schedule.init(()))) if callable(getattr(schedule, "init", None)) else float(schedule(0, 1))


def after_step(pen: Pen, loss: float, curves: Any, after: float, penalty: float, penalised: bool) -> Step:
    """The loss on the same examples before and after."""
    lines = [f"J = {pen.number(loss)} -> {pen.number(after)}"]
    if penalised:
        lines.append(f"penalty = {pen.number(curves.column('train/penalty')[0])} -> {pen.number(penalty)}")
    return Step("the loss on the same examples, before and after", lines)
