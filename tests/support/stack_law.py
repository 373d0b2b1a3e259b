"""The stack law as an assertion."""

import numpy as np
import pytest
from networks import distance, lone, regression

from framework.training.trainer import train

DATA = regression(n=60, val=30)
KEYS = [0, 7, (3, 1), 7]


def assert_law(members, data=DATA, keys=KEYS, tolerance=1e-9, **more):
    """Train together and alone; return the outcomes of the stack."""
    sets = data if isinstance(data, list) else [data]
    together = train(members, sets, keys, **{"dtype": np.float64, **more})
    for r, (member, key, outcome) in enumerate(zip(members, keys, together, strict=True)):
        alone = lone(member, sets[r % len(sets)], key, **more)
        ends = [(o.status, o.reason, o.step, o.epoch, o.best_epoch) for o in (outcome, alone)]
        assert ends[0] == ends[1]
        if alone.status == "diverged":
            continue
        assert distance(outcome, alone) < tolerance
        assert outcome.metrics == pytest.approx(alone.metrics, abs=10 * tolerance)
    return together
