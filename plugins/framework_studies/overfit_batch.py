from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from framework import Findings, discover, option
from framework_studies.curves import Curves
from framework_studies.lone import lone, refuse_probes
from framework_studies.one_step import first_examples
from framework_studies.overfit_figure import figure

LOOKS = 100  # evaluations along training
FALLING = 0.95  # a mean over a tenth of the steps below this share of the tenth before: it still falls


@dataclass(frozen=True)
class OverfitBatch:
    """J -> 0 on one batch: a network that cannot learn a few examples by heart is broken, and will not learn many.

    The network trains on the first `examples` of the training split, as one batch again and again, with the configured
    optimizer at a constant rate, without penalties and augmentation. The run passes when the loss, as trained or as
    evaluated (without dropout), falls to `goal` times the loss of the first step, and fails otherwise, with what it saw:
    diverged, still falling, no gradient in some layer, two examples that are the same with different targets. Kept: the
    losses, `val/...` being those of the same batch. A step of "A Recipe for Training Neural Networks" (Karpathy, 2019).
    """

    examples: int = option(8, least=1, help="the first so many of the training split")
    steps: int = option(1000, least=1, help="updates")
    goal: float = option(0.01, above=0, below=1, help="what counts as no loss, as a share of that of the first step")

    figure: ClassVar[dict[str, Any]] = {"y": ["train/loss"], "log": True}

    def check(self, experiment: Any) -> None:
        """
        Raises:
            ValueError: probes were asked for.
        """
        refuse_probes(experiment)

    def __call__(self, experiment: Any) -> Findings:
        data, curves = first_examples(experiment, self.examples), Curves()
        per_epoch = -(-experiment.steps // max(1, experiment.validations))
        every = max(1, self.steps // LOOKS // per_epoch)
        options = lone(
            experiment.learner.options,
            steps=self.steps,
            batch_size="all",
            accumulate=1,
            shuffle=False,
            validate_every=every,
            on_divergence="record",
        )
        learner = replace(
            experiment.learner,
            options=options,
            schedule=discover().get("schedule", "constant")(),
            regularizers=(),
            augmentations={},
        )
        both = replace(data, splits={"train": data.splits["train"], "val": data.splits["train"]})
        (outcome,) = experiment.train([learner], [both], [experiment.settings.seed], [curves])
        loss = curves.column("train/loss")
        measured = {name: curves.series(name) for name in curves.names() if name.startswith("val/")}
        told, failure = self.judged(loss, measured, outcome, faults(data, curves, experiment.learner.heads))
        return Findings(
            summary=told,
            series=measured,
            columns=curves.columns,
            rows=curves.rows(),
            figures={"overfit_batch": figure(loss, measured.get("val/loss"), self.goal * loss[0])},
            failure=failure,
            outcomes=(outcome,),
        )

    def judged(self, loss: np.ndarray, measured: Any, outcome: Any, seen: list[str]) -> tuple[str, str]:
        """What came out, in words; and again why it is no, where it is."""
        val = measured.get("val/loss", np.zeros((0, 2)))
        goal, n = self.goal * loss[0], self.examples
        lowest = float(np.nanmin([*loss, *val[:, 1]]))
        also = "".join(f"; {name.partition('/')[2]} {a[-1, 1]:.3g}" for name, a in measured.items() if name != "val/loss")
        fell = f"the loss on {n} examples fell from {loss[0]:.4g} to {lowest:.4g}"
        if outcome.status == "diverged":
            told = f"the loss is not finite after step {outcome.step}: a smaller optimizer.lr (study=lr_range finds one)"
            return (told, told)
        if lowest < 0:
            told = f"{fell}: it goes below 0, and has no least value to reach"
            return (told, told)
        if lowest <= goal:
            at = min([*np.flatnonzero(loss <= goal)[:1] + 1, *val[val[:, 1] <= goal, 0][:1]])
            return f"Learnt by heart: {fell}, below {goal:.3g} at step {at:.0f} of {len(loss)}{also}.", ""
        told = f"{fell} in {len(loss)} steps, and not to {goal:.3g} (study.goal={self.goal:g}){also}; " + "; ".join(
            [*seen, trend(loss)]
        )
        return (told, told)


def trend(loss: np.ndarray) -> str:
    """What the end of the curve says."""
    tenth = max(1, len(loss) // 10)
    if len(loss) >= 2 * tenth and loss[-tenth:].mean() < FALLING * loss[-2 * tenth : -tenth].mean():
        return "it still falls: more steps (study.steps), or a larger optimizer.lr (study=lr_range)"
    return "it falls no more: check the gradient (study=gradcheck), the rate (study=lr_range), and take more units"


def faults(data: Any, curves: Curves, heads: Any) -> list[str]:
    """What stands in the way and can be seen."""
    found = []
    for name in curves.columns:
        if name.startswith("grad_norm/") and name != "grad_norm/total" and not curves.column(name).any():
            found.append(f"no gradient ever reaches {name.removeprefix('grad_norm/')}")
    train = data.splits["train"]
    targets = {head.target for head in heads.values() if head.target}
    known: dict[bytes, int] = {}
    for i in range(len(next(iter(train.values())))):
        x = b"".join(a[i].tobytes() for name, a in train.items() if name not in targets)
        other = known.setdefault(x, i)
        if any(not np.array_equal(train[name][i], train[name][other]) for name in targets):
            found.append(f"examples {other + 1} and {i + 1} differ in their targets only: no network can tell them apart")
            break
    return found
