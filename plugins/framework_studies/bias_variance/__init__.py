"""The study `bias_variance`: the expected error, split into bias, variance and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from framework import Findings, option
from framework_studies._lone import check_probes
from framework_studies._tables import comma_separated
from framework_studies.bias_variance._common_places import Places, common_places
from framework_studies.bias_variance._decomposition import Decomposition, decompose, zero_one
from framework_studies.bias_variance._figures import figures
from framework_studies.bias_variance._training_sets import Draw, training_sets
from framework_studies.bias_variance._watching import Collected, Predictions

TERMS = ("bias2", "variance", "noise", "epe")
ERRORS = ("bias2", "variance", "epe")  # terms with a standard error


@dataclass(frozen=True)
class BiasVariance:
    """E (y - y_T)^2 = bias^2 + variance + noise,  bias = E_T y_T - f,  variance = E_T (y_T - E_T y_T)^2.

    R networks y_T learn from R training sets T in one stack, and are evaluated at the same places of the test split during
    training (R `members`, G `points`). f is the true function if the data set knows it. Then the sets are drawn
    again, and the error is measured against new noisy targets. Otherwise the sets are bootstrap samples of the training
    split (or disjoint parts of it), and the targets replace f. For a classifier y_T are its probabilities and y is 0 or
    1 for each class; the 0-1 loss is decomposed separately (`zero_one/...`), where the terms do not add up.

    Recorded, with the training step: `bias_variance/bias2`, `variance`, `noise`, `epe` (the measured error), averaged over
    points and outputs as `mse`, in the unit of the target; their standard errors; loss and gradient norms as means over
    the members.
    Geman, Bienenstock, Doursat (Neural Computation 4, 1992); for the 0-1 loss Domingos (ICML 2000).
    """

    members: int = option(50, least=3, most=10_000, help="networks, each with a separate training set")
    draw: Draw = option(
        "auto",
        help="fresh: new sets; noise: the same x with new noise; bootstrap: with replacement; disjoint: parts of the "
        "training split; auto: fresh or noise where the true function is known, else bootstrap",
    )
    noise: float | None = option(
        None, least=0, help="variance of the noise in the targets, in their own unit, if the data do not give it"
    )
    points: int = option(200, least=1, help="maximum number of places of the test split at which the networks are evaluated")
    looks: int = option(100, least=1, help="decompositions along training")

    figure: ClassVar[dict[str, Any]] = {
        "y": "bias_variance/epe",
        "stack": [f"bias_variance/{term}" for term in ("noise", "variance", "bias2")],
        "table": [f"bias_variance/{term}" for term in ("epe", "bias2", "variance", "noise")],
        "x": "swept",
    }
    lower_is_better: ClassVar[dict[str, bool]] = {"bias_variance/*": True, "zero_one/*": True}

    def check(self, experiment: Any) -> None:
        """Check that the data suit the study.

        Raises:
            ValueError: they do not; the message gives the reason.
        """
        check_probes(experiment)
        common_places(experiment, self.points, self.noise)
        training_sets(experiment, self.draw, self.members if self.draw == "disjoint" else 2)

    @staticmethod
    def examples() -> list[tuple[BiasVariance, None]]:
        return [(BiasVariance(members=4, looks=2), None)]

    def __call__(self, experiment: Any) -> Findings:
        at = common_places(experiment, self.points, self.noise)
        way, data = training_sets(experiment, self.draw, self.members)
        watched = self.watched(experiment, Predictions(at.head, at.batch))
        seen = Collected(self.members)
        outcomes = experiment.train([watched] * self.members, data, callbacks=[seen])
        kept = np.array([outcome.status != "diverged" for outcome in outcomes])
        lost = f"{(~kept).sum()} of {self.members} members diverged"
        if kept.sum() < 2 or (not kept.all() and watched.options.on_divergence == "fail"):
            return Findings(lost, failure=f"{lost} (trainer.on_divergence=record leaves them out)")
        members = np.flatnonzero(kept).tolist()
        remaining = [outcomes[member] for member in members]
        final = experiment.predict([outcome.weights for outcome in remaining], at.fields, at.head)
        final, end = at.in_unit(final.reshape(len(final), -1)), max(outcome.step for outcome in remaining)
        earlier = [step for step in sorted(seen.looks) if step < end]
        looks = {step: filled(at.in_unit(seen.looks[step][kept]), final) for step in earlier} | {end: final}
        targets = at.measured_against(members, experiment.settings.dataset_seed)
        found = {step: decompose(y, at.f, targets, at.noise) for step, y in looks.items()}
        classes = {step: zero_one(named(y, at), at.labels) for step, y in looks.items()} if at.labels is not None else {}
        series = {**of_terms(found), **of_classes(classes), **seen.validation(remaining)}
        n = len(next(iter(data[0].splits["train"].values())))
        sets = f"{self.members} networks, training sets: {way}, {n} examples each"
        return Findings(
            summary=summary(found, classes, "; ".join([sets, *([lost] if not kept.all() else [])]), seen.ends(remaining)),
            series=series,
            columns=seen.columns,
            rows=seen.means(members),
            figures=figures(at, found, final),
            files={"bias_variance.csv": table(found)},
            arrays={"predictions": final, "targets": at.targets, "f": at.targets if at.f is None else at.f},
            outcomes=outcomes,
        )

    def watched(self, experiment: Any, predictions: Predictions) -> Any:
        """The learner of a member: with the configured number of samples, and validated as often unless early stopping needs
        more."""
        learner, options = experiment.learner, experiment.learner.options
        stops = options.early_stopping.patience is not None
        every = 1 if stops else max(1, experiment.validations // self.looks)
        options = replace(
            options,
            probe_every=max(1, experiment.steps // self.looks),
            validate_every=max(1, options.validate_every * every),
            train_metrics=options.train_metrics and stops,
        )
        measures = learner.measures if stops else {}  # early stopping may monitor one
        return replace(learner, probes={"study": predictions}, options=options, measures=measures)


def filled(y: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Predictions (R, G) at a step; the final ones of members that had stopped."""
    return np.where(np.isnan(y), final, y)


def named(y: np.ndarray, at: Places) -> np.ndarray:
    """The predicted class of each network (R, n), from its probabilities (R, G)."""
    assert at.labels is not None
    p = y.reshape(len(y), len(at.labels), -1)
    return p.argmax(-1) if p.shape[-1] > 1 else (p[..., 0] > 0.5).astype(int)


def of_terms(found: Mapping[int, Decomposition]) -> dict[str, np.ndarray]:
    """metric -> (K, 2) of the terms and their standard errors."""
    series = {f"bias_variance/{t}": np.array([(step, getattr(d, t)) for step, d in found.items()]) for t in TERMS}
    return series | {f"bias_variance_se/{t}": np.array([(step, d.se[t]) for step, d in found.items()]) for t in ERRORS}


def of_classes(found: Mapping[int, Mapping[str, float]]) -> dict[str, np.ndarray]:
    """metric -> (K, 2) of the terms of the 0-1 loss."""
    names = next(iter(found.values()), {})
    return {f"zero_one/{name}": np.array([(step, values[name]) for step, values in found.items()]) for name in names}


def table(found: Mapping[int, Decomposition]) -> str:
    """All terms as CSV."""
    head = ("step", *TERMS, "gap", *(f"se_{t}" for t in (*ERRORS, "gap")))
    rows = [
        (str(step), *(f"{getattr(d, t):.9g}" for t in (*TERMS, "gap")), *(f"{d.se[t]:.9g}" for t in (*ERRORS, "gap")))
        for step, d in found.items()
    ]
    return comma_separated(head, rows)


def summary(
    found: Mapping[int, Decomposition],
    classes: Mapping[int, Mapping[str, float]],
    sets: str,
    losses: Mapping[str, float],
) -> str:
    """The text of `study.md`."""
    step, d = list(found.items())[-1]
    best = min(found, key=lambda s: found[s].epe)
    lines = [f"{sets}; after step {step}:", "", "| term | value | standard error |", "|---|---|---|"]
    lines += [f"| {t} | {getattr(d, t):.4g} | {d.se[t]:.2g} |" for t in ("bias2", "variance")]
    lines += [f"| noise | {d.noise:.4g} | |", f"| sum | {d.bias2 + d.variance + d.noise:.4g} | |"]
    lines += [
        f"| measured error | {d.epe:.4g} | {d.se['epe']:.2g} |",
        f"| measured - sum | {d.gap:.2g} | {d.se['gap']:.2g} |",
    ]
    if classes:
        terms = ", ".join(f"{name} {value:.4g}" for name, value in classes[step].items())
        lines += ["", f"0-1 loss, which does not add up: {terms}."]
    if found[best].epe < d.epe:
        lines += ["", f"The error was smallest at step {best}: {found[best].epe:.4g}."]
    return "\n".join([*lines, "", diagnosis(d, losses)])


def diagnosis(d: Decomposition, losses: Mapping[str, float]) -> str:
    """The larger one of bias and variance, as text."""
    shown = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
    reducible = max(d.bias2, 0.0) + d.variance
    if reducible == 0:
        return f"The error is only noise ({shown})."
    share, of = (d.variance / reducible, "variance") if d.variance > d.bias2 else (d.bias2 / reducible, "bias")
    means = {
        "variance": "the networks depend on their training sets: more data, a penalty or fewer units reduce it",
        "bias": "the networks make the same errors: more units or more training reduce it",
    }
    return f"High {of}: {share:.0%} of the reducible error; {means[of]} ({shown})."
