"""The same training in the array tier and in the compiled one."""

from dataclasses import dataclass

import numpy as np
import pytest

from framework import Callback, train


class Rows(Callback):
    """Keeps losses, norms and metrics of every member."""

    def __init__(self):
        self.rows, self.values = {}, {}

    def on_steps(self, member, first, columns, rows):
        self.rows.setdefault(member, []).append(rows.copy())

    def on_metrics(self, member, step, values):
        if values:
            self.values.setdefault(member, []).append(dict(values))


@dataclass(frozen=True)
class Noisy:
    """An activation that draws even where nothing trains."""

    def forward(self, x, ctx):
        return x + ctx.normal(x) * 0.1, None

    def backward(self, cache, dy, ctx):
        return dy


TIERS = ({"tier": "array"}, {"tier": "compiled"})


def both(members, data, keys=None, dtype="float64", ways=TIERS, **how):
    """Outcomes and rows of the array tier and of the compiled one, or of two other ways to train."""
    found = []
    for way in ways:
        seen = Rows()
        outcomes = train(members, [data], keys or range(len(members)), dtype=dtype, callbacks=[seen], **way, **how)
        found.append((outcomes, seen))
    return found


def agree(members, data, tolerance=1e-9, **how):
    """Both tiers give the same weights, losses, norms and metrics."""
    (one, seen), (other, heard) = both(members, data, **how)
    for a, b in zip(one, other, strict=True):
        assert (a.status, a.step, a.best_epoch) == (b.status, b.step, b.best_epoch)
        for node, tensors in a.weights.items():
            for name, w in tensors.items():
                np.testing.assert_allclose(b.weights[node][name], w, rtol=tolerance, atol=tolerance)
        assert b.metrics == pytest.approx(a.metrics, rel=tolerance, abs=tolerance)
    for member, rows in seen.rows.items():
        np.testing.assert_allclose(np.concatenate(heard.rows[member]), np.concatenate(rows), rtol=tolerance, atol=tolerance)
        expected = [pytest.approx(v, rel=tolerance) for v in seen.values.get(member, [])]
        assert heard.values.get(member, []) == expected
