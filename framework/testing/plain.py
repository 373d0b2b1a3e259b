"""Checks of optimizers, initializers, schedules, data sets and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from framework.arrays import Array
from framework.data import AXES, Data
from framework.stacking import stack
from framework.testing.stacks import context, equal, varied


def check_update(optimizer: Any) -> None:
    """Updates are in place, keep the dtype, leave g alone, and obey the stack law with an lr per replica."""
    lone = [varied(optimizer, r) for r in range(3)]
    w, g = np.random.default_rng(0).standard_normal((2, 3, 6))
    together = _updated(stack(lone), w.copy(), g, (3,))
    for r, member in enumerate(lone):
        equal(together[r], _updated(member, w[r].copy(), g[r], ()), f"w of replica {r}")
    single = w.astype(np.float32)
    assert _updated(optimizer, single, g.astype(np.float32), (3,)).dtype == np.float32, "float32 became another dtype"


def _updated(optimizer: Any, w: Array, g: Array, lead: tuple[int, ...]) -> Array:
    ctx, state, before = context(lead), optimizer.init(w), g.copy()
    for _ in range(5):
        if hasattr(optimizer, "lookahead"):
            here = w.copy()
            optimizer.lookahead(w, state, ctx)
            assert np.array_equal(w, here), "lookahead changed w"
        optimizer.update(w, g, state, ctx.per(optimizer.lr, w), ctx)
    assert np.array_equal(g, before), "g was modified"
    return w


def check_descent(optimizer: Any) -> None:
    """300 steps with lr 0.01 make w^2 / 2 smaller."""
    optimizer, ctx = replace(optimizer, lr=0.01), context(())
    w = np.ones(1)
    state = optimizer.init(w)
    for _ in range(300):
        at = optimizer.lookahead(w, state, ctx) if hasattr(optimizer, "lookahead") else w
        optimizer.update(w, at.copy(), state, 0.01, ctx)
    assert abs(w[0]) < 0.9, f"w went from 1 to {w[0]:.3g}"


def check_draws(initializer: Any) -> None:
    """A host array of the shape, the same for the same generator, from no other source of chance."""
    before = repr(np.random.get_state())
    first, second = (initializer(np.random.default_rng(0), (4, 3)) for _ in range(2))
    assert repr(np.random.get_state()) == before, "the global random state was used"
    assert isinstance(first, np.ndarray), f"a {type(first).__name__} is no host array"
    assert first.shape == (4, 3), f"shape {first.shape}, not (4, 3)"
    assert np.array_equal(first, second), "two draws from equal generators differ"


def check_factor(schedule: Any) -> None:
    """A finite factor of at least 0 for every step."""
    for total in (1, 10):
        for step in range(total):
            assert 0 <= schedule(step, total) < np.inf, f"step {step} of {total}: {schedule(step, total)}"


def check_data(dataset: Any) -> None:
    """Every split has every field with the axes it declares; labels are in range; a seed gives one set."""
    first, second = (dataset.load(np.random.default_rng(0)) for _ in range(2))
    assert "train" in first.splits, "there is no training split"
    for split, arrays in first.splits.items():
        assert arrays.keys() == first.fields.keys(), f"{split} has fields {list(arrays)}, not {list(first.fields)}"
        for name, a in arrays.items():
            assert np.array_equal(a, second.splits[split][name]), f"{split}.{name}: two draws of one seed differ"
            _check_field(first, split, name, a)


def _check_field(data: Data, split: str, name: str, a: np.ndarray) -> None:
    field = data.fields[name]
    assert field.axes in AXES
    assert a.ndim == len(field.axes), f"{split}.{name} has shape {a.shape}, not axes {field.axes}"
    assert np.isfinite(a).all(), f"{split}.{name} holds numbers that are not finite"
    if field.kind in ("id", "label"):
        assert 0 <= a.min() <= a.max() < field.size, f"{split}.{name} is not within 0 ... {field.size - 1}"


def check_counts(metric: Any) -> None:
    """Counts add up over batches and are one row per replica; a masked example is not counted."""
    rng, ctx = np.random.default_rng(0), context((3,))
    y = rng.uniform(0, 1, (3, 8, 4))
    t = rng.uniform(0, 1, (3, 8, 4)).round() if getattr(metric, "raw", False) else rng.integers(0, 4, (3, 8))
    whole, mask = metric.count(y, t, ctx), np.ones((3, 8))
    mask[:, 3:] = 0
    parts = [metric.count(y[:, s], t[:, s], ctx) for s in (slice(3), slice(3, None))]
    assert metric.value(whole).shape == (3,), "the value is not one number per replica"
    equal(whole, parts[0] + parts[1], "counts of two batches")
    equal(metric.value(metric.count(y, t, ctx, mask)), metric.value(parts[0]), "a masked count")


PLAIN: Mapping[str, Mapping[str, Callable[[Any], None]]] = {
    "optimizer": {"update": check_update, "descent": check_descent},
    "initializer": {"draws": check_draws},
    "schedule": {"factor": check_factor},
    "dataset": {"data": check_data},
    "metric": {"counts": check_counts},
}
