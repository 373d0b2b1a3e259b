"""The score against the number of training examples, all sizes in one stack."""

import numpy as np
import pytest
from networks import distance

from framework.config.composition import compose
from framework.core.errors import ConfigError
from framework.experiments.experiment import prepare
from framework_studies.learning_curve import order, subset, verdict

SINE = "dataset=sine model.hidden=4 trainer.epochs=5 study.sizes=3 study.draws=2 "


def prepared(words):
    return prepare(compose(["study=learning_curve", "tracking=none", "device=cpu", *words.split()]))


def studied(words):
    experiment = prepared(words)
    return experiment, experiment.settings.study(experiment)


def test_sizes_are_halves_and_the_step_of_their_score():
    _, found = studied(SINE + "dataset.n=40")
    assert found.series["learning_curve/val/loss"][:, 0].tolist() == [10, 20, 40]
    assert [line.split(",")[:2] for line in found.files["learning_curve.csv"].splitlines()][:3] == [
        ["examples", "draw"],
        ["10", "0"],
        ["10", "1"],
    ]


def test_a_network_of_the_curve_is_the_one_trained_alone():
    experiment, found = studied(SINE + "dataset.n=40 dtype=float64")
    rows = order(experiment.data, 0, draw=1)[:20]
    (alone,) = experiment.train([experiment.learner], [subset(experiment.data, rows, 40)], [(0, 1)])
    assert distance(alone, found.outcomes[3]) < 1e-12


def test_smaller_sets_are_parts_of_larger_ones_with_all_classes():
    data = prepared("dataset=wine").data
    labels, rows = data.splits["train"]["y"], order(data, 0, draw=0)
    assert sorted(rows) == list(range(len(labels)))
    shares = np.bincount(labels) / len(labels)
    for m in (12, 24, 48):
        assert np.abs(np.bincount(labels[rows[:m]], minlength=3) - m * shares).max() < 1.5


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1.0, 1.1, 0.9], [0.5, 0.6, 0.45], "would probably reduce it further"),
        ([1.0, 1.1, 0.9], [1.1, 1.0, 0.8], "no clear improvement"),
        ([1.0], [0.5], "From 10 to 20 examples val/loss changes by -0.5."),
    ],
)
def test_the_last_doubling_decides_the_verdict(before, after, expected):
    assert expected in verdict({10: np.array(before), 20: np.array(after)})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("dataset=sine dataset.n_val=0", "learning_curve needs a validation split"),
        ("dataset=sine dataset.n=20 study.sizes=6", "20 examples allow 4 sizes at most \\(got 6\\)"),
        ("dataset=sine probes=[dead]", "probes: not supported by this study"),
    ],
)
def test_data_without_smaller_sets_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        prepared(words)
