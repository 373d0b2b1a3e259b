"""Optimizers that treat each tensor as a whole: lars, lamb, muon."""

from dataclasses import replace

import numpy as np
import pytest
from networks import distance, learner, mlp, regression
from stack_law import assert_law

from framework import Context
from framework.core.types import Tensor
from framework.training.trainer import train
from framework_optimizers.lamb import Lamb
from framework_optimizers.lars import Lars
from framework_optimizers.muon import Muon

TENSORS = (Tensor("a", "W", 0, 6, (2, 3)), Tensor("a", "b", 6, 9, (1, 3)), Tensor("b", "W", 9, 12, (3, 1)))
RNG = np.random.default_rng(0)
GRADIENTS = RNG.standard_normal((3, 12))


def stepped(optimizer, steps=3):
    w = np.random.default_rng(1).standard_normal(12)
    start, state = w.copy(), optimizer.init(w)
    for g in GRADIENTS[:steps]:
        optimizer.update(w, g, state, optimizer.lr, Context(tensors=TENSORS))
    return start, w


def test_lars_is_the_papers_formula():
    w, found = stepped(Lars(2.0, 0.8, 0.1, 0.05))
    M = np.zeros(12)
    for g in GRADIENTS:
        r = np.ones(12)
        for t in (slice(0, 6), slice(9, 12)):
            size = np.linalg.norm
            r[t] = 0.1 * size(w[t]) / (size(g[t]) + 0.05 * size(w[t]))
        M = 0.8 * M + 2.0 * r * (g + 0.05 * w)
        w = w - M
    assert found == pytest.approx(w, abs=1e-12)


def test_lamb_is_the_papers_formula():
    w, found = stepped(Lamb(0.1, 0.8, 0.9, 1e-3, 0.05))
    m = v = np.zeros(12)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        u = m / (1 - 0.8**t) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3) + 0.05 * w
        for part in (slice(0, 6), slice(9, 12)):
            u[part] *= np.linalg.norm(w[part]) / np.linalg.norm(u[part])
        w = w - 0.1 * u
    assert found == pytest.approx(w, abs=1e-12)


@pytest.mark.parametrize("optimizer", [Lars(0.1), Lamb(0.1)])
def test_a_tensor_of_zeros_takes_the_step_itself(optimizer):
    w, g = np.zeros(12), GRADIENTS[0].copy()
    optimizer.update(w, g, optimizer.init(w), 0.1, Context(tensors=TENSORS))
    assert w == pytest.approx(-0.1 * (g if isinstance(optimizer, Lars) else np.sign(g)), abs=1e-5)
    optimizer.update(w, 0 * g, optimizer.init(w), 0.1, Context(tensors=TENSORS))
    assert np.isfinite(w).all()


def test_muon_orthogonalizes_the_step_of_a_matrix():
    w, found = stepped(Muon(1.0, 0.5, 0.25), steps=1)
    ahead, step = 1.5 * GRADIENTS[0], w - found
    assert step[6:] == pytest.approx(0.25 * ahead[6:])  # a bias, and a matrix with a single column
    U, _, V = np.linalg.svd(ahead[:6].reshape(2, 3), full_matrices=False)
    rotated = U.T @ (step[:6].reshape(2, 3) / 1.5**0.5) @ V.T
    assert np.diag(rotated) == pytest.approx([1, 1], abs=0.35)  # singular values of the five steps: 0.7 to 1.2
    assert rotated - np.diag(np.diag(rotated)) == pytest.approx(np.zeros((2, 2)), abs=1e-9)


DATA = regression(n=24, val=8)


def members(optimizer, rates=(0.05, 0.02, 0.05)):
    return [learner(mlp(4, 3, 2), replace(optimizer, lr=lr), batch_size=8, steps=25) for lr in rates]


@pytest.mark.parametrize("optimizer", [Lars(trust=0.1), Lamb(), Muon()])
def test_a_stack_trains_as_its_members_alone(optimizer):
    stack = assert_law(members(optimizer), DATA, keys=[0, 0, 3])
    assert distance(stack[0], stack[1]) > 1e-4


@pytest.mark.usefixtures("compiled_quickly")
def test_a_compiled_step_knows_its_tensors():
    made = members(Lamb())
    array, compiled = (train(made, [DATA], [0, 0, 3], dtype=np.float64, tier=tier) for tier in ("array", "compiled"))
    assert max(distance(a, b) for a, b in zip(array, compiled, strict=True)) < 1e-9
