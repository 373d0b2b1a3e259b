"""The compiled baseline of every training step: JAX, loss and Adam in one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.mlp_step import LR, Run


def training(loss: Callable[[Any], Any], p: Any, clip: float | None = None) -> Run:
    """Steps of Adam on `loss(p)`, compiled as a whole; `clip`: the maximum norm of the gradient."""
    import jax
    import jax.numpy as jnp

    def step(p: Any, m: Any, v: Any, t: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p)
        t, each = t + 1, jax.tree.map
        if clip is not None:
            norm = jnp.sqrt(sum((a * a).sum() for a in jax.tree.leaves(g)))
            g = each(lambda g: g * jnp.minimum(1, clip / norm), g)
        m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        p = each(lambda p, m, v: p - LR * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), p, m, v)
        return p, m, v, t, value

    zeros = jax.tree.map(jnp.zeros_like, p)
    state, compiled = [p, zeros, zeros, jnp.zeros(())], jax.jit(step)

    def run(steps: int) -> None:
        for _ in range(steps):
            *state[:], value = compiled(*state)
        value.block_until_ready()

    return run
