"""The study `gradcheck`: exact gradients, compared with central differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from framework import Findings, generator, option
from framework_studies._lone import check_probes
from framework_studies._one_step import exact, one_step
from framework_studies._tables import comma_separated, markdown
from framework_studies.gradcheck._differences import Entries, central

HEAD = ("tensor", "relative error", "entries", "of", "kinks", "furthest off at", "gradient", "difference")
ROUNDING = 50  # units in the last place of J error of a forward pass


@dataclass(frozen=True)
class Tensor:
    """The result for one tensor.

    Attributes:
        error: |g - n| over the larger of |g| and |n|, for the checked entries, except those at kinks.
        checked, size: number of checked entries, and of all entries.
        kinks: entries so near a corner of the loss that they needed the smaller h, or the slopes on both sides.
        worst: index of the entry with the largest error, its gradient and its difference.
    """

    error: float
    checked: int
    size: int
    kinks: int
    worst: tuple[tuple[int, ...], float, float]

    def row(self, name: str) -> tuple[str, ...]:
        """The row of the table."""
        at, g, n = self.worst
        numbers = (f"{self.error:.2g}", str(self.checked), str(self.size), str(self.kinks))
        return (name, *numbers, str(list(at)), f"{g:.9g}", f"{n:.9g}")


@dataclass(frozen=True)
class Gradcheck:
    """|g - n| / max(|g|, |n|) for every tensor,  n = (J(w + h) - J(w - h)) / 2h: is the gradient that of the loss?

    g is the gradient of the first training step for the optimizer, with penalties, before clipping. n are central
    differences of the same loss in float64, on the same batch with the same random numbers, so that dropout and noise stay
    the same. The 2 E perturbed networks of a tensor (E `entries`) are the replicas of one stack. Rounding in J makes
    errors in n of about 50 eps |J| / h; the denominator is large enough to accept those.

    The initial values are moved by normal numbers of deviation `nudge`. Biases of 0 after inputs of 0 are exactly on
    the kink of a relu, and weights of 0 have gradients of 0, which prove nothing. A difference across a kink of J
    (relu, max pooling, |W| of l1) is not a derivative. Entries that disagree are checked again with h / 100; at a kink
    g may be anywhere between the slopes of both sides. Those that then agree are counted as kinks. If there are many,
    try another seed, or activation=softplus. The run fails if the error of a tensor is above `tolerance`; 1e-6 is above
    rounding, and a wrong formula has an error of 0.01 and more.
    """

    entries: int = option(20, least=1, help="entries of each tensor, drawn at random; all entries of smaller tensors")
    batch_size: int = option(8, least=1, help="the first examples of the training split")
    nudge: float = option(0.01, least=0, help="deviation of the noise added to the initial values")
    h: float = option(1e-5, above=0, most=0.1, help="step; for weights above 1 it is proportional to the weight")
    tolerance: float = option(1e-6, above=0, below=1, help="maximum relative error of a correct tensor")

    figure: ClassVar[dict[str, Any]] = {"y": ["gradcheck/worst"], "x": "swept", "log": True}
    lower_is_better: ClassVar[dict[str, bool]] = {"gradcheck/*": True}

    def check(self, experiment: Any) -> None:
        """Check that a gradient of the whole loss exists.

        Raises:
            ValueError: the gradient is truncated, or there are no trained tensors.
        """
        check_probes(experiment)
        learner = experiment.learner
        if learner.options.bptt.lag is not None:
            raise ValueError("trainer.bptt.lag: a truncated gradient differs from that of the loss; remove this key")
        network = learner.network
        if not network.arena(network.init(experiment.settings.seed)[0]).P:
            raise ValueError("study: the network has no trained tensor")

    @np.errstate(all="ignore")  # non-finite values agree with nothing
    def __call__(self, experiment: Any) -> Findings:
        experiment = exact(experiment)
        learner = experiment.learner
        unclipped = replace(learner.options, clip_norm=None, clip_value=None)
        nudged = replace(learner, options=unclipped, schedules={}, initial=self.nudged(experiment))
        seen, curves = one_step(replace(experiment, learner=nudged), self.batch_size)
        if not np.isfinite(curves.column("train/loss")[0]):
            message = "the loss is not finite at the initial values: there is no gradient to check"
            return Findings(message, failure=message)
        found = {}
        for node, tensors in seen.g.items():
            for t, g in tensors.items():
                rng = generator(experiment.settings.seed, f"study/{node}/{t}")
                chosen = np.sort(rng.permutation(g[0].size)[: self.entries])
                start = seen.arena.slots[node, t].start
                entries = Entries(seen, start + chosen, np.asarray(g[0]).ravel()[chosen])
                found[f"{node}.{t}"] = self.compared(experiment, entries, chosen, g[0].shape)
        return self.report(found, curves)

    def nudged(self, experiment: Any) -> dict[str, dict[str, np.ndarray]]:
        """The initial values, with noise on the trained tensors."""
        learner, seed = experiment.learner, experiment.settings.seed
        first = {**learner.network.init(seed)[0], **learner.initial}
        trained = learner.network.arena(first).trained

        def moved(node: str, t: str, a: np.ndarray) -> np.ndarray:
            if t not in trained.get(node, {}):
                return a
            return a + self.nudge * generator(seed, f"study/nudge/{node}/{t}").standard_normal(a.shape)

        return {node: {t: moved(node, t, a) for t, a in tensors.items()} for node, tensors in first.items()}

    def compared(self, experiment: Any, entries: Entries, chosen: np.ndarray, shape: tuple[int, ...]) -> Tensor:
        """A tensor's entries against their differences; those that disagree are checked again with a smaller h."""
        n, _, noise = central(experiment, entries, self.h)
        g = entries.gradient
        least = ROUNDING * float(np.linalg.norm(noise)) / self.tolerance
        scale = max(float(np.linalg.norm(g)), float(np.linalg.norm(n)), least, 1e-300)
        room = self.tolerance * scale / len(g) ** 0.5
        off = np.abs(g - n)
        bad = ~(off <= room)
        if bad.any():
            near, (left, right), closer = central(experiment, entries.take(bad), self.h / 100)
            low, high = np.minimum(left, right), np.maximum(left, right)
            apart = np.maximum(np.maximum(low - g[bad], g[bad] - high), 0)
            bad[bad] = np.minimum(np.abs(g[bad] - near), apart) <= ROUNDING * closer + room
            off[bad] = 0
        worst = int(off.argmax())
        at = tuple(int(i) for i in np.unravel_index(chosen[worst], shape))
        size, error = int(np.prod(shape)), float(np.linalg.norm(off)) / scale
        return Tensor(error, len(g), size, int(bad.sum()), (at, float(g[worst]), float(n[worst])))

    def report(self, found: Mapping[str, Tensor], curves: Any) -> Findings:
        """The findings: table, files, result."""
        wrong = [name for name, tensor in found.items() if not tensor.error <= self.tolerance]
        failure = "; ".join(self.fault(name, found[name]) for name in wrong)
        verdict = f"Wrong: {failure}." if wrong else f"All {len(found)} tensors agree to {self.tolerance:g}."
        kinks = sum(tensor.kinks for tensor in found.values())
        if kinks:
            verdict += f" {kinks} entries are at a kink of the loss (relu, max, |W|) and were checked with a smaller step."
        rows = [tensor.row(name) for name, tensor in found.items()]
        series = {f"gradcheck/{name.replace('.', '/')}": np.array([[0, tensor.error]]) for name, tensor in found.items()}
        series["gradcheck/worst"] = np.array([[0, max(tensor.error for tensor in found.values())]])
        return Findings(
            summary=f"{verdict}\n\n{markdown(HEAD, rows)}",
            series=series,
            columns=curves.columns,
            rows=curves.rows(),
            files={"gradcheck.md": f"{markdown(HEAD, rows)}\n", "gradcheck.csv": comma_separated(HEAD, rows)},
            failure=f"wrong gradient: {failure}" if wrong else "",
        )

    def fault(self, name: str, tensor: Tensor) -> str:
        """The error message for a tensor."""
        at, g, n = tensor.worst
        off = f"{name} has an error of {tensor.error:.2g} (allowed {self.tolerance:g})"
        return f"{off}: at {list(at)} {g:.9g}, but differences give {n:.9g}"
