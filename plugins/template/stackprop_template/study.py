from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Experiment, Findings, hookimpl, option
from framework.hooks import Register


@dataclass(frozen=True)
class Seeds:
    """|w| after training from several initial values: mean and standard deviation of the norm of all weights.

    The networks are one stack; member m has the key (seed, m).
    """

    members: int = option(3, least=2, help="networks")

    def __call__(self, experiment: Experiment) -> Findings:
        outcomes = experiment.train([experiment.learner] * self.members)
        arrays = [[W for tensors in outcome.weights.values() for W in tensors.values()] for outcome in outcomes]
        norms = np.sqrt([sum((W**2).sum() for W in own) for own in arrays])
        series = {"norm/mean": np.array([[1, norms.mean()]]), "norm/std": np.array([[1, norms.std()]])}
        return Findings(f"|w| = {norms.mean():.4g} +- {norms.std():.2g}", series, outcomes=outcomes)


@hookimpl
def register_studies(register: Register) -> None:
    register("template_seeds", Seeds)
