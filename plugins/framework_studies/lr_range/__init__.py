"""The study `lr_range`: a learning rate that rises while the network trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from framework import Findings, discover, option
from framework_studies._curves import Curves
from framework_studies._lone import check_probes, lone
from framework_studies._tables import comma_separated
from framework_studies.lr_range._figure import figure

HEAD = ("rate", "loss", "status", "steps")
SLACK = 0.01  # of the loss without learning, which noise in the updates may add
STILL = 5e-324  # the smallest rate above 0: it changes no weight


@dataclass(frozen=True)
class LrRange:
    """J after `steps` updates against the learning rate: R networks in one stack, each with a separate rate.

    The rates are evenly spaced in log lr from `low` to `high`. All networks have the same initial values, see the same
    batches of the configured size, and keep their rate. One more network, whose rate is so small that no weight
    changes, gives the loss on these batches without learning. The loss of a rate is the mean of `train/loss` over the
    last tenth of the steps. Rates that diverge are a result.

    It reports the rate with the lowest loss, the rate below it where the loss decreases most over log lr, and the largest
    stable rate. A rate is stable if it and all smaller ones did not end above the loss without learning, by more than a
    hundredth of it. Recorded with the number of the rate as the step: `lr_range/loss`, `lr_range/rate`; lr_range.csv has
    all of it. Unlike the sweep within one training of Smith (WACV 2017), no rate continues from the weights of another.
    """

    low: float = option(1e-5, above=0, help="smallest rate")
    high: float = option(10.0, above=0, help="largest rate")
    rates: int = option(31, least=3, most=10_000, help="number of rates, R")
    steps: int = option(200, least=2, help="updates at each rate; the loss of a step is the one before its update")

    figure: ClassVar[dict[str, Any]] = {
        "y": ["lr_range/loss"],
        "x": "lr_range/rate",
        "table": ["lr_range/best_loss", "lr_range/best_rate"],
    }
    lower_is_better: ClassVar[dict[str, bool]] = {"lr_range/loss": True, "lr_range/best_loss": True}

    def check(self, experiment: Any) -> None:
        """Check the range and the optimizer.

        Raises:
            ValueError: the range is empty, or the optimizer has no stackable learning rate.
        """
        check_probes(experiment)
        if self.low >= self.high:
            raise ValueError(f"study.low: not below study.high (got {self.low:g} and {self.high:g})")
        optimizer = experiment.learner.optimizer
        rate = next((f for f in fields(optimizer) if f.name == "lr"), None)
        if rate is None or not rate.metadata.get("stackable"):
            raise ValueError(f"optimizer: {type(optimizer).__name__} has no stackable option 'lr'")

    @staticmethod
    def examples() -> list[tuple[LrRange, None]]:
        return [(LrRange(rates=4, steps=5), None)]

    def __call__(self, experiment: Any) -> Findings:
        lr = np.array([float(f"{rate:.3g}") for rate in np.geomspace(self.low, self.high, self.rates)])
        curves, outcomes = self.trained(experiment, [*lr, STILL])
        ends = np.array([self.end(curves, member, outcome) for member, outcome in enumerate(outcomes)])
        loss, found = ends[:-1], Range(lr, ends[:-1], float(ends[-1]))
        rows = [
            (f"{rate:.9g}", f"{end:.9g}" if np.isfinite(end) else "", o.status, str(o.step))
            for rate, end, o in zip(lr, loss, outcomes, strict=False)
        ]
        number, finite = np.arange(len(lr)), np.isfinite(loss)
        series = {"lr_range/rate": np.stack([number, lr], 1), "lr_range/loss": np.stack([number, loss], 1)[finite]}
        if finite.any():
            series["lr_range/best_rate"] = np.array([[0, lr[found.best]]])
            series["lr_range/best_loss"] = np.array([[0, loss[found.best]]])
        return Findings(
            summary=found.summary(self.steps),
            series=series,
            figures={"lr_range": figure(found)},
            files={"lr_range.csv": comma_separated(HEAD, rows)},
            arrays={"rate": lr, "loss": loss},
            outcomes=outcomes[:-1],
        )

    def end(self, curves: Curves, member: int, outcome: Any) -> float:
        """The mean loss of the last steps; infinite if it diverged."""
        last = curves.column("train/loss", member)[-max(1, self.steps // 10) :]
        return float("inf") if outcome.status == "diverged" else float(last.mean())

    def trained(self, experiment: Any, rates: Sequence[float]) -> tuple[Curves, list[Any]]:
        """A network for each rate, all from the same key."""
        curves, learner = Curves(), experiment.learner
        options = lone(learner.options, steps=self.steps, validate_every=self.steps, on_divergence="record")
        constant = discover().get("schedule", "constant")()
        learners = [
            replace(
                learner,
                options=options,
                schedule=constant,
                schedules={},
                optimizer=replace(learner.optimizer, lr=float(rate)),
            )
            for rate in rates
        ]
        data = replace(experiment.data, splits={"train": experiment.data.splits["train"]})
        return curves, experiment.train(learners, [data], [experiment.settings.seed] * len(rates), [curves])


@dataclass(frozen=True)
class Range:
    """Losses (R,) by rate (R,), not finite if it diverged, and the loss without learning."""

    rate: np.ndarray
    loss: np.ndarray
    without: float

    @property
    def best(self) -> int:
        """The index of the rate with the lowest loss."""
        return int(np.where(np.isfinite(self.loss), self.loss, np.inf).argmin())

    @property
    def stable(self) -> int:
        """The number of stable rates, from the smallest on; a loss that rose by less than `SLACK` counts as equal."""
        worse = ~(self.loss <= self.without + SLACK * abs(self.without))
        return int(worse.argmax()) if worse.any() else len(self.loss)

    @property
    def steepest(self) -> int | None:
        """The index of the stable rate below the best one where the loss decreases most over log lr."""
        count = min(self.stable, self.best + 1)
        if count < 3:
            return None
        slope = np.gradient(self.loss[:count], np.log10(self.rate[:count]))[:-1]
        return int(slope.argmin()) if slope.min() < 0 else None

    def summary(self, steps: int) -> str:
        """The text of `study.md`."""
        rate, loss, best = self.rate, self.loss, self.best
        diverged = ~np.isfinite(loss)
        if not loss[best] < self.without:
            return (
                f"No rate from {rate[0]:g} to {rate[-1]:g} ends below the loss without learning, {self.without:.4g}, after "
                f"{steps} steps: try smaller rates (study.low), more steps, or study=gradcheck."
            )
        lines = [f"{len(rate)} rates, {steps} steps each; without learning the loss is {self.without:.4g}.", ""]
        lines.append(f"- lowest loss: {loss[best]:.4g} at optimizer.lr={rate[best]:g}{edge(best, len(rate))}")
        if best >= self.stable:
            lines.append(
                "- smaller rates than that were unstable, so it is a matter of chance: take another seed, or more steps"
            )
        if self.steepest is not None:
            advice = "begin between these two" if best < self.stable else "begin here"
            lines.append(f"- steepest decrease: at optimizer.lr={rate[self.steepest]:g}; {advice}")
        largest = f"stable up to {rate[self.stable - 1]:g}" if self.stable else "not even the smallest rate is stable"
        lines.append(f"- {largest}: not above the loss without learning")
        if diverged.any():
            lines.append(f"- diverged: {diverged.sum()} of {len(rate)}, the smallest of them {rate[diverged.argmax()]:g}")
        return "\n".join(lines)


def edge(best: int, n: int) -> str:
    """A warning if the lowest loss is at the end of the range."""
    if best == n - 1:
        return ", the largest tried: raise study.high"
    return ", the smallest tried: lower study.low" if best == 0 else ""
