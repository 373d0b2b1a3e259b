"""The study `overfit_batch`: whether a network can learn a few examples by heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from framework import Findings, discover, option
from framework_studies._curves import Curves
from framework_studies._lone import check_probes, lone
from framework_studies._one_step import first_examples
from framework_studies.overfit_batch._figure import figure

LOOKS = 100  # evaluations along training
FALLING = 0.95  # the loss still decreases if the mean of the last steps is below this fraction of the mean before
SHORT = 10  # minimum number of last steps, if there are twice as many


@dataclass(frozen=True)
class OverfitBatch:
    """J -> 0 on one batch: a network that cannot memorize a few examples is broken, and will not learn many.

    The network trains on the first `batch_size` examples of the training split, again and again, with the configured
    optimizer at a constant rate, without penalties and augmentation. The run passes when the loss, in training or in
    evaluation (without dropout), decreases to `goal` times the loss of the first step. Otherwise it fails with a reason:
    diverged, still decreasing, no gradient in some layer, or two equal examples with different targets. It records the
    losses; `val/...` are those of the same batch. A step of "A Recipe for Training Neural Networks" (Karpathy, 2019).
    """

    batch_size: int = option(8, least=1, help="the first examples of the training split")
    steps: int = option(1000, least=1, help="updates")
    goal: float = option(0.01, above=0, below=1, help="the loss to reach, as a fraction of that of the first step")

    figure: ClassVar[dict[str, Any]] = {"y": ["train/loss"], "log": True}

    def check(self, experiment: Any) -> None:
        """Check that no probes are configured.

        Raises:
            ValueError: there are probes.
        """
        check_probes(experiment)

    @staticmethod
    def examples() -> list[tuple[OverfitBatch, None]]:
        return [(OverfitBatch(steps=30), None)]

    def __call__(self, experiment: Any) -> Findings:
        data, curves, learner = first_examples(experiment, self.batch_size), Curves(), experiment.learner
        looks = max(1, self.steps // LOOKS)
        whole = {"batch_size": "all", "accumulate": 1, "shuffle": False, "validate_every": looks}
        options = lone(learner.options, steps=self.steps, on_divergence="record", **whole)
        constant = discover().get("schedule", "constant")()
        learner = replace(learner, options=options, schedule=constant, regularizers=(), augmentations={})
        batch = data.splits["train"]
        twice = replace(data, splits={"train": batch, "val": batch})
        (outcome,) = experiment.train([learner], [twice], [experiment.settings.seed], [curves])
        loss = curves.column("train/loss")
        measured = {name: curves.series(name) for name in curves.names() if name.startswith("val/")}
        message, passed = self.verdict(len(next(iter(batch.values()))), loss, measured, outcome)
        if not passed and outcome.status != "diverged" and loss.min() >= 0:
            message = "; ".join([message, *faults(batch, curves, learner.heads), trend(loss)])
        return Findings(
            summary=message,
            series=measured,
            columns=curves.columns,
            rows=curves.rows(),
            figures={"overfit_batch": figure(loss, measured.get("val/loss"), self.goal * loss[0])},
            failure="" if passed else message,
            outcomes=(outcome,),
        )

    def verdict(self, n: int, loss: np.ndarray, measured: Mapping[str, np.ndarray], outcome: Any) -> tuple[str, bool]:
        """The result as text, and whether the n examples were learnt."""
        if outcome.status == "diverged":
            return (
                f"the loss is not finite after step {outcome.step}: use a smaller optimizer.lr (study=lr_range)",
                False,
            )
        val, goal = measured.get("val/loss", np.zeros((0, 2))), self.goal * loss[0]
        lowest = min([*loss, *val[:, 1]])
        fell = f"the loss on {n} examples decreased from {loss[0]:.4g} to {lowest:.4g}"
        also = "".join(f", {name.partition('/')[2]} {a[-1, 1]:.3g}" for name, a in measured.items() if name != "val/loss")
        if lowest < 0:
            return f"{fell}: it is below 0 and has no minimum to reach", False
        if lowest > goal:
            return f"{fell} in {len(loss)} steps, but not to {goal:.3g} (study.goal={self.goal:g}){also}", False
        at = min([*np.flatnonzero(loss <= goal)[:1] + 1, *val[val[:, 1] <= goal, 0][:1]])
        return f"Learnt by heart: {fell}, below {goal:.3g} at step {at:.0f} of {len(loss)}{also}.", True


def trend(loss: np.ndarray) -> str:
    """A hint from the end of the loss curve."""
    last = max(len(loss) // 10, min(SHORT, len(loss) // 2))
    if not last:
        return "one step is not enough: use more steps (study.steps)"
    if loss[-last:].mean() < FALLING * loss[-2 * last : -last].mean():
        return "it still decreases: use more steps (study.steps) or a larger optimizer.lr (study=lr_range)"
    return "it no longer decreases: check the gradient (study=gradcheck) and the rate (study=lr_range), or use more units"


def faults(batch: Mapping[str, np.ndarray], curves: Curves, heads: Any) -> list[str]:
    """Detected causes of a failure."""
    found = []
    for name in curves.columns:
        if name.startswith("grad_norm/") and name != "grad_norm/total" and not curves.column(name).any():
            found.append(f"no gradient reaches {name.removeprefix('grad_norm/')}")
    targets = {head.target for head in heads.values() if head.target}
    known: dict[bytes, int] = {}
    for i in range(len(next(iter(batch.values())))):
        x = b"".join(a[i].tobytes() for name, a in batch.items() if name not in targets)
        other = known.setdefault(x, i)
        if any(not np.array_equal(batch[name][i], batch[name][other]) for name in targets):
            found.append(f"examples {other + 1} and {i + 1} differ only in their targets: no network can distinguish them")
            break
    return found
