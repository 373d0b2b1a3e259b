"""`tier=auto`: which runs are compiled. The choice reads the configuration and the replicas, and nothing else."""

from dataclasses import replace

import pytest
from networks import learner, mlp, regression

from framework import discover
from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.training.compiled.choice import certain_steps, is_worth_compiling, multiplications
from framework.training.plan import TrainingPlan
from framework.training.trainer import takes_compiled, train

get = discover().get
DATA = regression(40)
LONG = {"steps": 20_000, "batch_size": 10}


@pytest.mark.parametrize(
    ("options", "worth"),
    [
        ({"steps": 15_001, "batch_size": 10}, True),
        ({"steps": 15_000, "batch_size": 10}, False),
        ({"steps": 30_000, "batch_size": 30}, False),  # two batch sizes, two libraries
        ({"steps": 30_001, "batch_size": 30}, True),
    ],
)
def test_a_run_is_compiled_where_it_repays_its_libraries(options, worth):
    assert is_worth_compiling(learner(mlp(5, 2), **options), DATA, 1) == worth


def test_each_further_split_counts_half_a_library():
    wide = learner(mlp(5, 2), **LONG)
    assert is_worth_compiling(wide, DATA, 1)
    assert not is_worth_compiling(wide, regression(40, val=20), 1)


def test_large_products_stay_with_numpy():
    assert is_worth_compiling(learner(mlp(500, 500, 2), **LONG), DATA, 1)
    assert not is_worth_compiling(learner(mlp(1000, 1000, 2), **LONG), DATA, 1)


def test_the_replicas_of_a_stack_count():
    member = learner(mlp(5, 2), steps=1_000, batch_size=10)
    assert [is_worth_compiling(member, DATA, replicas) for replicas in (1, 6, 100, 101)] == [False, False, False, True]
    wide = learner(mlp(1000, 1000, 2), **LONG)
    assert is_worth_compiling(wide, DATA, 2)  # each replica has a core of its own


def test_a_loop_over_time_repays_its_compiling_sooner():
    words = ["model=lstm", "dataset=copy", "dataset.delay=94", "dataset.n=1000", "trainer.batch_size=10", "tracking=none"]

    def worth(steps):
        made = prepare(compose([*words, f"trainer.steps={steps}"]))
        return is_worth_compiling(made.learner, replace(made.data, splits={"train": made.data.splits["train"]}), 1)

    assert not worth(15_000 // 51)  # 100 time steps
    assert worth(15_000 // 51 + 1)


def test_steps_that_may_not_come_are_not_counted():
    def steps(**options):
        made = learner(mlp(5, 2), **{**LONG, **options})
        return certain_steps(made, TrainingPlan.of(made.options, DATA))

    stopping = replace(learner(mlp(2)).options.early_stopping, patience=9)
    assert steps() == 20_000
    assert steps(early_stopping=stopping) == 10 * 4
    assert steps(early_stopping=stopping, validate_every=3) == 10 * 3 * 4


def test_probed_steps_are_not_counted():
    probed = replace(learner(mlp(5, 2), **LONG, probe_every=10), probes={"ratio": get("probe", "update_ratio")()})
    every = replace(probed, options=replace(probed.options, probe_every=1))
    plan = TrainingPlan.of(probed.options, DATA)
    assert certain_steps(probed, plan) == 18_000
    assert certain_steps(every, plan) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dataset=digits model.hidden=32", 3 * 16 * (64 * 32 + 32 * 10)),
        ("experiment=digits_cnn trainer.batch_size=8", 3 * 8 * (64 * 9 * 32 + 16 * 288 * 64 + 256 * 10)),
        ("dataset=weather model=rnn trainer.batch_size=4", 3 * 4 * 12 * (4 * 32 + 32 * 32 + 32 * 4)),
    ],
)
def test_multiplications_are_those_of_the_layers(words, expected):
    experiment = prepare(compose(["tracking=none", *words.split()]))
    found = multiplications(experiment.learner, experiment.data, experiment.learner.options.batch_size)
    assert found == expected


def test_a_resumed_run_keeps_its_tier():
    short, long = learner(mlp(5, 2), steps=3), learner(mlp(5, 2), **LONG)
    assert takes_compiled("auto", [short], [DATA], ({}, {"tier": "compiled"}))
    assert not takes_compiled("auto", [long], [DATA], ({}, {"tier": "array"}))
    assert not takes_compiled("auto", [long], [DATA], ({}, {}))  # a checkpoint of an earlier version
    assert takes_compiled("compiled", [short], [DATA], ({}, {"tier": "array"}))


@pytest.mark.parametrize("tier", ["array", "compiled"])
def test_a_snapshot_and_a_result_name_the_tier(tier):
    kept = []
    member = learner(mlp(5, 2), steps=4, checkpoint_every=2)
    (outcome,) = train([member], [DATA], [0], tier=tier, save=lambda arrays, plain: kept.append(plain["tier"]))
    assert kept == [tier, tier]
    assert outcome.tier == tier
