"""`TrainingPlan`: the batches, updates and epochs of a training, computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from framework.config.options import TrainerOptions
from framework.data.dataset import Data
from framework.training.bptt import chunks


@dataclass(frozen=True)
class TrainingPlan:
    """The batches, updates and epochs of a training.

    Attributes:
        n: examples of the training split.
        batch_size: examples of one forward pass, at most n.
        update_size: examples of one update, `batch_size * accumulate`, at most n.
        chunks: the time steps of each chunk of a batch's sequences; one None where sequences stay whole.
        updates_per_epoch: updates of one epoch.
        steps: updates of a training that does not stop early.
        validations: validations of such a training.
    """

    n: int
    batch_size: int
    update_size: int
    chunks: tuple[slice | None, ...]
    updates_per_epoch: int
    steps: int
    validations: int

    @classmethod
    def of(cls, options: TrainerOptions, data: Data, steps: int | None = None) -> TrainingPlan:
        """The plan of a training.

        Args:
            steps: set by a study; None: from the options.

        Raises:
            ValueError: the sequences of these data cannot be cut into chunks.
        """
        n = len(next(iter(data.splits["train"].values())))
        batch_size = n if options.batch_size == "all" else min(options.batch_size, n)
        update_size = min(batch_size * options.accumulate, n)
        parts = tuple(chunks(data, options.bptt.chunk, options.accumulate))
        per_epoch = math.ceil(n / update_size) * len(parts)
        steps = steps or options.steps or options.epochs * per_epoch
        validations = max(1, math.ceil(steps / per_epoch / options.validate_every))
        return cls(n, batch_size, update_size, parts, per_epoch, steps, validations)
