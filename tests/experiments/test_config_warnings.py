"""What a configuration says that has no effect: a warning line each."""

import pytest

from framework.config.composition import compose
from framework.experiments.config_warnings import config_warnings
from framework.experiments.experiment import prepare

QUICK = ["dataset=xor", "trainer.epochs=1", "tracking=none"]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["trainer.early_stopping.min_delta=0.1"], "trainer.early_stopping.min_delta: no effect without"),
        (["trainer.probe_every=1"], "trainer.probe_every: no effect without probes (got 1)"),
    ],
)
def test_an_option_without_the_one_it_belongs_to(words, key):
    assert config_warnings(prepare(compose([*QUICK, *words])).learner)[0].startswith(key)
    used = [*words, "trainer.early_stopping.patience=2", "probes=[dead]"]
    assert config_warnings(prepare(compose([*QUICK, *used])).learner) == []


def test_a_probe_that_finds_nothing_says_so_once(ask):
    said = ask(*QUICK, "activation=tanh", "probes=[dead]")[2]
    assert said.count("probes.dead: there is nothing in this network that it measures") == 1
    assert "probes" not in ask(*QUICK, "probes=[dead]")[2]


@pytest.mark.parametrize("study", ["gradcheck", "trace", "overfit_batch", "lr_range", "bias_variance", "learning_curve"])
def test_a_study_reports_no_probe_of_its_own(ask, study):
    words = {"overfit_batch": ["study.steps=2"], "lr_range": ["study.steps=2"], "bias_variance": ["study.members=2"]}
    said = ask(*QUICK[1:], "dataset=spirals", "dataset.n=40", "model.hidden=2", f"study={study}", *words.get(study, []))[2]
    assert "probes" not in said
