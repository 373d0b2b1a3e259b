"""Runs one training step of a network and returns its internal values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from framework import TrainingStep
from framework_studies._curves import Curves
from framework_studies._lone import lone


class Eye:
    """A probe that saves the training step."""

    seen: TrainingStep

    def __call__(self, seen: TrainingStep) -> Mapping[str, Any]:
        self.seen = seen
        return {"loss": seen.loss}  # a probe that measures nothing is reported


def exact(experiment: Any) -> Any:
    """A copy of the experiment in float64, on the CPU, with the array tier; a single step needs no progress bar."""
    settings = replace(experiment.settings, dtype="float64", tier="array")
    return replace(experiment, xp=np, settings=settings, callbacks=())


def first_examples(experiment: Any, examples: int | None) -> Any:
    """The data set with the first examples of the training split only, not stateful; None: all of them."""
    train = {name: a[:examples] for name, a in experiment.data.splits["train"].items()}
    return replace(experiment.data, splits={"train": train}, stateful=False)


def one_step(experiment: Any, examples: int | None, loss_only: bool = False) -> tuple[TrainingStep, Curves]:
    """The first training step of the network with the experiment's seed, on the first examples as one batch.

    Args:
        loss_only: leave out penalties and clipping.

    Returns:
        The training step as for a probe, and its row: loss, penalty and norms.
    """
    eye, curves = Eye(), Curves()
    options = lone(experiment.learner.options, steps=1, batch_size="all", accumulate=1, shuffle=False, probe_every=1)
    learner = replace(experiment.learner, probes={"seen": eye}, options=options)
    if loss_only:
        unclipped = replace(options, clip_norm=None, clip_value=None)
        learner = replace(learner, regularizers=(), options=unclipped, schedules={})
    experiment.train([learner], [first_examples(experiment, examples)], [experiment.settings.seed], [curves])
    return eye.seen, curves
