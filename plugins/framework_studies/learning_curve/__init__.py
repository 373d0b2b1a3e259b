"""The study `learning_curve`: the score against the number of training examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from framework import Data, Findings, generator, option
from framework_studies._curves import Curves
from framework_studies._lone import check_probes
from framework_studies._tables import comma_separated, markdown
from framework_studies.learning_curve._figure import figure

LEAST, USUAL = 2, 8  # examples of the smallest training set; without the option `sizes`
SIZES = 6


@dataclass(frozen=True)
class LearningCurve:
    """J(m), the loss and the metrics of networks that train on m examples, m = n, n/2, n/4, ...

    All R = sizes x draws networks are one stack. A draw is a random order of the n training examples, stratified by class.
    Its set of m examples are the first m, so that smaller sets are parts of larger ones. Every network does the same number
    of updates, of the configured batch size: its m examples are repeated until they are n. So the networks differ in
    their data, not in the length of their training. All have the same validation split, and those of a draw the same
    initial values.

    Recorded with m as the step, as means over the draws: `learning_curve/train/loss` (the mean of the last epoch),
    `learning_curve/val/loss`, and each metric of the validation. learning_curve.csv has the single values. With a gap
    between the two losses, the networks fit examples that do not generalize; more data closes it. Two equal, high losses
    are a bias, which more data does not reduce. Cortes et al. (NIPS 1993).
    """

    draws: int = option(5, least=1, most=1000, help="training sets of each size")
    sizes: int | None = option(
        None,
        least=2,
        most=20,
        help="number of sizes; each is half of the one before; null: up to 6, with 8 examples or more",
    )

    figure: ClassVar[dict[str, Any]] = {"y": ["learning_curve/val/loss"], "x": "step"}
    lower_is_better: ClassVar[dict[str, bool]] = {"learning_curve/train/loss": True, "learning_curve/val/loss": True}

    def check(self, experiment: Any) -> None:
        """Check that there is a validation split, and examples for every size.

        Raises:
            ValueError: there is not; or the examples continue one another.
        """
        check_probes(experiment)
        data = experiment.data
        if "val" not in data.splits:
            raise ValueError("study: learning_curve needs a validation split (dataset.val)")
        if data.stateful:
            raise ValueError(
                f"study: the examples of '{data.name}' continue one another, so there are no smaller sets of them"
            )
        n = count(data)
        if min(self.amounts(n)) < LEAST:
            most = int(np.log2(n / LEAST)) + 1
            raise ValueError(f"study.sizes: {n} examples allow {most} sizes at most (got {self.sizes or 2})")

    def amounts(self, n: int) -> list[int]:
        """The numbers of examples, from the smallest."""
        sizes = self.sizes or max(2, min(SIZES, int(np.log2(max(n, 1) / USUAL)) + 1))
        return [n >> i for i in reversed(range(sizes))]

    @staticmethod
    def examples() -> list[tuple[LearningCurve, None]]:
        return [(LearningCurve(sizes=2, draws=2), None)]

    def __call__(self, experiment: Any) -> Findings:
        n, seed = count(experiment.data), experiment.settings.seed
        members = [(m, draw) for m in self.amounts(n) for draw in range(self.draws)]
        orders = [order(experiment.data, experiment.settings.dataset_seed, draw) for draw in range(self.draws)]
        data = [subset(experiment.data, orders[draw][:m], n) for m, draw in members]
        curves = Curves()
        learner = replace(experiment.learner, options=replace(experiment.learner.options, on_divergence="record"))
        keys = [(seed, draw) for _, draw in members]
        outcomes = experiment.train([learner] * len(members), data, keys, [curves])
        last = max(1, experiment.steps // max(1, experiment.learner.options.epochs or 1))
        scores = [
            {}
            if o.status == "diverged"
            else {"train/loss": float(curves.column("train/loss", i)[-last:].mean()), **measured(o)}
            for i, o in enumerate(outcomes)
        ]
        names = list(dict.fromkeys(name for each in scores for name in each))
        found = {name: by_size(members, scores, name) for name in names}
        lost = sum(o.status == "diverged" for o in outcomes)
        if not found:
            return Findings("all networks diverged", failure="all networks diverged", outcomes=outcomes)
        rows = [
            [str(m), str(draw), *(f"{each.get(name, np.nan):.9g}" for name in names)]
            for (m, draw), each in zip(members, scores, strict=True)
        ]
        return Findings(
            summary=summary(found, self.draws, lost),
            series={
                f"learning_curve/{name}": np.array([(m, v.mean()) for m, v in of.items()]) for name, of in found.items()
            },
            figures={"learning_curve": figure(found, experiment.data.name)},
            files={"learning_curve.csv": comma_separated(["examples", "draw", *names], rows)},
            outcomes=outcomes,
        )


def count(data: Data) -> int:
    """The number of training examples."""
    return len(next(iter(data.splits["train"].values())))


def order(data: Data, seed: int, draw: int) -> np.ndarray:
    """A random order of the training examples, whose first m have about the classes of all."""
    rng = generator((seed, draw), "learning_curve")
    rows = rng.permutation(count(data))
    labels = next(
        (data.splits["train"][name] for name, f in data.fields.items() if f.kind == "label" and f.axes == "N"), None
    )
    if labels is None:
        return rows
    place = np.empty(len(rows))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels[rows] == label)
        place[mine] = (np.arange(len(mine)) + rng.random()) / len(mine)
    return rows[np.argsort(place, kind="stable")]


def subset(data: Data, rows: np.ndarray, n: int) -> Data:
    """The data with some of the training examples, repeated until they are n; without a test split."""
    repeated = np.resize(rows, n)
    train = {name: a[repeated] for name, a in data.splits["train"].items()}
    return replace(data, splits={"train": train, "val": data.splits["val"]})


def measured(outcome: Any) -> dict[str, float]:
    """The metrics of training and validation at the saved weights."""
    names = [name for name in outcome.metrics if name.startswith(("train/", "val/")) and name != "train/loss"]
    return {name: outcome.metrics[name] for name in names}


def by_size(members: Sequence[tuple[int, int]], scores: Sequence[Mapping[str, float]], name: str) -> dict[int, np.ndarray]:
    """m -> the values of a metric over the draws, of networks that have one."""
    sizes = dict.fromkeys(m for m, _ in members)
    found = {
        m: np.array([each[name] for (size, _), each in zip(members, scores, strict=True) if size == m and name in each])
        for m in sizes
    }
    return {m: values for m, values in found.items() if len(values)}


def summary(found: Mapping[str, Mapping[int, np.ndarray]], draws: int, lost: int) -> str:
    """The text of `study.md`."""
    sizes = sorted({m for of in found.values() for m in of})
    lines = [[str(m), *(spread(of.get(m)) for of in found.values())] for m in sizes]
    sets = (
        "One training set of each size." if draws == 1 else f"{draws} training sets of each size, mean ± standard deviation."
    )
    text = [sets, "", markdown(["examples", *found], lines), ""]
    if lost:
        text.append(f"{lost} networks diverged; they are left out.")
    return "\n".join([*text, verdict(found["val/loss"])] if len(found.get("val/loss", {})) > 1 else text)


def spread(values: np.ndarray | None) -> str:
    """Mean ± standard deviation over the draws."""
    if values is None:
        return "-"
    return f"{values.mean():.4g}" + (f" ± {values.std():.2g}" if len(values) > 1 else "")


def verdict(loss: Mapping[int, np.ndarray]) -> str:
    """What the last doubling of the examples changed, draw by draw, compared with its standard error."""
    (m, before), (n, after) = list(loss.items())[-2:]
    if len(before) != len(after) or len(after) < 2:
        return f"From {m} to {n} examples val/loss changes by {after.mean() - before.mean():.3g}."
    change = after - before
    error = float(change.std(ddof=1) / np.sqrt(len(change)))
    shown = f"From {m} to {n} examples val/loss changes by {change.mean():.3g} (standard error {error:.2g})"
    if change.mean() < -2 * error:
        return f"{shown}: more examples of this kind would probably reduce it further."
    return f"{shown}: no clear improvement; more examples would not help, or more draws are needed to see it (study.draws)."
