"""A gradient reaches the optimizer at once, by blocks, or through a compiled kernel: each way gives the same numbers."""

import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import distance, learner, lone, mlp, regression
from spirals import learner as spirals
from spirals import trained

from framework import Context, discover, stack
from framework.config.composition import compose
from framework.core.errors import ConfigError, TierError
from framework.experiments.experiment import prepare
from framework.testing.double import Double
from framework.training import update as updating
from framework.training.compiled import build
from framework.training.state import Trainer
from framework.training.step import TrainState
from framework.training.trainer import train
from framework.training.update import by_array, by_kernel, select_update
from framework_optimizers.adam import Adam
from framework_optimizers.adamw import Adamw
from framework_optimizers.momentum import Momentum
from framework_optimizers.sgd import Sgd

get = discover().get
CHOICES = {
    "sgd": [{}],
    "momentum": [{"form": "notes"}, {"form": "torch"}],
    "nag": [{}],
    "rmsprop": [{"epsilon": "inside"}, {"epsilon": "outside"}],
    "adagrad": [{"epsilon": "inside"}, {"epsilon": "outside"}],
    "adam": [{"epsilon": "inside"}, {"epsilon": "outside"}, {"epsilon": "hat"}],
    "adamw": [{"epsilon": "inside"}, {"epsilon": "outside"}],
}
FORMS = [
    pytest.param(get("optimizer", name)(**more), id="-".join([name, *more.values()]))
    for name in CHOICES
    for more in CHOICES[name]
]
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


def assert_same(found, wanted):
    (a, state), (b, expected) = found, wanted
    limit = 1e-14 if a.dtype == np.float64 else 4 * np.finfo(np.float32).eps
    assert a.dtype == b.dtype
    for one, other in [(a, b), *((state[name], expected[name]) for name in expected)]:
        assert np.max(np.abs(one - other) / np.maximum(1, np.abs(other))) <= limit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", FORMS)
def test_a_kernel_gives_the_numbers_of_the_array_form(optimizer, dtype):
    pytest.importorskip("numba")
    for each in (optimizer, differing(optimizer)[0]):
        assert_same(updated(by_kernel, each, dtype), updated(by_array, each, dtype))


@pytest.mark.parametrize("optimizer", [Sgd(), Momentum(), get("optimizer", "rmsprop")(), Adamw()])
def test_threads_change_nothing(optimizer, monkeypatch):
    pytest.importorskip("numba")
    from framework_optimizers import _fused

    wanted = updated(by_kernel, optimizer, np.float32)
    monkeypatch.setattr(_fused, "FEWEST", 1)
    monkeypatch.setattr(_fused, "_threads", lambda: 4)
    assert_same(updated(by_kernel, optimizer, np.float32), wanted)


@pytest.mark.parametrize("optimizer", FORMS)
def test_a_kernel_leaves_alone_what_lies_behind_the_trained_numbers(optimizer):
    pytest.importorskip("numba")
    before = updated(by_array, optimizer, np.float32, steps=0)[0]
    after = updated(by_kernel, optimizer, np.float32)[0]
    assert np.array_equal(after[:, 101:], before[:, 101:])
    assert (after[:, :101] != before[:, :101]).all()


@pytest.mark.parametrize("optimizer", FORMS)
def test_slice_r_of_a_compiled_stack_is_replica_r_alone(optimizer):
    pytest.importorskip("numba")
    _, members = differing(optimizer)
    data = regression()
    stacked = [learner(mlp(5, 2), member, epochs=20) for member in members]
    together = train(stacked, [data], [0, 1, 2], dtype=np.float64, tier="compiled")
    for r, member in enumerate(stacked):
        assert distance(lone(member, data, r, tier="compiled"), together[r]) < 1e-9
        assert distance(lone(member, data, r, tier="array"), together[r]) < 1e-9


@pytest.mark.parametrize("optimizer", FORMS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_in_its_place(optimizer, bad):
    pytest.importorskip("numba")
    ctx, ends = Context(replicas=(2,)), []
    for how in (by_array, by_kernel):
        w, g = np.ones((2, 40)), np.ones((2, 40))
        g[1, 7] = bad
        state = optimizer.init(w)
        with np.errstate(all="ignore"):
            how(optimizer, w, g, state, 0.1, ctx)
        ends.append(w)
    np.testing.assert_array_equal(*ends)
    assert np.isfinite(np.delete(ends[1].ravel(), 47)).all()
    assert not np.isfinite(ends[1][1, 7])


def test_divergence_is_found_in_the_compiled_tier():
    outcomes = train([learner(mlp(5, 2), Sgd(lr), epochs=30) for lr in (0.1, 1e30)], [regression()], [0, 1], tier="compiled")
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged"]


def test_a_training_taken_up_again_goes_the_same_way(monkeypatch):
    pytest.importorskip("numba")
    member = spirals("adam", checkpoint_every=1)
    size, steps = 6 * 2 + 6 + 6 * 6 + 6 + 6 * 2 + 2, trained([member])[0][0].step
    monkeypatch.setattr(updating, "WORTH", size * steps)  # worth it for all steps, not for the rest of them
    ways = []
    monkeypatch.setattr(Adam, "compiled", lambda self, *rest: (ways.append(1), self.update(*rest))[1])
    _, lines, snapshots = trained([member])
    assert len(ways) == steps
    arrays, plain, heard = snapshots[steps // 2]
    _, later, _ = trained([member], (arrays, plain))
    assert len(ways) == steps + steps - steps // 2
    assert later == lines[heard:]


@pytest.mark.parametrize("optimizer", [get("optimizer", name)() for name in discover().names("optimizer")])
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


def test_an_update_of_ones_own_inherits_neither_blocks_nor_kernel():
    @dataclass(frozen=True)
    class Normed(Adam):
        """Adam on g / |g|."""

        def update(self, w, g, state, lr, ctx):
            super().update(w, g / np.sqrt((g * g).sum(-1, keepdims=True)), state, lr, ctx)

    assert updating.supports(Adamw(), "compiled")
    assert updating.supports(Adam(), "elementwise")
    assert not updating.supports(Normed(), "compiled")
    assert not updating.supports(Normed(), "elementwise")
    assert select_update("auto", Normed(), np, 10**7, 10**7) is by_array


def test_auto_compiles_what_is_long_enough_where_numba_is_there(monkeypatch):
    pytest.importorskip("numba")
    assert select_update("auto", Adam(), np, 10**4, 10**3) is by_array
    assert select_update("auto", Adam(), np, 10**6, 10**4) is by_kernel
    assert select_update("auto", Adam(), Double(), 10**6, 10**4) is by_array
    assert select_update("auto", get("optimizer", "adadelta")(), np, 10**6, 10**4) is by_array
    assert select_update("array", Adam(), np, 10**6, 10**4) is by_array
    monkeypatch.setitem(sys.modules, "numba", None)
    assert select_update("auto", Adam(), np, 10**6, 10**4) is by_array


def test_the_whole_stack_and_all_steps_decide(monkeypatch):
    asked = []
    monkeypatch.setattr("framework.training.state.select_update", lambda *args: (asked.append(args[3:]), by_array)[1])
    Trainer(
        TrainState([learner(mlp(5, 2), Sgd(), epochs=7, batch_size=10)] * 4, [regression(40)], range(4), np, np.float32), []
    )
    assert asked == [(4 * (3 * 5 + 5 + 5 * 2 + 2), 7 * 4)]


def test_a_tier_that_cannot_be_used_is_told_in_words(monkeypatch):
    with pytest.raises(TierError, match=r"compiled for the CPU \(device=cpu\)"):
        updating.check_compiled(Double())
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


def test_where_nothing_can_be_written_kernels_are_compiled_anew(monkeypatch):
    pytest.importorskip("numba")
    from framework_optimizers import _fused

    given = []

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        given.append(options)
        return lambda function: function

    monkeypatch.setattr(_fused, "njit", njit)
    assert _fused.jit(parallel=True)(len) is len
    assert given == [{"nogil": True, "error_model": "numpy", "parallel": True}]


def test_a_forked_process_takes_one_thread(monkeypatch):
    pytest.importorskip("numba")
    from framework_optimizers import _fused

    monkeypatch.setattr(_fused, "_forked", True)
    assert _fused._threads() == 1


def test_numbers_that_lie_apart_are_refused():
    pytest.importorskip("numba")
    w = np.zeros((2, 10))[:, ::2]
    with pytest.raises(ValueError, match="are not contiguous"):
        Sgd().compiled(w, w, {}, 0.1, Context(replicas=(2,)))
