"""Parameter groups: other options of the optimizer for some of the tensors."""

from dataclasses import replace

import numpy as np
import pytest
from configs import assembled, messages
from networks import distance, learner, lone, mlp, regression
from stack_law import assert_law

from framework import Context
from framework.config.options import GroupOption, ParameterGroup
from framework.core.errors import ConfigError, TierError
from framework.testing.double import Double
from framework.training.trainer import train
from framework.training.update import by_blocks
from framework_optimizers.adam import Adam
from framework_optimizers.adamw import Adamw
from framework_optimizers.lamb import Lamb
from framework_optimizers.lars import Lars
from framework_optimizers.muon import Muon
from framework_optimizers.nag import Nag
from framework_optimizers.rmsprop import Rmsprop
from framework_optimizers.sgd import Sgd
from framework_regularizers.l1 import L1
from framework_schedules.linear import Linear

DATA = regression(n=24, val=8)


def group(match, **options):
    return ParameterGroup(match, tuple(GroupOption(name, value) for name, value in options.items()))


def member(optimizer, *groups, regularizers=(), **options):
    made = learner(mlp(4, 3, 2), optimizer, regularizers=regularizers, **{"batch_size": 8, "steps": 20, **options})
    return replace(made, groups=groups)


def test_a_rate_of_nearly_nothing_freezes_the_tensors_of_a_group():
    start = lone(member(Sgd(1e-300)), DATA).weights
    for optimizer in (Sgd(0.1), Nag(0.1), Adam(0.01), Rmsprop(0.01), Lars(1.0), Lamb(0.01), Muon(0.01)):
        found = lone(member(optimizer, group("*.b", lr=1e-300)), DATA).weights
        assert all(np.abs(found[node]["b"] - start[node]["b"]).max() < 1e-200 for node in found)
        assert all(np.abs(found[node]["W"] - start[node]["W"]).max() > 1e-4 for node in found)


def test_a_group_cannot_set_what_the_other_tensors_lack():
    with pytest.raises(ConfigError, match=r"groups\[0\].alpha: the other tensors have none \(optimizer.alpha is null\)"):
        lone(member(Rmsprop(), group("*.b", alpha=0.9)), DATA)
    lone(member(Rmsprop(alpha=0.0), group("*.b", alpha=0.9)), DATA)


def test_biases_without_decay_are_those_of_the_formula():
    """With g = 0 adamw only decays: w (1 - lr decay) at each step."""
    made = replace(member(Adamw(0.1, decay=0.5), group("*.b", decay=0.0), group("out.*", lr=0.01), steps=3))
    made = replace(made, heads={"loss": replace(made.heads["loss"], weight=0.0)})
    start, found = lone(replace(made, optimizer=Adamw(1e-300), groups=()), DATA).weights, lone(made, DATA).weights
    assert found["hidden0"]["W"] == pytest.approx(start["hidden0"]["W"] * 0.95**3)
    assert found["out"]["W"] == pytest.approx(start["out"]["W"] * 0.995**3)
    assert np.array_equal(found["hidden0"]["b"], start["hidden0"]["b"])


def test_groups_that_set_what_is_set_already_change_nothing():
    plain = member(Adam(0.01, 0.8, eps=1e-3), clip_norm=1.0)
    same = member(Adam(0.01, 0.8, eps=1e-3), group("*", lr=0.01, beta1=0.8), group("*.b", eps=1e-3), clip_norm=1.0)
    assert distance(lone(plain, DATA), lone(same, DATA)) < 1e-12


def test_a_stack_with_groups_trains_as_its_members_alone():
    made = [
        member(Adam(lr, beta2=beta), group("*.b", lr=own, eps=0.1), group("out.*", beta1=0.5), epochs=5, steps=None)
        for lr, beta, own in ((0.01, 0.9, 0.1), (1e200, 0.999, 0.1), (0.02, 0.999, 0.03))
    ]
    outcomes = assert_law(made, DATA, keys=[0, 0, 3])
    assert outcomes[1].status == "diverged"


def test_a_proximal_step_takes_the_rate_of_the_tensor():
    """With an enormous threshold lr strength, l1 sets all W to 0 but those whose rate is next to nothing."""
    made = member(Sgd(0.1), group("out.*", lr=1e-300), regularizers=(L1(1e3, proximal=True),), steps=1)
    found = lone(made, DATA).weights
    assert not found["hidden0"]["W"].any()
    assert found["out"]["W"].all()


def test_scheduled_options_and_groups_go_together():
    made = [
        replace(member(Adam(lr), group("*.b", beta1=0.5)), schedules={"optimizer.beta1": Linear(1, 0.5)}, schedule=Linear())
        for lr in (0.01, 0.03)
    ]
    assert_law(made, DATA, keys=[0, 3])


def test_a_resumed_training_with_groups_is_the_same():
    made, snapshots = [member(Adam(0.01), group("*.b", lr=0.1), checkpoint_every=6)] * 2, {}

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain)

    whole = train(made, [DATA], [1, 2], save=save)
    again = train(made, [DATA], [1, 2], resume=snapshots[12])
    assert [distance(a, b) for a, b in zip(whole, again, strict=True)] == [0, 0]


def test_blocks_of_columns_have_the_options_of_their_columns():
    rng, ctx = np.random.default_rng(0), Context(replicas=(2,), keys=(0, 1))
    optimizer = Adam(lr=rng.uniform(0.1, 1, (2, 10)), beta1=rng.uniform(0.1, 0.9, (2, 10)), eps=np.full((2, 1), 1e-3))
    w, g = rng.standard_normal((2, 10)), rng.standard_normal((2, 10))
    other, states = w.copy(), [optimizer.init(w), optimizer.init(w)]
    optimizer.update(w, g, states[0], optimizer.lr, ctx)
    by_blocks(optimizer, other, g, states[1], optimizer.lr, ctx, 4)
    assert np.array_equal(w, other)
    assert states[1]["t"] == 1


def test_groups_run_on_a_device():
    made = [member(Adam(lr), group("*.b", lr=0.1)) for lr in (0.01, 0.02)]
    on_host, there = (train(made, [DATA], [0, 1], dtype=np.float64, xp=xp) for xp in (np, Double()))
    assert max(distance(a, b) for a, b in zip(on_host, there, strict=True)) < 1e-12


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize(("optimizer", "options"), [(Adam(), {"beta1": 0.5, "eps": 0.1}), (Nag(), {})])
def test_both_tiers_have_the_options_of_groups(optimizer, options):
    made = [
        replace(
            member(replace(optimizer, lr=lr), group("*.b", lr=own, **options), group("out.*", lr=0.02)), schedule=Linear()
        )
        for lr, own in ((0.01, 0.1), (0.03, 0.05))
    ]
    array, compiled = (train(made, [DATA], [0, 3], dtype=np.float64, tier=tier) for tier in ("array", "compiled"))
    assert max(distance(a, b) for a, b in zip(array, compiled, strict=True)) < 1e-12


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (member(Lars(), group("*.b", lr=0.1)), "with Lars, which treats tensors as a whole, they are not compiled"),
        (member(Nag(), group("*.b", alpha=0.1)), "with Nag, which looks ahead, only those of lr are compiled"),
        (
            member(Sgd(), group("*.b", lr=0.1), regularizers=(L1(proximal=True),)),
            "with a regularizer that acts after the up",
        ),
        (
            replace(member(Adam(), group("*.b", lr=0.1)), schedules={"optimizer.beta1": Linear(1, 0.5)}),
            "with a schedule of another option of the optimizer, they are not compiled",
        ),
    ],
)
def test_groups_that_are_not_compiled_are_told(made, why):
    with pytest.raises(TierError, match=rf"tier: 'compiled' cannot be used here: optimizer\.groups: {why}"):
        lone(made, DATA, tier="compiled")


# ---- configured ----


def test_groups_are_configured_as_a_list():
    found = assembled("{optimizer: {type: adamw, groups: [{match: '*.b', decay: 0, lr: 0.01}]}}")
    assert found.groups == (group("*.b", decay=0.0, lr=0.01),)
    assert found.optimizer == Adamw()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("[{match: '*.b', eta: 0.1}]", "optimizer.groups[0].eta: not an option that may differ; did you mean "),
        ("[{match: '*.b', correct: false}]", "optimizer.groups[0].correct: not an option that may differ"),
        ("[{match: '*.b', beta1: 1.5}]", "optimizer.groups[0].beta1: 1.5 must be below 1"),
        ("[{lr: 0.5}]", "optimizer.groups[0]: {'lr': 0.5} needs a 'match' with the tensors that it is for"),
        ("{match: '*.b'}", "optimizer.groups: {'match': '*.b'} is not a list of groups; for example"),
    ],
)
def test_wrong_groups_are_told_before_training(groups, expected):
    assert messages(f"{{optimizer: {{type: adam, groups: {groups}}}}}")[0].startswith(expected)


def test_a_pattern_without_tensors_is_rejected():
    expected = (
        r"optimizer\.groups\[0\]\.match: no tensor matches \(got 'b'\); the tensors are hidden\.W, hidden\.b, out\.W, out\.b"
    )
    with pytest.raises(ConfigError, match=expected):
        assembled("{optimizer: {type: adam, groups: [{match: b, lr: 0.1}]}}")
