"""A gradient reaches the optimizer at once or by blocks: both ways give the same numbers."""

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest
from networks import distance

from framework import Context, discover, stack
from framework.config.composition import compose
from framework.core.errors import ConfigError, TierError
from framework.experiments.experiment import prepare
from framework.testing.double import Double
from framework.training import update as updating
from framework.training.compiled import build
from framework.training.trainer import train
from framework.training.update import by_array
from framework_optimizers.adam import Adam

get = discover().get
DECAYS = ("alpha", "beta1", "beta2", "gamma")  # options that are memories, where an optimizer has them


def differing(optimizer):
    """The stack of three replicas with rates and memories of their own, and its members."""
    memories = [name for name in DECAYS if hasattr(optimizer, name)]
    lone = [replace(optimizer, lr=0.01 * 3**r, **dict.fromkeys(memories, 0.8 + 0.05 * r)) for r in range(3)]
    return stack(lone), lone


def updated(how, optimizer, dtype, steps=20, lead=(3,), P=101):
    """The arena (..., P + 5) and the state after some steps."""
    rng, ctx = np.random.default_rng(0), Context(replicas=lead)
    arena = rng.standard_normal((*lead, P + 5)).astype(dtype)
    w = arena[..., :P]
    state = optimizer.init(w)
    for _ in range(steps):
        how(optimizer, w, rng.standard_normal(w.shape).astype(dtype), state, ctx.per(optimizer.lr, w), ctx)
    return arena, state


EVERY = [get("optimizer", name)() for name in discover().names("optimizer")]


@pytest.mark.parametrize("optimizer", [each for each in EVERY if updating.supports(each, "elementwise")])
@pytest.mark.parametrize("P", [1, 3, 64, 101])
def test_blocks_give_the_numbers_of_the_whole_and_count_a_step_once(optimizer, P):
    def by_blocks(*args):
        updating.by_blocks(*args, columns=16)

    for each in (optimizer, differing(optimizer)[0]):
        (a, one), (b, other) = (updated(how, each, np.float32, P=P) for how in (by_blocks, by_array))
        assert np.array_equal(a, b)
        assert all(np.array_equal(one[name], other[name]) for name in other)


def calls(R, P, optimizer=Adam):
    """The columns of each call of `update`."""
    seen = []

    class Watched(optimizer):
        elementwise = True

        def update(self, w, g, state, lr, ctx):
            seen.append(w.shape[-1])

    w = np.zeros((R, P), np.float32)
    by_array(Watched(), w, w, {"t": 0}, 0.1, Context(replicas=(R,)))
    return seen


def test_what_fits_the_cache_goes_at_once():
    assert calls(1, 100_000) == [100_000]
    assert calls(32, 17_000) == [17_000]  # short pieces of many replicas would cost more than they give
    assert calls(1, 1_000_000) == [66_667] * 14 + [66_662]
    assert set(calls(4, 100_000)) == {16_667, 16_665}


def test_an_update_of_ones_own_does_not_inherit_blocks():
    @dataclass(frozen=True)
    class Normed(Adam):
        """Adam on g / |g|."""

        def update(self, w, g, state, lr, ctx):
            super().update(w, g / np.sqrt((g * g).sum(-1, keepdims=True)), state, lr, ctx)

    assert updating.supports(Adam(), "elementwise")
    assert not updating.supports(Normed(), "elementwise")


def test_a_tier_that_cannot_be_used_is_told_in_words(monkeypatch):
    updating.check_compiled(Double())
    with pytest.raises(TierError, match="compiled for arrays of NumPy and of CuPy"):
        updating.check_compiled(ModuleType("other"))
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    build.compiler.cache_clear()
    with pytest.raises(ConfigError, match=r"^tier: 'compiled' cannot be used here: there is no C compiler; .*ziglang"):
        prepare(compose(["tier=compiled", "dataset=xor"]))
    with pytest.raises(ConfigError, match="tier: 'fast' is not allowed"):
        compose(["tier=fast"])


def test_the_shell_trains_in_the_compiled_tier():
    experiments = [
        prepare(compose([f"tier={tier}", "dataset=spirals", "trainer.epochs=2"])) for tier in ("array", "compiled")
    ]
    one, other = (train([e.learner], [e.data], [0], tier=e.settings.tier)[0] for e in experiments)
    assert distance(one, other) < 1e-6
